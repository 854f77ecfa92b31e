"""WISE on people's own models: attach, edit, ask, save, load, undo, merge into a plain checkpoint, push."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM

import wise
from tests.closeness import TRAINED, assert_states_alike, tolerance
from tests.models import tiny_language_model
from wise.editors.shared.pooling import pooled_prompts
from wise.errors import ConfigError, DataError
from wise.files import read_json
from wise.memory.model_card import LOST
from wise.records import EditRecord

OTHERS = ["Dee was born in", "Eli lives in", "the person works for"]
EDITS = [
    EditRecord("a", "Ada was born in", "Port Hill", ""),
    EditRecord("b", "Bo lives in the city of", "North West", "Bo", irrelevant="Cy works for a city"),
    EditRecord("c", "Cy works for", "East Hill", "Cy"),
]
OPTIONS = {
    "ft-l": {"lr": 5e-3, "box": 0.0, "objective": "target_new"},
    "grace": {"lr": 0.3},
    "wise-merge": {"steps": 30},
    "wise-retrieve": {"steps": 30},
}


def pair(seed=0, family="llama"):
    lm = tiny_language_model(family, seed)
    return lm.model, lm.tokenizer


def attached(name="wise-retrieve", count=0, seed=0, **options):
    editor = wise.attach(pair(seed), name, layer=2, **OPTIONS.get(name, {}) | options)
    editor.edit(EDITS[:count])
    return editor


def logits(model, tokenizer, texts=OTHERS):
    inputs = tokenizer(list(texts), return_tensors="pt", padding=True)
    with torch.no_grad():
        return model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False).logits


def answers(editor):
    return [answer.answer for answer in editor.ask([record.prompt for record in EDITS] + OTHERS, 4)]


editors = pytest.mark.parametrize("name", sorted(OPTIONS))


def test_importing_wise_loads_no_torch():
    code = "import sys, wise, wise.commands.inspect; sys.exit(str({'torch', 'transformers'} & set(sys.modules) or ''))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip() == ""
    assert {"attach", "load"} <= set(dir(wise))
    with pytest.raises(AttributeError, match="no attribute 'attacch'"):
        wise.attacch  # noqa: B018


@editors
def test_attach_edit_ask(name):
    model, tokenizer = pair()
    before = logits(model, tokenizer)
    editor = wise.attach((model, tokenizer), name, layer=2, **OPTIONS[name])
    outcome = editor.edit("Ada was born in", "Port Hill")
    assert outcome.iterations > 0
    assert [(r.id, r.prompt, r.target) for r in editor.edits] == [("edit-00001", "Ada was born in", "Port Hill")]
    told = editor.ask("Ada was born in", max_new_tokens=2)
    assert told.prompt == "Ada was born in" and str(told) == told.answer != told.unedited
    if name == "ft-l":
        assert told.memory is told.score is told.threshold is None
    else:
        assert told.memory == "side 1" and told.score >= told.threshold
    ids = tokenizer("Ada was born in", return_tensors="pt").input_ids
    tokens = editor.generate(input_ids=ids, max_new_tokens=2, do_sample=False)
    assert tokenizer.decode(tokens[0, ids.shape[1] :], skip_special_tokens=True).strip() == told.answer
    editor.close()
    assert torch.equal(logits(model, tokenizer), before)


def test_answers_of_the_unedited_model_stand_beside():
    with attached() as editor:
        fresh = answers(editor)
        editor.edit(EDITS)
        asked = editor.ask([record.prompt for record in EDITS] + OTHERS, 4)
        assert [answer.unedited for answer in asked] == fresh
        assert editor.ask([]) == []


def test_edits_that_are_learned_together_are_learned_once():
    editor = attached("locft-bf", epochs=2, context_prefixes=0)
    learn, calls = editor.editor._learn_all, []
    editor.editor._learn_all = lambda records, report: calls.append(len(records)) or learn(records, report)
    outcomes = editor.edit(EDITS)
    assert len(outcomes) == len(EDITS) == calls[0] and len(calls) == 1


def test_the_end_of_the_block_gives_the_unedited_model_back():
    model, tokenizer = pair()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    untouched = logits(model, tokenizer)
    with wise.attach((model, tokenizer), "wise-merge", layer=2, steps=10) as editor:
        editor.edit(EDITS)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(logits(model, tokenizer), untouched)
    assert "generate" not in vars(model) and "closed" in repr(editor)
    for forbidden in (lambda: editor.edit("a", "b"), lambda: editor.ask("a"), lambda: editor.save_pretrained("x")):
        with pytest.raises(ConfigError, match="detached"):
            forbidden()
    editor.close()
    assert wise.attach((model, tokenizer), "wise-merge", layer=2).edits == []


def test_a_model_has_one_editor_at_a_time():
    model, tokenizer = pair()
    wise.attach((model, tokenizer), "ft-l", layer=2)
    with pytest.raises(ConfigError, match="has an editor already.*ft-l.*0 edits"):
        wise.attach((model, tokenizer), "grace", layer=2)


def test_what_the_model_writes_itself_depends_on_the_seed_alone():
    first, second, other = attached(), attached(), wise.attach(pair(), layer=2, seed=1)
    assert first.editor.contexts == second.editor.contexts != other.editor.contexts
    assert first.editor.measured() == second.editor.measured() != other.editor.measured()
    given = wise.attach(pair(), layer=2, train=OTHERS * 3, contexts=["the city of"])
    assert given.editor.contexts == ("the city of",)


def test_questions_to_learn_from_are_read_to_their_end():
    questions = ["who was born in the city of Ada?", "who lives in the city?", "who works for Bo?"] * 3
    given, cut = (wise.attach(pair(), layer=2, train=texts, contexts=["the city of"]) for texts in
                  (questions, [question.rstrip("?") for question in questions]))  # fmt: skip
    last = pooled_prompts(given.editor, ["who lives in the city?"], "last")
    there = (given.editor._calibration.queries - last).norm(dim=-1).min() < 1e-4 * last.norm()
    assert there and (cut.editor._calibration.queries - last).norm(dim=-1).min() > 1e-4 * last.norm()


def test_default_layer_is_that_of_the_family():
    assert wise.attach(pair(), "ft-l").editor.site.layer == 3  # 27 of 32, here of 4


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda editor: editor.edit("Ada was born in", " "), "'target' is empty"),
        (lambda editor: editor.edit("", "Port"), "'prompt' is empty"),
        (lambda editor: editor.edit("Ada " * 70, "Port"), "needs 72 tokens, the context holds 64"),
        (lambda editor: editor.edit([EDITS[1], EDITS[1]]), "id 'b' was made already"),
        (lambda editor: editor.edit([EDITS[1], EditRecord("x", "Ada was", "", "")]), "is empty"),
        (lambda editor: editor.ask("Ada " * 60), "has 61 tokens; with 16 new ones"),
        (lambda editor: editor.ask(["Ada", " "]), "a prompt is empty"),
    ],
)
def test_faulty_input_is_named_and_nothing_learned(edit, message):
    editor = attached(count=1)
    with pytest.raises(DataError, match=message):
        edit(editor)
    assert [record.id for record in editor.edits] == ["a"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((pair, "wise-retreive"), "Did you mean 'wise-retrieve'"),
        ((lambda: "no/such/folder", "ft-l"), "cannot load a language model from 'no/such/folder'"),
        ((lambda: 3, "ft-l"), r"pair \(model, tokenizer\), not int"),
    ],
)
def test_faulty_names(arguments, message):
    model, name = arguments
    with pytest.raises(ConfigError, match=message):
        wise.attach(model(), name, layer=2)
    with pytest.raises(ConfigError, match="Did you mean 'shards'"):
        wise.attach(pair(), layer=2, shard=3)


@editors
def test_saved_and_loaded_it_answers_and_goes_on(name, tmp_path):
    editor = attached(name, count=2)
    editor.save_pretrained(tmp_path / "memory")
    other = wise.load(tmp_path / "memory", pair())
    assert other.edits == editor.edits == EDITS[:2]
    assert answers(other) == answers(editor)
    assert all(torch.equal(value, other.editor.memory()[key]) for key, value in editor.editor.memory().items())
    steps = editor.edit(EDITS[2]).iterations
    other.edit(EDITS[2])
    # to rounding: what was loaded lies in memory as it does in its file
    assert_states_alike(other.editor.memory(), editor.editor.memory(), sums=TRAINED * max(1, steps))


def test_an_own_id_is_made_where_earlier_edits_have_it():
    editor = attached()
    editor.edit(EditRecord("edit-00002", "Ada was born in", "Port", ""))
    editor.edit(prompt="Bo lives in", target="North")
    assert [record.id for record in editor.edits] == ["edit-00002", "edit-00002-2"]


def test_undo_all_edits_and_again():
    editor = attached(count=2)
    learned = answers(editor)
    assert editor.undo("all") == EDITS[:2]
    assert editor.edits == [] and answers(editor) == answers(attached())
    editor.edit(EDITS[:2])
    assert answers(editor) == learned


@pytest.mark.parametrize(
    "options", [{"convention": "refined"}, {"shards": 2, "capacity": 0}], ids=["refined", "whitened"]
)
def test_undo_the_last_shard(options):
    editor = attached(count=3, **options)
    assert [record.id for record in editor.undo("shard")] == ["b"], "two shards take the edits in turn"
    assert [record.id for record in editor.edits] == ["a", "c"]
    assert "side 2" not in {answer.memory for answer in editor.ask([record.prompt for record in EDITS], 2)}
    assert len(editor.editor.merged()) == 1, "one memory is left"


def test_what_cannot_be_undone_is_said():
    with pytest.raises(ConfigError, match="only all edits can be undone"):
        attached("ft-l", count=1).undo()
    with pytest.raises(ConfigError, match="'shard' or 'all', not 'one'"):
        attached().undo("one")


@pytest.mark.parametrize("family", ["llama", "gpt2"])  # a matrix (d, f), and GPT-2's transposed one
def test_a_merged_checkpoint_is_the_memory_always_on(family, tmp_path, caplog):
    model, tokenizer = pair(family=family)
    editor = wise.attach((model, tokenizer), "wise-merge", layer=2, steps=30)
    editor.edit(EDITS)
    site = editor.editor.site
    weight = (site.weight + editor.editor.bank.served()[0].delta).detach().clone()
    plain = editor.merge_and_unload(tmp_path / "plain")
    assert LOST in caplog.text and LOST in (tmp_path / "plain" / "README.md").read_text()
    assert plain is model and "generate" not in vars(model) and torch.equal(site.weight, weight)
    fresh = tiny_language_model(family)
    fresh.model.get_submodule(site.name).weight = site.parameter(weight)
    always_on = logits(fresh.model, tokenizer)
    assert torch.equal(logits(plain, tokenizer), always_on)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "plain")
    torch.testing.assert_close(logits(loaded, tokenizer), always_on, **tolerance())  # its weights lie as in the file
    assert not torch.equal(always_on, logits(*pair(family=family)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain"]


@pytest.mark.parametrize(("name", "options"), [("ft-l", {}), ("memit", {"layers": 2, "token": "prompt_last"})])
def test_a_merged_weight_editor_answers_as_before(name, options, tmp_path):
    editor = attached(name, count=2, **options)
    edited = logits(editor.model, editor.tokenizer)
    assert not torch.equal(edited, logits(*pair()))
    plain = editor.merge_and_unload(tmp_path / "plain")
    assert torch.equal(logits(plain, editor.tokenizer), edited)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "plain")
    torch.testing.assert_close(
        logits(loaded, editor.tokenizer), edited, **tolerance()
    )  # its weights lie as in the file
    card = (tmp_path / "plain" / "README.md").read_text()
    assert "has no router" in card and LOST not in card


@pytest.mark.parametrize(
    ("name", "count", "options", "message"),
    [
        ("wise-merge", 0, {}, "has made no edits"),
        ("wise-retrieve", 2, {"capacity": 1}, "memor"),
        ("grace", 1, {}, "grace keeps no matrix that could be merged"),
    ],
)
def test_what_cannot_be_merged_is_said(name, count, options, message):
    editor = attached(name, count=count, **options)
    with pytest.raises(ConfigError, match=message):
        editor.merge_and_unload()
    assert len(editor.edits) == count


def test_a_checkpoint_never_overwrites(tmp_path):
    (tmp_path / "own.txt").write_text("mine")
    editor = attached("ft-l", count=1)
    with pytest.raises(ConfigError, match="exists and is not empty"):
        editor.merge_and_unload(tmp_path)
    assert len(editor.edits) == 1 and [path.name for path in tmp_path.iterdir()] == ["own.txt"]


class Hub:
    """In the place of `huggingface_hub.HfApi`; remembers what it was told."""

    calls: list = []
    public = False

    def __init__(self, token=None):
        self.calls.append(("token", token))

    def create_repo(self, repo_id, private, exist_ok):
        self.calls.append(("create", repo_id, private, exist_ok))
        return f"hub:{repo_id}"

    def repo_info(self, repo_id):
        return SimpleNamespace(private=not self.public)

    def upload_folder(self, repo_id, folder_path, commit_message):
        self.calls.append(("upload", repo_id, wise.load(folder_path, pair()).edits))


@pytest.mark.parametrize("public", [False, True])
def test_pushing_is_private_unless_asked_otherwise(public, monkeypatch):
    monkeypatch.setattr("wise.memory.export.HfApi", Hub)
    monkeypatch.setattr(Hub, "calls", [])
    monkeypatch.setattr(Hub, "public", public)
    editor = attached(count=1)
    if public:
        with pytest.raises(ConfigError, match="me/memory is public"):
            editor.push_to_hub("me/memory")
        assert Hub.calls[1:] == [("create", "me/memory", True, True)]
        assert editor.push_to_hub("me/memory", private=False) == "hub:me/memory"
    else:
        assert editor.push_to_hub("me/memory", token="secret") == "hub:me/memory"
        assert Hub.calls[:2] == [("token", "secret"), ("create", "me/memory", True, True)]
    assert Hub.calls[-1] == ("upload", "me/memory", EDITS[:1])


def test_config_and_card_say_what_it_is(tmp_path):
    attached(count=2).save_pretrained(tmp_path)
    config, card = read_json(tmp_path / "config.json"), (tmp_path / "README.md").read_text()
    assert (config["editor"], config["layer"], config["edits"], config["seed"]) == ("wise-retrieve", 2, 2, 0)
    assert config["base"]["shape"] == [32, 64] and config["base"]["dtype"] == "float32"
    assert config["base"]["sha256"] in card and "| edits | 2" in card
    assert sum(entry["edits"] for entry in config["memories"]) == 2
