"""What people do who have not read the documentation: it works, or is refused with what to do instead."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoModel

import wise
from tests.models import taught_language_model, tiny_language_model
from wise.cli import main
from wise.errors import ConfigError, DataError
from wise.lm.batch import encode, fitting
from wise.lm.generate import generate_answers, prompt_tokens
from wise.lm.load import load_language_model, text_digest
from wise.records import EditRecord, Probe

PROMPT, TARGET = "Ada was born in", "Port Hill"

TRAIN = [
    EditRecord(
        f"{name}-{place}", f"the person {name} was born in the city of", place, irrelevant=f"{name} works for {place}"
    )
    for name in ("Bo", "Cy", "Dee", "Eli", "Fay", "Gus", "Hal")
    for place in ("North", "South", "East", "West")
]


def pair():
    lm = tiny_language_model()
    return lm.model, lm.tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in pair():
        part.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", ["wise-retrieve", "ft-m", "grace"])
def test_edits_are_learned_where_gradients_are_off(name: str, mode):
    loaded = pair()
    with mode():
        editor = wise.attach(loaded, name, layer=2)
        assert editor.edit(PROMPT, TARGET).iterations > 0


def test_a_model_that_was_loaded_in_inference_mode_is_refused(folder: Path):
    with torch.inference_mode(), pytest.raises(ConfigError, match="load it outside"):
        wise.attach((pair()[0].__class__.from_pretrained(folder), pair()[1]))


def test_a_precision_may_be_that_of_torch(folder: Path):
    assert load_language_model(folder, dtype=torch.bfloat16).model.dtype == torch.bfloat16
    with pytest.raises(ConfigError, match="unknown dtype 'int8'"):
        load_language_model(folder, dtype=torch.int8)


def test_an_end_token_behind_every_text_is_left_out():
    lm = tiny_language_model()
    plain = prompt_tokens(lm, [PROMPT]), encode(lm, [PROMPT], [TARGET])
    end = lm.tokenizer.eos_token
    lm.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"<bos> $A {end}", special_tokens=[("<bos>", 2), (end, lm.tokenizer.eos_token_id)]
    )
    assert lm.tokenizer(PROMPT)["input_ids"][-1] == lm.tokenizer.eos_token_id
    assert (prompt_tokens(lm, [PROMPT]), encode(lm, [PROMPT], [TARGET])) == plain


def test_answers_end_where_the_model_itself_ends_them():
    lm = taught_language_model()
    whole = generate_answers(lm, ["Ada was born in"], 6)[0]
    last = lm.tokenizer.convert_tokens_to_ids(whole.split()[-1])
    lm.model.generation_config.eos_token_id = [lm.tokenizer.eos_token_id, last]
    assert lm.ends == sorted({lm.tokenizer.eos_token_id, last})
    ended = generate_answers(lm, ["Ada was born in"], 12)[0].split()
    assert ended[-1] == whole.split()[-1] and ended.count(ended[-1]) == 1


def test_prefixes_that_do_not_fit_are_left_out():
    lm = tiny_language_model(max_position_embeddings=16)
    longer = [f"{'the person ' * count}{PROMPT}" for count in (0, 1, 3, 7)]
    assert fitting(lm, longer, TARGET) == [prompt for prompt in longer if len(lm.tokenizer(prompt)["input_ids"]) <= 14]
    contexts = ["the person works for the city"] * 10
    with wise.attach((lm.model, lm.tokenizer), "ft-m", layer=2, contexts=contexts) as editor:
        assert editor.edit(f"the person {PROMPT} the city of", TARGET).iterations > 0
    with wise.attach((lm.model, lm.tokenizer), "mend", layer=2, contexts=contexts, iterations=2, train=TRAIN) as editor:
        assert editor.edit(f"the person {PROMPT} the city of", TARGET).iterations > 0


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (EditRecord("", PROMPT, TARGET), "'id' is empty"),
        (EditRecord("a", "", TARGET), "record 'a': 'prompt' is empty"),
        (EditRecord("a", PROMPT, TARGET, probes=(Probe("paraphrase", "", "x"),)), "probe 0: 'prompt' is empty"),
    ],
)
def test_records_made_in_code_are_read_as_those_of_a_file(record: EditRecord, message: str):
    with wise.attach(pair(), "ft-m", layer=2) as editor, pytest.raises(DataError, match=message):
        editor.edit([record])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([(PROMPT, TARGET)],), "item 0 is of the type tuple"),
        (([PROMPT], [TARGET]), "target, subject and irrelevant go with a prompt"),
        (([{"prompt": PROMPT, "target": TARGET}],), "item 0 is of the type dict"),
        (({"prompt": PROMPT, "target": TARGET},), "item 0 is of the type dict"),
        ((EditRecord("a", PROMPT, TARGET), "East"), "target, subject and irrelevant go with a prompt"),
        ((7,), "item 0 is of the type int"),
    ],
)
def test_what_is_no_edit_is_said(given: tuple, message: str):
    with wise.attach(pair(), "ft-m", layer=2) as editor, pytest.raises(ConfigError, match=message):
        editor.edit(*given)


def test_half_a_character_is_refused():
    for texts in (("Ada \ud800", TARGET), (PROMPT, "Port \ud800")):
        with wise.attach(pair(), "ft-m", layer=2) as editor, pytest.raises(DataError, match="surrogate"):
            editor.edit(*texts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": "2"}, "layer is the number"),
        ({"contexts": "hello"}, "contexts is a list"),
        ({"train": ["", "  "]}, "more than white space"),
        ({"train": (text for text in ["", " "])}, "more than white space"),
    ],
)
def test_arguments_of_another_kind_are_said(arguments: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        wise.attach(pair(), **arguments)


def test_a_pair_in_another_order_or_without_a_head_is_said(folder: Path):
    model, tokenizer = pair()
    with pytest.raises(ConfigError, match=r"a pair \(model, tokenizer\), not .*, LlamaForCausalLM"):
        wise.attach((tokenizer, model))
    with pytest.raises(ConfigError, match="AutoModelForCausalLM"):
        wise.attach((AutoModel.from_pretrained(folder), tokenizer))


def test_an_answer_has_at_least_one_token():
    with wise.attach(pair(), "ft-m", layer=2) as editor, pytest.raises(ConfigError, match="max_new_tokens is 0"):
        editor.ask(PROMPT, max_new_tokens=0)


def test_a_memory_replaces_nothing_but_a_memory(folder: Path, tmp_path: Path):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    editor = wise.attach(pair(), "ft-m", layer=2)
    editor.edit(PROMPT, TARGET)
    with pytest.raises(ConfigError, match=r"is no memory, and its config\.json would be replaced"):
        editor.save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    own = tmp_path / "edits.jsonl"
    own.write_text(json.dumps({"prompt": PROMPT, "target": TARGET}))
    assert main(["edit", "--model", str(folder), "--edits", str(own), "--out", str(tmp_path)]) == 2
    assert json.loads(own.read_text())["target"] == TARGET
    editor.save_pretrained(tmp_path / "memory")
    editor.save_pretrained(tmp_path / "memory")


def test_edits_before_one_that_cannot_be_made_are_saved(folder: Path, tmp_path: Path, monkeypatch, caplog):
    rows = [{"id": name, "prompt": PROMPT, "target": TARGET} for name in ("a", "b")]
    (tmp_path / "two.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    learn = wise.edited.EditedModel.edit

    def first_only(self, records):
        learn(self, records[:1])
        raise DataError("the second")

    monkeypatch.setattr(wise.edited.EditedModel, "edit", first_only)
    told = ["--edits", str(tmp_path / "two.jsonl"), "--editor", "ft-m", "--out", str(tmp_path / "memory")]
    assert main(["edit", "--model", str(folder), *told]) == 2
    assert "holds those before it (1)" in caplog.text
    assert [record.id for record in wise.load(tmp_path / "memory", folder).edits] == ["a"]


def test_options_on_the_command_line_are_options(folder: Path, tmp_path: Path, capsys, caplog):
    (tmp_path / "e.jsonl").write_text(json.dumps({"prompt": PROMPT, "target": TARGET}))
    told = ["--model", str(folder), "--edits", str(tmp_path / "e.jsonl"), "--out", str(tmp_path / "memory")]
    with pytest.raises(SystemExit):
        main(["edit", *told, "--options", "[1]"])
    assert "expected options by their names" in capsys.readouterr().err
    assert main(["edit", *told, "--options", '{"seed": 3}']) == 2
    assert "seed: no option of an editor" in caplog.text


def test_a_memory_whose_base_is_elsewhere_says_how_to_name_it(folder: Path, tmp_path: Path):
    editor = wise.attach(folder, "ft-m", layer=2)
    editor.save_pretrained(tmp_path / "memory")
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(ConfigError, match="name it"):
        wise.load(tmp_path / "memory")
    assert wise.load(tmp_path / "memory", moved).edits == []


def test_the_digest_of_texts_does_not_depend_on_the_last_call_of_the_tokenizer():
    lm = tiny_language_model()
    digest = text_digest(lm)
    lm.tokenizer([PROMPT, "Ada"], padding=True, truncation=True, max_length=4)
    kept = lm.tokenizer.backend_tokenizer.padding
    assert kept is not None and text_digest(lm) == digest and lm.tokenizer.backend_tokenizer.padding == kept


@pytest.mark.parametrize(("name", "lost"), [("wise-retrieve", True), ("retrieval", True), ("ft-m", False)])
def test_saving_the_model_says_where_the_edits_are(name: str, lost: bool, tmp_path: Path, caplog):
    editor = wise.attach(pair(), name, **({} if name == "retrieval" else {"layer": 2}))
    editor.edit(PROMPT, TARGET)
    editor.model.save_pretrained(tmp_path / "plain")
    assert ("this checkpoint is the unedited one" in caplog.text) == lost
    editor.close()
    caplog.clear()
    editor.model.save_pretrained(tmp_path / "plain")
    assert not caplog.text


def test_a_wrapper_around_the_model_is_named():
    class Wrapper(torch.nn.Module):
        """As that of an adapter library: it passes on what it does not have itself."""

        def __init__(self, model: torch.nn.Module) -> None:
            super().__init__()
            self.inside = model

        def __getattr__(self, name: str):
            return super().__getattr__(name) if name == "inside" else getattr(self.inside, name)

        def get_submodule(self, target: str):
            return torch.nn.Module.get_submodule(torch.nn.ModuleDict({"inside": self.inside}), target)

    model, tokenizer = pair()
    with pytest.raises(ConfigError, match="Wrapper has no 'model.layers'.*unwrap it first"):
        wise.attach((Wrapper(model), tokenizer), "ft-m", layer=2, contexts=["the person"], cache=False)


def test_threads_that_ask_one_model_leave_its_settings_alone():
    lm = tiny_language_model()
    lm.model.generation_config.repetition_penalty = 3.0
    own = lm.model.generation_config
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda count: generate_answers(lm, [PROMPT], count), [2, 5, 3, 4] * 4))
    assert lm.model.generation_config is own and own.repetition_penalty == 3.0 and len(found) == 16


def test_a_merge_inside_inference_mode_leaves_an_ordinary_model():
    editor = wise.attach(pair(), "ft-m", layer=2)
    editor.edit(PROMPT, TARGET)
    with torch.inference_mode():
        model = editor.merge_and_unload()
    assert not any(weight.is_inference() for weight in model.parameters())
