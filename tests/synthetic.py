"""Transcripts as a run would write them, drawn from simple rules: for tests of scores, tables and figures."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from wise.evaluate.scores import score_transcript
from wise.evaluate.transcript import read_transcript, write_transcript
from wise.files import write_json
from wise.tuning.outcome import Outcome, Trial, write_outcome

GRID = {1: 40, 10: 8, 100: 2, 300: 1}
# chance that a token is right: rel, gen, near and far locality at T=1, and what each loses by the largest T
QUALITY = {
    "none": ((0.05, 0.05, 1.0, 1.0), (0.0, 0.0, 0.0, 0.0)),
    "ft-l": ((0.97, 0.85, 0.7, 0.9), (0.75, 0.65, 0.5, 0.6)),
    "grace": ((0.99, 0.15, 0.99, 1.0), (0.03, 0.05, 0.02, 0.0)),
    "wise-merge": ((0.99, 0.93, 0.93, 1.0), (0.15, 0.2, 0.25, 0.02)),
    "wise-retrieve": ((0.99, 0.95, 0.95, 1.0), (0.1, 0.12, 0.2, 0.01)),
}
PROBES = (
    ("edit", "", 0), ("paraphrase", "", 1), ("paraphrase", "", 1), ("locality_near", "subject", 2),
    ("locality_near", "relation", 2), ("locality_far", "", 3),
    ("portability", "two-hop", 1), ("portability", "alias", 1),
)  # fmt: skip


def transcript(editor: str, seed: int, grid: dict[int, int] = GRID, edits: int = 300) -> list[dict]:
    """Rows of one run."""
    rng = np.random.default_rng(zlib.crc32(f"{editor} {seed}".encode()))
    order = np.random.default_rng(seed).permutation(edits)
    largest = max(grid)
    rows = []
    for count, chunks in grid.items():
        fade = np.log(count) / np.log(largest) if largest > 1 else 0.0
        for chunk in range(chunks):
            for place in range(count):
                edit = chunk * count + place
                rows += _questions(editor, rng, count, chunk, edit, count - 1 - place, f"qa-{order[edit]:05d}", fade)
    return rows


def _questions(editor, rng, count, chunk, edit, age, record, fade):
    start, loss = QUALITY.get(editor, QUALITY["wise-merge"])
    rows = []
    for index, (kind, name, quality) in enumerate(PROBES):
        share = start[quality] - loss[quality] * fade * (0.6 + 0.4 * age / max(1, count - 1))
        size = int(rng.integers(1, 5))
        target = rng.integers(5, 900, size)
        before = rng.integers(5, 900, size) if quality < 2 else target
        predicted = np.where(rng.random(size) < share, target, rng.integers(5, 900, size))
        rows.append({
            "T": count, "chunk": chunk, "edit": edit, "age": age, "record": record, "kind": kind, "name": name,
            "probe": index - 1, "target": "Lower Brandt", "target_tokens": target.tolist(),
            "predicted_tokens": predicted.tolist(), "nll": rng.exponential(0.2 + 4 * (1 - share), size).tolist(),
            "before_tokens": before.tolist(), "before_nll": rng.exponential(2.0, size).tolist(),
            "base_accuracy": 0.9 if kind == "portability" else None,
            "generated": _generated(rng, 0.9 * share) if kind == "edit" else None,
            **_ending(editor, kind),
            **(route := _route(editor, rng, kind, fade)),
            **_oracle(route, kind, edit, target),
        })  # fmt: skip
    return rows


def _generated(rng, share):
    return "lower Brandt." if rng.random() < share else "Upper Brandt"


def _ending(editor, kind):
    """The unedited model ends, and WISE with it; others go on, GRACE with its target."""
    if kind != "edit" or editor == "none":
        return {}
    text = "" if editor.startswith("wise") else ", Lower Brandt" if editor == "grace" else ", a town."
    own = {"before_ending": "", "before_ending_nll": [0.1], "before_ending_stopped": True}
    return {"ending": text, "ending_nll": [0.1] if not text else [3.0, 2.0], "ending_stopped": not text, **own}


def _route(editor, rng, kind, fade):
    if editor not in ("grace", "wise-merge", "wise-retrieve"):
        return {"score": None, "threshold": None, "choice": "main"}
    centre = {"edit": 20.0, "paraphrase": 17.0 - 4 * fade, "locality_near": 6.0 + 4 * fade, "locality_far": 3.0}
    score = centre.get(kind, 12.0) * np.exp(rng.normal(0, 0.12))
    threshold = 14.0 - 2 * fade
    if editor == "grace":
        score, threshold = -30 / score, -1.7
    return {"score": score, "threshold": threshold, "choice": "side 0" if score >= threshold else "main"}


def _oracle(route, kind, edit, target):
    """Every fifth edit lies in another memory; the one that holds it knows the target."""
    if route["score"] is None or kind not in ("edit", "paraphrase"):
        return {}
    return {"holder": "side 1" if edit % 5 == 4 else "side 0", "oracle_tokens": target.tolist()}


def write_runs(
    folder: Path, editors=tuple(QUALITY), seeds=(0, 1, 2), grid=GRID, dataset="factworld-qa", layer=4, options=None,
    kinds=None,
) -> dict[str, list[Path]]:  # fmt: skip
    """Transcripts, run records and scores of several runs, as paths in one order; `kinds` keeps some questions."""
    paths: dict[str, list[Path]] = {"transcripts": [], "runs": [], "scores": []}
    for editor in editors:
        for seed in seeds:
            home = folder / dataset / editor / f"seed{seed}"
            rows = [row for row in transcript(editor, seed, grid) if kinds is None or row["kind"] in kinds]
            run = {"dataset": dataset, "model": "factlm", "editor": editor, "seed": seed, "layer": layer,
                   "options": options or {}, "cost": {"iterations_mean": 20.0}}  # fmt: skip
            write_transcript(home / "transcript.parquet", rows)
            write_json(home / "run.json", run)
            score_transcript(read_transcript(home / "transcript.parquet"), run).to_parquet(home / "scores.parquet")
            paths["transcripts"].append(home / "transcript.parquet")
            paths["runs"].append(home / "run.json")
            paths["scores"].append(home / "scores.parquet")
    return paths


def overhead() -> dict:
    """A document as `wise overhead` writes it."""
    rng = np.random.default_rng(0)
    rows = []
    for rank, editor in enumerate(QUALITY):
        for count in (1, 10, 100, 300):
            ratio = 1 + 0.03 * rank + (0.0002 * count if editor in ("grace", "wise-retrieve") else 0)
            rows.append({
                "editor": editor, "T": count, "extra_parameters": 43_008 * rank, "extra_parameters_ratio": 0.018 * rank,
                "memory_bytes": 172_032 * rank, "peak_memory_bytes": int(4.1e8 + 2e7 * rank),
                "edit_seconds": 0.04 * rank + rng.random() * 0.01, "inference_seconds": 0.02 * ratio,
                "inference_ratio": ratio, "inference_ratio_low": ratio - 0.02, "inference_ratio_high": ratio + 0.02,
                "inference_pairs": 40, "inference_precise": count < 300, "operations": int(1e9 * ratio),
                "operations_ratio": 1 + 0.01 * rank, "memory_ratio": 0.02 * rank,
            })  # fmt: skip
    return {"rows": rows, "hardware": {"cpu": "a CPU", "cores": 2, "threads": 1}}


def tracing() -> dict:
    """A document as `wise trace` writes it: what is known lies at the subject early, and at the prompt's end late."""
    rng = np.random.default_rng(0)
    rows = [
        {"record": f"qa-{prompt}", "kind": kind, "token": token, "layer": layer, "total": 0.6,
         "effect": float(rng.normal(0.1 * (layer if token == "prompt_last" else 5 - layer), 0.05))}
        for prompt in range(8) for kind in ("state", "ffn") for token in ("subject_last", "prompt_last")
        for layer in range(6)
    ]  # fmt: skip
    return {"prompts": 8, "noise": 3.0, "samples": 5, "seed": 0, "rows": rows, "hardware": {"cpu": "a CPU"}}


def write_searches(folder: Path, editors=tuple(QUALITY), trials: int = 20) -> list[Path]:
    """Outcomes of searches; every fifth trial was pruned, and the seventh of each failed."""
    paths = []
    for editor in editors:
        rng, made = np.random.default_rng(zlib.crc32(editor.encode())), []
        for number in range(trials):
            origin = ("defaults", "published", *["search"] * trials)[number]
            state = "failed" if number == 6 else "pruned" if number % 5 == 4 else "complete"
            few, many = 0.5 + 0.45 * rng.random(), 0.2 + 0.6 * rng.random()
            scores = {"10": {"rel": few, "avg": few}, "100": {"rel": many, "avg": many}}
            shown = {"failed": {}, "pruned": {"10": scores["10"]}, "complete": scores}[state]
            score = (few + many) / 2 if state == "complete" else None
            message = "EditError: the loss is nan" if state == "failed" else ""
            made.append(Trial(number, origin, state, {"lr": 0.1 * number}, score, shown, 2.0 + number, message))
        paths.append(folder / f"{editor}.json")
        write_outcome(paths[-1], Outcome("factworld-qa", "factlm", editor, {"trials": trials, "seed": 0}, made))
    return paths
