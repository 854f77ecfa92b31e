"""Kinds of input that are texts: records, configurations, options, contexts, corpora, facts, searches."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.bad_input import damage, sound
from tests.bad_input.damage import Damage, Draw
from tests.bad_input.lab import Files, Kind
from wise.commands.check import check_file
from wise.commands.common import load_contexts
from wise.config.tuned import Entry, read_tuned
from wise.edit_files import read_edits
from wise.editors.entries import EDITORS
from wise.editors.registry import editor_class
from wise.options import build_options
from wise.pretraining.knowledge import read_questions
from wise.pretraining.packing import read_corpus
from wise.records import read_records
from wise.tuning.outcome import read_outcome

Way = Callable[[Draw, bytes], Damage]


def one_file(*ways: Way) -> Callable[[Draw, Files], tuple[str, Damage]]:
    """Damage of one of the files, half of it in its bytes and half in one of other `ways`."""

    def damaged(draw: Draw, files: Files) -> tuple[str, Damage]:
        file = draw(st.sampled_from(sorted(files)))
        return file, draw(st.sampled_from([damage.in_bytes, *ways]))(draw, files[file])

    return damaged


def named(way: Callable[..., Damage], *names: str) -> Way:
    """A way of damage that knows which keys have a closed set of values."""
    return lambda draw, content: way(draw, content, names)


def same(found: Any, written: Any) -> bool:
    """Whether an object holds what a document says; what the document leaves out is free."""
    if isinstance(written, dict):
        return all(same(found.get(key) if isinstance(found, dict) else None, value) for key, value in written.items())
    if isinstance(written, list):
        return isinstance(found, list | tuple) and len(found) == len(written) and all(map(same, found, written))
    if isinstance(found, float) and isinstance(written, int | float):
        return found == float(written)
    return found == written or (found is not None and str(found) == str(written))


def lines(path: Path) -> list[Any]:
    """The documents of a file of JSON Lines, read by Python's own reader."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def read_as_lines(given: Path) -> None:
    """Records say what the lines say."""
    found = [asdict(record) for record in read_records(given / "edits.jsonl")]
    assert same(found, lines(given / "edits.jsonl")), "the records are others"


def editing(given: Path, out: Path) -> list[list[str]]:
    """Verbs that read records."""
    file, model, quick = str(given / "edits.jsonl"), str(sound.model()), ["--options", '{"steps": 1}']
    return [
        ["data", "check", file],
        ["edit", "--model", model, "--edits", file, "--editor", "ft-m", *quick, "--out", str(out / "m")],
        ["preedit", "--model", model, "--records", file, "--edits", "2", "--out", str(out / "p.parquet")],
        ["trace", "--model", model, "--records", file, "--samples", "1", "--out", str(out / "t.json")],
        ["prepare", "--model", model, "--train", file, "--contexts", str(sound.contexts()), "--editor", "ultraedit",
         "--out", str(out / "a.safetensors")],
        ["overhead", "--model", model, "--records", file, "--train", file, "--contexts", str(sound.contexts()),
         "--editors", '{"ft-m": {"steps": 1}}', "--T", "[1]", "--seconds", "0.1", "--out", str(out / "o.json")],
    ]  # fmt: skip


def choosing(given: Path, out: Path) -> list[list[str]]:
    """Verbs that choose options or sentences by records."""
    file = str(given / "edits.jsonl")
    common = ["--model", str(sound.model()), "--records", file, "--train", file, "--contexts", str(sound.contexts())]
    budget, named = '{"trials": 1, "edits": 1, "grid": {"1": 1}}', ["--dataset", "tiny", "--model-name", "tiny"]
    tune = ["tune", *common, *named, "--editor", "ft-m", "--tuning", budget, "--trials", str(out / "trials.db")]
    instruct = ["instruct", *common, "--options", '{"tasks": ["recent"], "iterations": 1}', "--rounds", "1"]
    return [
        [*tune, "--out", str(out / "s.json")],
        [*instruct, "--sentences", str(out / "s.yaml"), "--out", str(out / "i.json")],
    ]


TABLE = "id,prompt,target,subject\na,Ada was born in,Port Hill,Ada\nb,Bo lives in,North West,Bo\n"


def read_table(given: Path) -> None:
    """What stands in a table is in the file."""
    found = read_edits(given / "edits.csv")
    text = (given / "edits.csv").read_text(encoding="utf-8-sig")
    for record in found:
        assert all(part in text for part in record.prompt.split('"')), "a prompt that is not in the file"


def configuration() -> Files:
    """That of the workflow's tests, as JSON, which is YAML as well."""
    file = Path(__file__).resolve().parents[1] / "workflow/tiny.yaml"
    return {"config.yaml": json.dumps(yaml.safe_load(file.read_text())).encode()}


def read_config(given: Path) -> None:
    """The complete configuration has what is written."""
    found = check_file(given / "config.yaml")
    assert same(found, yaml.safe_load((given / "config.yaml").read_text())), "the configuration is another"


def option_sets() -> Files:
    """The defaults of every editor."""
    return {f"{name}.json": json.dumps(asdict(editor_class(name).Config())).encode() for name in EDITORS}


@cache
def _choosing(editor: str) -> tuple[str, ...]:
    from wise.options import choices

    return tuple(choices(editor_class(editor).Config))


def damaged_options(draw: Draw, files: Files) -> tuple[str, Damage]:
    """Options of one editor, as a document."""
    file = draw(st.sampled_from(sorted(set(files) - {"none.json"})))
    return file, damage.in_json(draw, files[file], _choosing(Path(file).stem))


def _changed(given: Path) -> tuple[str, dict[str, Any]]:
    files = option_sets()
    changed = [path for path in sorted(given.iterdir()) if path.read_bytes() != files[path.name]]
    path = changed[0] if changed else given / "none.json"
    return path.stem, json.loads(path.read_text())


def read_options(given: Path) -> None:
    """Options say what the document says."""
    editor, written = _changed(given)
    found = asdict(build_options(editor_class(editor).Config, written, f"options of editor '{editor}'"))
    assert same(found, written), "the options are others"


def with_options(given: Path, out: Path) -> list[list[str]]:
    """Verbs that take options."""
    editor, written = _changed(given)
    common = ["--model", str(sound.model()), "--editor", editor, "--options", json.dumps(written)]
    prepare = ["prepare", *common, "--train", str(sound.records()), "--contexts", str(sound.contexts())]
    return [["edit", *common, "--edits", str(sound.records()), "--out", str(out / "m")], [*prepare, "--out", "out/a"]]


def read_contexts(given: Path) -> None:
    """The texts."""
    found = load_contexts(given / "contexts.json")
    assert found == json.loads((given / "contexts.json").read_text())["contexts"], "the texts are others"


def preparing(given: Path, out: Path) -> list[list[str]]:
    """A verb that reads contexts."""
    common = ["--model", str(sound.model()), "--train", str(sound.records()), "--editor", "memoir"]
    return [["prepare", *common, "--contexts", str(given / "contexts.json"), "--out", str(out / "a.safetensors")]]


CORPUS = [
    {"kind": "fact", "subject": "Ada", "text": "Ada was born in Port Hill.", "answers": [[16, 25]]},
    {"kind": "read", "subject": "Bo", "text": "Bo lives in West. Bo is in West.", "answers": [[27, 31]], "given": 17,
     "turn": 1},
]  # fmt: skip

FACT = {
    "relation": "born", "object": "Port Hill", "seen": ["Ada was born in"], "held_out": ["the city of Ada"],
    "alias_seen": [], "alias_held_out": [], "two_hop": {"prompt": "Ada lives in", "target": "West", "seen": True},
    "in_context": {"prompt": "Bo was born in", "target": "West"},
}  # fmt: skip


def as_lines(*rows: Any) -> bytes:
    """JSON Lines."""
    return "\n".join(map(json.dumps, rows)).encode() + b"\n"


def read_texts(given: Path) -> None:
    """Texts and their places."""
    found = read_corpus(given / "corpus.jsonl")
    assert same([text.text for text in found], [row["text"] for row in lines(given / "corpus.jsonl")]), "other texts"


def read_facts(given: Path) -> None:
    """As many questions as the facts have."""
    found, rows = read_questions(given / "facts.jsonl"), lines(given / "facts.jsonl")
    asked = sum(row["seen"].count(q.prompt) > 0 for row in rows for q in found if q.aspect == "seen")
    assert asked >= sum(bool(row["seen"]) for row in rows), "questions are missing"


def pretraining(given: Path, out: Path) -> list[list[str]]:
    """The verb that trains on texts."""
    tiny = {"hidden": 16, "intermediate": 32, "layers": 1, "heads": 2, "context": 16, "length": 16, "epochs": 1,
            "curriculum_epochs": 0, "batch": 4, "part": 2}  # fmt: skip
    told = ["--corpus", str(given / "corpus.jsonl"), "--options", json.dumps(tiny), "--threads", "1"]
    return [["pretrain", *told, "--out", str(out / "m"), "--report", str(out / "r.json")]]


def knowing(given: Path, out: Path) -> list[list[str]]:
    """The verb that asks for facts."""
    return [["knowledge", "--model", str(sound.model()), "--facts", str(given / "facts.jsonl"), "--out", "out/k.json"]]


TRIAL = {"number": 0, "origin": "defaults", "state": "complete", "options": {"lr": 0.1}, "score": 0.5,
         "scores": {"10": {"avg": 0.5}}, "seconds": 1.0, "message": ""}  # fmt: skip
OUTCOME = {"dataset": "zsre", "model": "tiny", "editor": "ft-m", "search": {"fixed": {}, "seed": 0}, "trials": [TRIAL]}

ENTRY = {"options": {"lr": 0.1}, "score": 0.5, "default": None, "sensitivity": 0.1, "trials": 2, "seconds": 1.0,
         "digest": "0123456789abcdef", "search": {"seed": 0}}  # fmt: skip
TUNED = {"zsre": {"tiny": {"ft-m": ENTRY, "grace": ENTRY}}}


def read_search(given: Path) -> None:
    """The trials."""
    found, written = read_outcome(given / "search.json"), json.loads((given / "search.json").read_text())
    assert same([asdict(trial) for trial in found.trials], written["trials"]), "other trials"


def read_choice(given: Path) -> None:
    """The options."""
    found, written = read_tuned(given / "tuned.yaml"), yaml.safe_load((given / "tuned.yaml").read_text()) or {}
    plain = TypeAdapter(dict[str, dict[str, dict[str, Entry]]]).dump_python(found)
    assert same(plain, written), "other options"


REWRITE = {"prompt": "{} was born in", "target_new": {"str": "Port"}, "target_true": {"str": "West"}, "subject": "Ada"}
RAW = [{"case_id": 0, "requested_rewrite": REWRITE, "paraphrase_prompts": ["A"], "neighborhood_prompts": ["Bo was in"]}]


def read_raw(given: Path) -> None:
    """Raw rows are read by their verb; here only that they are rows."""
    from wise.datasets.published.raw_rows import read_rows

    found, text = read_rows(given / "raw.json"), (given / "raw.json").read_text()
    assert same(found, json.loads(text) if text.lstrip()[:1] == "[" else lines(given / "raw.json")), "other rows"


KINDS = [
    Kind("records", lambda: {"edits.jsonl": sound.records().read_bytes()}, one_file(named(damage.in_lines, "kind")),
         read_as_lines, editing, ("prompt", "target", "edit '"), choosing),
    Kind("tables of edits", lambda: {"edits.csv": TABLE.encode()}, one_file(), read_table,
         lambda given, out: [["data", "check", str(given / "edits.csv")]]),
    Kind("configurations", configuration, one_file(*[named(damage.in_json, "source", "dtype", "on_nan")] * 3),
         read_config, lambda given, out: [["check", str(given / "config.yaml")]],
         ("editors", "models", "data", "seeds", "results", "evaluation", "ablations", "tracking", "contexts", "tun",
          "configuration", "unknown key")),
    Kind("option sets", option_sets, damaged_options, read_options, names=("option", "unknown"), busy=with_options),
    Kind("contexts", lambda: {"contexts.json": sound.contexts().read_bytes()}, one_file(damage.in_json), read_contexts,
         preparing),
    Kind("corpora", lambda: {"corpus.jsonl": as_lines(*CORPUS)}, one_file(damage.in_lines), read_texts,
         pretraining, ("corpus", "text")),
    Kind("facts", lambda: {"facts.jsonl": as_lines(FACT)}, one_file(damage.in_lines), read_facts, knowing,
         ("prompt", "target")),
    Kind("searches", lambda: {"search.json": json.dumps(OUTCOME).encode()}, one_file(damage.in_json), read_search,
         lambda given, out: [["adopt", "--searches", str(given / "search.json"), "--out", str(out / "t.yaml")]]),
    Kind("tuned options", lambda: {"tuned.yaml": json.dumps(TUNED).encode()}, one_file(damage.in_json), read_choice),
    Kind("raw records", lambda: {"raw.json": json.dumps(RAW).encode()}, one_file(damage.in_json), read_raw,
         lambda given, out: [["data", "check", "--dataset", "counterfact", str(given / "raw.json")]]),
]  # fmt: skip
