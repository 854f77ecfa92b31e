"""Kinds of input that hold tensors or tables: memories, models, artifacts, runs, GGUF files."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from hypothesis import strategies as st
from safetensors.torch import load_file

import wise
from tests.bad_input import damage, runs, sound
from tests.bad_input.damage import Damage, Draw, by_suffix
from tests.bad_input.lab import Files, Kind
from tests.bad_input.texts import lines, same
from tests.models import tiny_language_model
from wise.errors import WiseError
from wise.files import sha256
from wise.lm.generate import generate_answers
from wise.lm.load import load_language_model
from wise.memory.artifact import use_artifact_file

QUICK_EDITORS = ("wise-retrieve", "grace", "retrieval")
EDITORS = (
    *QUICK_EDITORS,
    *("ft-m", "wise-merge", "memoir", "serac", "calinet", "alphaedit", "ultraedit", "defer", "mend", "ke"),
)
"""Editors whose memories are damaged: the first where little time is given, all of different memories else."""

PREPARED = ("memoir", "retrieval", "ultraedit", "rome", "mend", "serac", "ke")
"""Editors whose artifacts are damaged."""


def memories(editors: tuple[str, ...]) -> Kind:
    """Saved memories, with the digests of what they hold now in half of the cases."""

    @cache
    def files() -> Files:
        return {f"{name}/{file}": content for name in editors for file, content in sound.memory(name).items()}

    def damaged(draw: Draw, files: Files) -> tuple[str, Damage]:
        file = draw(st.sampled_from([file for file in sorted(files) if not file.endswith(".md")]))
        return file, by_suffix(draw, file, files[file], "editor")

    def digests(draw: Draw, given: Path) -> None:
        if draw(st.booleans()):
            for config in sorted(given.glob("*/config.json")):
                _seal(config)

    return Kind("memories", files, damaged, lambda given: _load(given, editors), answering, extra=digests,
                names=("prompt", "edit"), writes=("undo",))  # fmt: skip


def _seal(config: Path) -> None:
    try:
        written = json.loads(config.read_text())
        written["files"].pop("config.json", None)  # as memories were saved before configs had a digest
        for file in written["files"]:
            written["files"][file] = sha256(config.with_name(file))
        kept = config.with_name("edits.jsonl").read_text()
        written["edits"] = sum(bool(line.strip()) for line in kept.split("\n"))
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
        return
    config.write_text(json.dumps(written))


def _changed(given: Path, editors: tuple[str, ...]) -> str:
    """The memory that was changed, the first where none was."""
    for name in editors:
        known = sound.memory(name)
        if any((given / name / file).read_bytes() != content for file, content in known.items()):
            return name
    return editors[0]


def _load(given: Path, editors: tuple[str, ...]) -> None:
    folder = given / _changed(given, editors)
    with wise.load(folder, sound.model()) as edited:
        written = json.loads((folder / "config.json").read_text())
        rows = [row | {"probes": []} for row in lines(folder / "edits.jsonl")]
        assert same([vars(record) | {"probes": []} for record in edited.edits], rows), "its edits are others"
        assert same(json.loads(json.dumps(vars(edited.editor.config))), written["options"]), "its options are others"
        held = {**edited.editor.memory(), **{f"artifact.{k}": v for k, v in edited.editor.prepared.items()}}
        for name, tensor in load_file(folder / "memory.safetensors").items():
            assert name in held and torch.equal(held[name].cpu().to(tensor.dtype), tensor), f"{name} is another"
        answer = edited.ask("Ada was born in", max_new_tokens=2)
        assert isinstance(answer.answer, str), "it gives no answer"


def answering(given: Path, out: Path) -> list[list[str]]:
    """Verbs that read a memory."""
    names = tuple(sorted(path.name for path in given.iterdir()))
    folder, model = str(given / _changed(given, names)), ["--model", str(sound.model())]
    edit = ["edit", *model, "--edits", str(sound.records()), "--out", str(out / "n"), "--memory", folder]
    return [
        ["inspect", folder, "--edits"],
        ["ask", "Ada was born in", "--memory", folder, *model, "--max-new-tokens", "2"],
        ["evaluate", "--memory", folder, *model],
        ["undo", folder, *model, "--all"],
        ["export", "--memory", folder, *model, "--out", str(out / "e")],
        edit,
    ]


def models() -> Files:
    """The tiny Llama."""
    return sound.contents(sound.model())


def damaged_model(draw: Draw, files: Files) -> tuple[str, Damage]:
    """Any of its files, the config and the weights most often."""
    file = draw(st.sampled_from([*sorted(files), "config.json", "model.safetensors"]))
    return file, by_suffix(draw, file, files[file], "model_type")


def read_model(given: Path) -> None:
    """Its weights are those of the file, and it writes something."""
    lm = load_language_model(given)
    stored, held = load_file(given / "model.safetensors"), lm.model.state_dict()
    for name, tensor in held.items():
        assert name in stored and torch.equal(tensor, stored[name].to(tensor.dtype)), f"{name} is another"
    try:
        generate_answers(lm, ["Ada was born in"], 2)
    except WiseError:
        pass


def using_model(given: Path, out: Path) -> list[list[str]]:
    """Verbs that load a model."""
    model, file = ["--model", str(given)], str(sound.records())
    quick = ["--editor", "ft-m", "--options", '{"steps": 1}']
    return [
        ["contexts", *model, "--count", "2", "--length", "3", "--out", str(out / "c.json")],
        ["preedit", *model, "--records", file, "--edits", "2", "--out", str(out / "p.parquet")],
        ["edit", *model, "--edits", file, *quick, "--out", str(out / "m")],
    ]


def artifacts() -> Files:
    """What editors learn before their edits."""
    return {f"{name}.safetensors": sound.made_artifact(name) for name in PREPARED}


def damaged_artifact(draw: Draw, files: Files) -> tuple[str, Damage]:
    """One of them."""
    file = draw(st.sampled_from(sorted(files)))
    return file, by_suffix(draw, file, files[file])


def _artifact(given: Path) -> Path:
    known = artifacts()
    changed = [path for path in sorted(given.iterdir()) if path.read_bytes() != known[path.name]]
    return changed[0] if changed else given / "memoir.safetensors"


def read_artifact(given: Path) -> None:
    """What the editor holds is what the file has."""
    path = _artifact(given)
    editor = sound.untrained(path.stem)
    use_artifact_file(editor, path)
    stored = load_file(path)
    for name, tensor in editor.prepared.items():
        assert torch.equal(tensor, stored[name]), f"{name} is another"


def with_artifact(given: Path, out: Path) -> list[list[str]]:
    """A verb that takes an artifact."""
    path = _artifact(given)
    told = ["--editor", path.stem, "--options", json.dumps(sound.options(path.stem)), "--layer", "2"]
    common = ["--model", str(sound.model()), "--edits", str(sound.records()), "--out", str(out / "m")]
    edit = ["edit", *common, *told, "--artifact", str(path)]
    if path.stem != "mend":
        return [edit]
    model, records = ["--model", str(sound.model())], ["--records", str(sound.records()), "--edits", "2"]
    areas = ["areas", *model, *records, *told, "--contexts", str(sound.contexts()), "--artifact", str(path)]
    return [edit, [*areas, "--out", str(out / "a.parquet")]]


@cache
def gguf() -> Files:
    """A tiny Qwen2."""
    from tests.gguf_file import write_gguf

    return {"model.gguf": write_gguf(tiny_language_model("qwen2"), sound.place() / "model.gguf").read_bytes()}


def damaged_gguf(draw: Draw, files: Files) -> tuple[str, Damage]:
    """Mostly its header, where sizes and names are."""
    content = files["model.gguf"]
    if draw(st.booleans()):
        at = draw(st.integers(4, min(3000, len(content) - 9)))
        more = draw(st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f", b"\x7f", b"\1"]))
        return "model.gguf", Damage(content[:at] + more + content[at + len(more) :], f"{more!r} at {at}")
    return "model.gguf", damage.in_bytes(draw, content)


def converting(given: Path, out: Path) -> list[list[str]]:
    """The verb."""
    return [["convert", "--gguf", str(given / "model.gguf"), "--out", str(out / "m")]]


def read_gguf(given: Path) -> None:
    """What was converted is a whole model."""
    from wise.lm.gguf import convert

    convert(given / "model.gguf", Path("out/read"))
    load_language_model(Path("out/read"))


def kinds(editors: tuple[str, ...]) -> list[Kind]:
    """All of them; memories are those of `editors`."""
    made = [
        memories(editors),
        Kind("models", models, damaged_model, read_model, using_model, ("prompt", "language model")),
        Kind("artifacts", artifacts, damaged_artifact, read_artifact, with_artifact, ("edit",)),
        *runs.KINDS,
    ]
    if find_spec("gguf") is not None:
        made.append(Kind("GGUF files", gguf, damaged_gguf, read_gguf, converting))
    return made
