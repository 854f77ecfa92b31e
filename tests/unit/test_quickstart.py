"""What README and quickstart show runs as it stands there, on an untrained model of the same words."""

from __future__ import annotations

import doctest
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from wise.cli import main
from wise.pretraining.packing import read_corpus
from wise.pretraining.pretrain import build_model, save_pretrained
from wise.pretraining.recipe import PretrainOptions
from wise.pretraining.tokenizer import train_tokenizer

ROOT = Path(__file__).resolve().parents[2]
MODEL = "results-smoke/models/factlm"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of the words of config/smoke.yaml where the pages say."""
    made = tmp_path_factory.mktemp("quickstart")
    world = yaml.safe_load((ROOT / "config/smoke.yaml").read_text(encoding="utf-8"))["data"]["factworld"]
    data = made / "data"
    assert main(["data", "make", "--dataset", "factworld", "--options", json.dumps(world), "--out", str(data)]) == 0
    tokenizer = train_tokenizer(text.text for text in read_corpus(data / "factworld/corpus.jsonl"))
    model = build_model(PretrainOptions(hidden=32, intermediate=64, layers=2, heads=2), tokenizer, seed=0)
    save_pretrained(model, tokenizer, made / MODEL)
    return made


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in a language."""
    found, inside = [], None
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if not line.startswith("```"):
            if inside == language:
                found[-1] += f"{line}\n"
        elif inside is None:
            inside = line.removeprefix("```")
            found += [""] if inside == language else []
        else:
            inside = None
    return found


def shell_commands(block: str) -> list[tuple[list[str], str]]:
    """Each command of a block with the text that `<<END` gives it; output is left out where a `$` marks commands."""
    lines, commands = block.splitlines(), []
    prompts = any(line.startswith("$ ") for line in lines)
    while lines:
        line = lines.pop(0)
        if prompts and not line.startswith("$ "):
            continue
        words = shlex.split(line.removeprefix("$ "), comments=True)
        text = ""
        if words and words[-1] == "<<END":
            end = lines.index("END")
            text, lines = "\n".join(lines[:end]) + "\n", lines[end + 1 :]
        commands.append((words, text))
    return [command for command in commands if command[0]]


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_python_examples_run(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    examples = [example for block in blocks(page, "python") for example in doctest.DocTestParser().get_examples(block)]
    assert examples
    names, shown = {}, []
    monkeypatch.setattr(sys, "displayhook", shown.append)
    for example in examples:
        exec(compile(example.source, page, "single"), names)
        if "(" in example.want:  # the value of a dataclass; texts that a trained model would answer differ here
            value = repr(shown.pop())
            assert [value.partition("(")[0], *fields(value)] == [example.want.partition("(")[0], *fields(example.want)]


def fields(text: str) -> list[str]:
    """Names of the fields in the `repr` of a dataclass."""
    return re.findall(r"\b(\w+)=", text)


def test_shell_examples_run(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    ran = []
    for block in blocks("docs/quickstart.md", ""):
        for words, text in shell_commands(block):
            if words[0] == "cat":
                Path(words[2]).write_text(text, encoding="utf-8")
            elif words[0] == "wise":
                assert main(words[1:]) in ((0, 1) if words[1] == "edit" else (0,))  # 1: no edit took
                ran.append(words[1])
    assert {"edit", "ask", "evaluate"} <= set(ran)


def test_the_configuration_of_ones_own_data_is_accepted(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    Path("my-edits.jsonl").write_text('{"prompt": "The mayor is", "target": "He"}\n' * 2, encoding="utf-8")
    [text] = blocks("README.md", "yaml")
    assert len(text.splitlines()) == 5
    Path("mine.yaml").write_text(text.replace("path: MODEL, layer: 27", f"path: {MODEL}, layer: 1"), encoding="utf-8")
    assert main(["check", "mine.yaml"]) == 0
