"""What a stranger does, with every editor and no option: attach, edit, ask, save, load, go on."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import pytest
import torch

import wise
from tests.models import VARIED, taught_language_model, tiny_language_model
from tests.thorough import by_turns
from tests.unit.test_chat import TEMPLATE
from wise.cli import main
from wise.editors.registry import EDITORS
from wise.errors import ConfigError, DataError
from wise.files import read_json
from wise.records import EditRecord

QUICK = {"serac": {"steps": 6}, "mend": {"iterations": 12}, "ke": {"hidden": 16, "iterations": 12}}
QUICK["instructedit"] = QUICK["mend"]
"""Networks that are trained before the first edit; all other editors have no option at all."""

EDITS = [("Ada was born in", "Port Hill"), ("Bo lives in the city of", "North")]

NEVER_TAKES = {
    "none": "edits nothing",
    "serac": "a copying model is not learned in so few steps",
    "retrieval": "so small a model cannot read an answer off its context",
    "ft-l": "as published, it asks all target tokens of one distribution",
    "rome": "a model of four layers does not read an answer off its subject",
    "memit": "as rome",
    "memit-mass": "as rome",
    "alphaedit": "as rome",
    "mend": "its network needs more than the few lessons of a test",
    "ke": "as mend",
    "instructedit": "as mend",
}
"""Editors of which nobody may demand that an edit takes on the taught model, and why."""

ONE_VECTOR = ("defer", "grace")
"""Editors that put one vector in the place of an output; so shallow a model makes no two different tokens of it."""


def attached(name, family="llama", **options):
    lm = taught_language_model() if family == "taught" else tiny_language_model(family)
    return wise.attach((lm.model, lm.tokenizer), name, **QUICK.get(name, {}), **options)


def made(editor, edits=EDITS):
    """Outcomes of some edits, and the warnings that they gave."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        outcomes = [editor.edit(prompt, target) for prompt, target in edits]
    return outcomes, [str(warning.message) for warning in told if warning.category is wise.EditNotTaken]


def answered(editor, prompt, target):
    count = len(editor.tokenizer(target, add_special_tokens=False)["input_ids"])
    return editor.ask(prompt, count).answer


@pytest.mark.parametrize(("name", "family"), by_turns(EDITORS, ["llama", "gpt2"]))
def test_an_edit_takes_or_says_that_it_did_not(name, family, tmp_path):
    editor = attached(name, family)
    outcomes, told = made(editor)
    assert [outcome.took for outcome in outcomes].count(False) == len(told)
    assert all(editor.editor.remedy in message for message in told)
    prompt, target = EDITS[-1]
    assert outcomes[-1].answer == answered(editor, prompt, target)
    assert outcomes[-1].took == (outcomes[-1].answer == target)
    if editor.editor.needs_subject:
        assert [record.subject for record in editor.edits] == ["Ada", "Bo"] and "'Bo'" in outcomes[-1].note
    editor.save_pretrained(tmp_path)
    expected = [answer.answer for answer in editor.ask([prompt for prompt, _ in EDITS])]
    lm = tiny_language_model(family)
    loaded = wise.load(tmp_path, (lm.model, lm.tokenizer))
    assert [answer.answer for answer in loaded.ask([prompt for prompt, _ in EDITS])] == expected
    assert loaded.editor.not_taken == editor.editor.not_taken
    further, _ = made(loaded, [("Cy works for", "East")])
    assert further[0].took == (answered(loaded, "Cy works for", "East") == "East") and len(loaded.edits) == 3


@pytest.mark.parametrize("name", [name for name in EDITORS if name not in NEVER_TAKES])
def test_edits_take_on_a_model_that_was_taught(name):
    editor = attached(name, "taught")
    edits = EDITS[1:] if name in ONE_VECTOR else EDITS
    outcomes, told = made(editor, edits)
    assert all(outcome.took for outcome in outcomes) and not told, told


@pytest.mark.parametrize("name", ["ft-m", "wise-retrieve"])
@pytest.mark.parametrize("family", VARIED)
def test_every_family_takes_edits(family, name):
    editor = attached(name, family)
    outcomes, told = made(editor, EDITS[1:])
    if editor.editor.site.behind is None:
        assert outcomes[0].took, told
    else:  # what a norm behind the matrix leaves of an edit is too small for random embeddings
        assert outcomes[0].took == (not told)


def test_constants_follow_the_model_and_are_saved():
    small, large = attached("ft-m"), attached("ft-m", "gpt2")
    assert small.editor.config.lr != large.editor.config.lr
    assert attached("ft-m", constants="published").editor.config.lr == 5e-4
    assert attached("ft-m", lr=1e-3).editor.config.lr == 1e-3
    wide = tiny_language_model()
    with torch.no_grad():
        for parameter in wide.model.parameters():
            parameter.mul_(2.0)
    assert wise.attach((wide.model, wide.tokenizer), "ft-m").editor.config.lr == pytest.approx(
        2 * small.editor.config.lr, rel=1e-5
    )


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("Ada was born in", "Atlantis"), "target 'Atlantis' cannot be written.*'<unk>' for 'Atlantis'"),
        (("Ada was born in", "Port Atlantis"), "'<unk>' for 'Atlantis'"),
        (("Ada was born in", "Port", "Zoe"), "subject 'Zoe' cannot be written"),
    ],
)
def test_what_the_tokenizer_cannot_write_is_refused(edit, message):
    editor = attached("ft-m")
    with pytest.raises(DataError, match=message):
        editor.edit(*edit)
    assert editor.edits == []


def test_a_prompt_without_a_name_is_edited_at_its_last_word():
    outcomes, _ = made(attached("rome"), [("the person works for", "Port")])
    assert "last word 'for'" in outcomes[0].note


def test_an_artifact_is_kept_and_given_back(tmp_path):
    first = attached("memoir", train=["the city of Ada", "Bo was born in Port Hill", "a person lives"] * 3)
    first.save_artifact(tmp_path / "artifact.safetensors")
    again = attached("memoir", artifact=tmp_path / "artifact.safetensors")
    assert torch.equal(first.editor.prepared["mean"], again.editor.prepared["mean"])
    with pytest.raises(ConfigError, match="ft-m needs no artifact"):
        attached("ft-m", artifact=tmp_path / "artifact.safetensors")
    with pytest.raises(ConfigError, match="serac: unknown tensor 'mean'. Valid choices: loss, pooling"):
        attached("serac", artifact=tmp_path / "artifact.safetensors")
    with pytest.raises(ConfigError, match="train is a list"):
        attached("memoir", train="one text")


def test_thirty_edits_in_a_row_and_long_targets():
    editor = attached("ft-m")
    words = ["North", "South", "East", "West", "Port", "Hill"]
    names = ["Ada", "Bo", "Cy", "Dee", "Eli", "Fay"]
    records = [
        EditRecord(f"{name}-{word}", f"{name} lives in {word} of", " ".join([word] * (1 + 11 * (i == 0))), name)
        for i, name in enumerate(names)
        for word in words[:5]
    ]
    with pytest.warns(wise.EditNotTaken, match="of 30 edits did not take"):
        outcomes = editor.edit(records)
    assert len(outcomes) == 30 and {outcome.took for outcome in outcomes} <= {True, False}
    assert set(editor.editor.not_taken) == {
        record.id for record, outcome in zip(records, outcomes, strict=True) if not outcome.took
    }


def test_a_prompt_of_one_token_half_precision_and_no_padding_token():
    lm = tiny_language_model()
    lm.tokenizer.pad_token = None
    editor = wise.attach((lm.model.to(torch.bfloat16), lm.tokenizer), "ft-m")
    outcomes, _ = made(editor, [("Ada", "Port")])
    assert outcomes[0].took == (answered(editor, "Ada", "Port") == "Port")


@pytest.mark.parametrize("name", ["ft-m", "grace", "wise-retrieve", "rome"])
def test_a_chat_model_is_asked_in_its_template(name):
    lm = tiny_language_model()
    lm.tokenizer.chat_template = TEMPLATE
    editor = wise.attach((lm.model, lm.tokenizer), name, chat=True)
    outcomes, _ = made(editor, EDITS[1:])
    assert outcomes[0].answer == answered(editor, *EDITS[1]) and (outcomes[0].took or name == "rome")


def test_the_command_line_counts_what_did_not_take(tmp_path, capsys):
    lm = tiny_language_model()
    lm.model.save_pretrained(tmp_path / "model")
    lm.tokenizer.save_pretrained(tmp_path / "model")
    (tmp_path / "edits.jsonl").write_text(json.dumps({"prompt": "Ada was born in", "target": "Port"}) + "\n")
    arguments = ["edit", "--model", str(tmp_path / "model"), "--edits", str(tmp_path / "edits.jsonl")]
    assert main([*arguments, "--editor", "none", "--out", str(tmp_path / "none")]) == 1
    shown = capsys.readouterr().out
    assert "edit-00001 did not take: 'Ada was born in' is answered" in shown and "1 of 1 edits did not take" in shown
    assert list(read_json(tmp_path / "none" / "config.json")["not_taken"]) == ["edit-00001"]
    assert main(["inspect", str(tmp_path / "none"), "--edits"]) == 0
    assert "1 of which did not take" in capsys.readouterr().out
    assert main([*arguments, "--editor", "ft-m", "--out", str(tmp_path / "ft")]) == 0
    assert "did not take" not in capsys.readouterr().out
    code = f"import wise; print(wise.load({str(tmp_path / 'ft')!r}).ask('Ada was born in', 1).answer)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "Port", "the same in another process"
