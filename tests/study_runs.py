"""Runs of the main comparison and of every study, drawn by simple rules, and the options that name their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.inputs import Inputs
from tests.synthetic import overhead, tracing, write_runs, write_searches
from wise.files import write_json
from wise.records import EditRecord, write_records

GRID = {1: 6, 10: 2, 30: 1}
VARIANTS = [
    {"routing": "per_step", "positions": "tokens", "threshold": "recorded"},
    {"routing": "per_step", "positions": "last", "threshold": "current"},
    {"routing": "prefill", "positions": "last", "threshold": "current"},
]
REFINED = {"convention": "refined", "lr": 60.0, "act_ratio": 0.8, "activation": "none", "replay": False}
VARIED = ("locate", "parts", "merging", "anchors")
"""Studies that are shown as `switches` is."""
SWITCHED = [{}, {"activation": "ffn"}, {"convention": "paper", "lr": 1.0, "act_ratio": 1.0}]


def write_all(folder: Path) -> dict[str, Any]:
    """Main runs of two datasets, the second without paraphrases and near locality, and runs of every study."""
    made = {"main": write_runs(folder, seeds=(0, 1), grid=GRID)}
    other = write_runs(folder, seeds=(0, 1), grid={1: 6, 20: 1}, dataset="factworld-hallucination",
                       kinds=("edit", "locality_far"))  # fmt: skip
    made["both"] = {kind: made["main"][kind] + other[kind] for kind in other}
    made["layer"] = _study(folder, "wise-retrieve", [{"layer": index} for index in (0, 2, 10)])
    grid = [{"options": {"shards": k, "rho": rho}} for k, rho in ((2, 0.1), (2, 0.5), (4, 0.1))]
    made["shards"] = _study(folder, "wise-merge", grid)
    made["generation"] = _study(folder / "generation", "wise-retrieve", [{"options": point} for point in VARIANTS])
    points = [{"options": REFINED | point, "grid": {1: 6, 10: 1}} for point in SWITCHED]
    made["switches"] = _study(folder / "switches", "wise-retrieve", points)
    made |= dict.fromkeys(VARIED, made["switches"])
    points = [{"options": REFINED | {"replay": replay}, "grid": {1: 6, 10: 1}} for replay in (False, True)]
    made["replay"] = _study(folder / "replay", "wise-retrieve", points)
    made["scaling"] = _study(folder / "scaling/a", "grace", [{"grid": {10: 1, 30: 1}}])
    more = _study(folder / "scaling/b", "wise-retrieve", [{"grid": {10: 1, 30: 1}}])
    made["scaling"] = {kind: made["scaling"][kind] + more[kind] for kind in more}
    made["grace_radius"] = _study(folder / "radius", "grace", [{"options": {"radius": r}} for r in (10.0, 1.0)])
    made |= _tasks(folder)
    write_json(folder / "tracing.json", tracing())
    made["tracing"] = folder / "tracing.json"
    write_json(folder / "overhead.json", overhead())
    made["overhead"] = folder / "overhead.json"
    made["searches"] = write_searches(folder)
    made["rounds"] = [folder / "rounds/factworld-tasks/factlm/rounds.json"]
    one = {"task": "recent", "sentence": "of [TOPIC]", "kept": True}
    tried = [one | {"round": number, "score": 0.5 + 0.25 * number, "new": bool(number)} for number in (0, 1)]
    write_json(made["rounds"][0], {"wording": "factworld", "tried": tried})
    return made


TASK_STUDIES = ("tasks", "tasks_paired", "transfer", "task_count", "instructions", "balance")


def _tasks(folder: Path) -> dict[str, Any]:
    """Runs of edits that name their tasks: those of `write_runs` in turns."""
    home = folder / "tasks"
    turns = ("recent", "counterfact", "convsent", "questions")
    records = [EditRecord(f"qa-{place:05d}", "p", "t", task=turns[place % 4]) for place in range(300)]
    write_records(home / "factworld-qa/edits.jsonl", records)
    main = write_runs(home / "main", editors=("mend", "grace", "instructedit"), seeds=(0, 1), grid={1: 40, 10: 2})
    made: dict[str, Any] = {"tasks": main, "tasks_paired": main, "areas": {"areas": _areas(home, turns)}}
    variants = [write_runs(home / name, editors=("instructedit",), seeds=(0,), grid={1: 40}) for name in ("a", "b")]
    for found, name in zip(variants, ("first", "second"), strict=True):
        for kind, [path] in found.items():
            found[kind] = [_of_variant(path, name)]
    for study in TASK_STUDIES[2:]:
        made[study] = {kind: variants[0][kind] + variants[1][kind] for kind in variants[0]}
    records_of = {"records": [home / "factworld-qa/edits.jsonl"]}
    return {name: paths if name == "areas" else paths | records_of for name, paths in made.items()}


def _areas(folder: Path, tasks: tuple[str, ...]) -> list[Path]:
    """Where edits lie for networks of two editors and some trainings: apart for the first, mixed for the second."""
    paths = []
    trainings = [tasks[:3], tasks[:2], *([task] for task in tasks)]
    rng = np.random.default_rng(0)
    for editor, training in [(editor, training) for editor in ("instructedit", "mend") for training in trainings]:
        apart = 3.0 * (editor == "instructedit") * np.eye(4, 8)
        vectors = np.concatenate([rng.normal(centre, 1.0, (12, 8)) for centre in apart])
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).tolist()
        names = [task for task in tasks for _ in range(12)]
        columns = {"record": list(map(str, range(48))), "task": names, "update": vectors, "gradient": vectors}
        options = json.dumps({"tasks": list(training), "balanced": True})
        table = pa.table(columns).replace_schema_metadata({"editor": editor, "options": options})
        paths.append(folder / f"{editor}-{len(paths)}.parquet")
        pq.write_table(table, paths[-1])
    return paths


def _of_variant(path: Path, name: str) -> Path:
    """A file of a run, moved to where a study keeps the runs of a variant."""
    target = path.parent.parent / name / path.parent.name / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    return path.rename(target)


def _study(folder: Path, editor: str, points: list[dict[str, Any]]) -> dict[str, list[Path]]:
    paths: dict[str, list[Path]] = {"scores": [], "runs": [], "transcripts": []}
    for index, point in enumerate(points):
        point = {"grid": {10: 1}, **point}
        found = write_runs(folder / f"{editor}-{index}", editors=(editor,), seeds=(0,), **point)
        for kind in paths:
            paths[kind] += found[kind]
    return paths


def inputs_of(name: str, runs: dict[str, Any]) -> Inputs:
    """What the artifact called `name` is made from."""
    if name == "claims":
        names = ("layer", "shards", "generation", "grace_radius")
        studies = {study: [path.parent for path in runs[study]["runs"]] for study in names}
        main = runs["main"]["scores"], (), runs["main"]["runs"]
        further = {"studies": studies, "place": ("factworld-qa", "factlm"), "levels": {"factlm": "embedded"}}
        return Inputs(*main, runs["overhead"], **further)
    if name == "tracing":
        folders = [path.parent for path in runs["layer"]["runs"]]
        return Inputs(tracing_path=runs["tracing"], studies={"layer": folders})
    if name == "bases":
        return Inputs(runs["main"]["scores"])
    if name == "overhead":
        return Inputs(overhead_path=runs["overhead"])
    if name.startswith("tuning"):
        return Inputs(search_paths=runs["searches"])
    if name == "instruction_rounds":
        return Inputs(round_paths=runs["rounds"])
    if name == "areas":
        return Inputs(area_paths=runs["areas"]["areas"])
    if name in TASK_STUDIES:
        chosen = runs[name]
        return Inputs(chosen["scores"], run_paths=chosen["runs"], record_paths=chosen["records"])
    if name == "dataset_table":
        return Inputs(transcript_paths=runs["both"]["transcripts"], run_paths=runs["both"]["runs"])
    if name in ("routing", "router", "grace_radius"):
        chosen = runs[name if name == "grace_radius" else "both" if name == "routing" else "main"]
        first = -4 if name == "router" else 0  # the editors that route
        return Inputs(transcript_paths=chosen["transcripts"][first:], run_paths=chosen["runs"][first:])
    if name not in ("layer", "shards", "generation", "switches", "replay", "scaling", *VARIED):
        return Inputs(
            runs["both"]["scores"], run_paths=runs["both"]["runs"] if name in ("main_table", "protocols") else ()
        )
    chosen = runs[name]
    transcripts = chosen["transcripts"] if name in ("switches", "replay") else ()
    reference = runs["main"]["scores"] if name == "layer" else ()
    return Inputs(chosen["scores"], transcripts, chosen["runs"], reference_paths=reference)


def arguments(name: str, runs: dict[str, Any]) -> list[str]:
    """The same as options of `python -m analysis`."""
    inputs = inputs_of(name, runs)
    options = {"--scores": inputs.score_paths, "--transcripts": inputs.transcript_paths, "--runs": inputs.run_paths,
               "--searches": inputs.search_paths, "--overhead": [inputs.overhead_path] if inputs.overhead_path else [],
               "--tracing": [inputs.tracing_path] if inputs.tracing_path else [],
               "--reference-scores": inputs.reference_paths, "--records": inputs.record_paths,
               "--areas": inputs.area_paths, "--rounds": inputs.round_paths}  # fmt: skip
    words = [word for option, paths in options.items() if paths for word in (option, *map(str, paths))]
    words += [word for study, folders in inputs.studies.items() for word in ("--study", study, *map(str, folders))]
    words += ["--place", *inputs.place] if inputs.place else []
    return words + (["--levels", *map("=".join, inputs.levels.items())] if inputs.levels else [])
