"""Sound input of every kind, made once in a process, on tiny random models."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS, QUICK, STREAM, artifact, edited
from wise.cli import main
from wise.editors.registry import make_editor
from wise.memory.artifact import write_artifact
from wise.memory.store import save
from wise.records import write_records

OPTIONS = {"serac": {"steps": 5, "scope_steps": 5}, "mend": {"iterations": 4}, "ke": {"iterations": 4}}
"""Fewer steps than other tests take: here nothing has to be learned."""


@cache
def place() -> Path:
    """A folder of this process."""
    folder = Path(tempfile.mkdtemp(prefix="sound-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@cache
def model() -> Path:
    """The tiny Llama in a folder."""
    folder, lm = place() / "model", tiny_language_model()
    lm.model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    return folder


@cache
def records() -> Path:
    """Three edits with probes."""
    path = place() / "edits.jsonl"
    write_records(path, STREAM)
    return path


@cache
def contexts() -> Path:
    """What the verb `contexts` writes."""
    path = place() / "contexts.json"
    path.write_text(json.dumps({"model": "tiny", "seed": 0, "length": 3, "contexts": list(CONTEXTS)}))
    return path


def options(editor: str) -> dict:
    """Options under which an editor is quick."""
    return QUICK.get(editor, {}) | OPTIONS.get(editor, {})


@cache
def memory(editor: str) -> Mapping[str, bytes]:
    """A saved memory of two edits."""
    folder = place() / f"memory-{editor}"
    save(edited(editor, count=2, **options(editor)), folder)
    return contents(folder)


@cache
def made_artifact(editor: str) -> bytes:
    """What `wise prepare` makes for an editor."""
    path = place() / f"{editor}.safetensors"
    write_artifact(artifact(editor, "llama", tuple(options(editor).items())), path)
    return path.read_bytes()


def untrained(editor: str):
    """An editor that was given no artifact yet."""
    return make_editor(editor, tiny_language_model(), 2, options(editor), CONTEXTS)


@cache
def transcript() -> Mapping[str, bytes]:
    """What `wise stream` writes, with the answers before it."""
    out = place() / "run"
    common = ["--model", str(model()), "--records", str(records()), "--edits", "3"]
    assert main(["preedit", *common, "--generate", "--out", str(out / "preedit.parquet")]) == 0
    told = ["--train", str(records()), "--contexts", str(contexts()), "--preedit", str(out / "preedit.parquet")]
    named = ["--editor", "ft-m", "--options", '{"steps": 2}', "--dataset", "tiny", "--model-name", "tiny"]
    grid = ["--grid", '{"3": 1}', "--layer", "2", "--generate", "--out", str(out)]
    assert main(["stream", *common, *told, *named, *grid]) == 0
    return {name: content for name, content in contents(out).items() if not Path(name).name.startswith(".")}


@cache
def scores() -> bytes:
    """What `wise score` makes of it."""
    transcript()
    run, out = place() / "run", place() / "scores.parquet"
    told = ["--transcript", str(run / "transcript.parquet"), "--run", str(run / "run.json"), "--out", str(out)]
    assert main(["score", *told]) == 0
    return out.read_bytes()
