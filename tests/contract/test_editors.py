"""One suite for every editor: a new one joins by its line in the registry."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from tests.models import VARIED, tiny_language_model
from tests.thorough import by_turns
from tests.tiny_edits import (
    CONTEXTS,
    OTHERS,
    QUICK,
    STREAM,
    ask_all,
    asked,
    assert_same_answers,
    edited,
    logits,
    ready,
)
from wise.editors.registry import EDITORS, editor_class, make_editor
from wise.errors import ConfigError, EditError
from wise.evaluate.ask import ask, preedit_rows, questions_of
from wise.evaluate.checkpoint import Checkpoints
from wise.evaluate.grid import plan_runs
from wise.evaluate.stream import Stream
from wise.files import read_json
from wise.lm.answer import answer_pairs
from wise.lm.generate import generate_answers
from wise.memory.store import load_into, save

editors = pytest.mark.parametrize("name", sorted(EDITORS))
in_forward = pytest.mark.parametrize("name", [name for name in sorted(EDITORS) if editor_class(name).in_forward])
"""Editors that edit plain forward calls of the model too."""
UNTRAINED = ("none", "retrieval", "serac")
"""Editors that take no step of optimisation for an edit."""
COMMON = ("llama", "gptj")
ON_ALL = ("ft-l", "wise-retrieve")
families = pytest.mark.parametrize(
    ("name", "family"),
    [
        *by_turns((name for name in sorted(EDITORS) if name not in ON_ALL), COMMON),
        *((name, family) for name in ON_ALL for family in VARIED),
    ],
)
"""Every editor on two families; one that changes the weight and one that routes on many."""


@families
def test_rollback_gives_the_unedited_model_back_bit_for_bit(name, family):
    fresh = tiny_language_model(family)
    editor = edited(name, family)
    editor.rollback()
    model = editor.lm.model
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), fresh.model.state_dict().values(), strict=True)
    )
    assert torch.equal(logits(editor.lm), logits(fresh))
    assert not editor.edits and not editor.site.module._forward_hooks and not editor.site.backbone._forward_pre_hooks
    assert "generate" not in vars(model)


@editors
def test_unedited_shows_the_unedited_model_only_inside_the_block(name):
    editor = asked(name)
    before = logits(tiny_language_model())
    after = logits(editor.lm, [r.prompt for r in STREAM])
    with editor.unedited():
        assert torch.equal(logits(editor.lm), before)
    assert torch.equal(logits(editor.lm, [r.prompt for r in STREAM]), after)


@editors
def test_an_edit_makes_its_target_more_likely(name):
    editor = ready(name)
    question = questions_of([0], STREAM)[:1]
    before = sum(ask(editor, question)[0].answer.nll)
    outcome = editor.edit(STREAM[0])
    after = sum(ask(editor, question)[0].answer.nll)
    assert (outcome.iterations > 0) == (name not in UNTRAINED)
    if name == "none":
        assert after == before
    elif name == "retrieval":  # what a random model makes of its context is no matter of the editor
        assert after != before
    else:
        assert after < before - 0.5


@editors
def test_same_seed_same_bits_and_again_after_rollback(name):
    first, second = edited(name), asked(name)
    states = {key: value.clone() for key, value in first.memory().items()}
    assert states.keys() == second.memory().keys()
    assert all(torch.equal(states[key], value) for key, value in second.memory().items())
    first.rollback()
    for item in STREAM:
        first.edit(item)
    assert all(torch.equal(states[key], value) for key, value in first.memory().items())


@families
def test_saved_memory_loads_onto_a_fresh_model_and_goes_on(name, family, tmp_path):
    editor = edited(name, family, count=2)
    save(editor, tmp_path)
    other = make_editor(name, tiny_language_model(family), 2, QUICK.get(name, {}), CONTEXTS, 0)
    load_into(other, tmp_path)
    assert [r.id for r in other.edits] == [r.id for r in editor.edits]
    assert other.measured() == editor.measured() == read_json(tmp_path / "config.json")["measured"]
    assert all(torch.equal(value, other.memory()[key]) for key, value in editor.memory().items())
    assert_same_answers(other, editor)
    editor.edit(STREAM[2])
    other.edit(STREAM[2])
    assert_same_answers(other, editor)


GRID = {1: 2, 3: 1}
"""Two runs: edit 1 alone, then all three, with questions after the first and the last."""
BLOCKS = {"convention": "official", "shards": 1, "group": 1, "steps": 5, "context_prefixes": 1, "replay": True}
GROUPS = {"convention": "refined", "group": 2, "replay": True, "steps": 5}
CUT = [(name, "llama", {}) for name in sorted(EDITORS)]
CUT += [("wise-retrieve", "llama", options) for options in (BLOCKS, GROUPS, {"capacity": 1}, {"scope": "subject"})]
CUT += [(name, "gpt2", {}) for name in ("alphaedit", "ft-ewc", "ultraedit", "wise-merge")]


@cache
def before(family: str):
    return {(row["record"], row["probe"]): row for row in preedit_rows(tiny_language_model(family), STREAM)}


class Cut(Exception):
    """Ends a stream between two edits."""


def one_edit_of(stream: Stream) -> bool:
    """Go on with a stream from its checkpoint, cut before its second edit; whether it came to its end."""
    make, calls = stream.editor.edit_all, []

    def edit_all(records, report):
        calls.append(records)
        if len(calls) > 1:
            raise Cut
        return make(records, report)

    stream.editor.edit_all = edit_all
    try:
        stream.carry_out(plan_runs(GRID, 3))
    except Cut:
        return False
    return True


@pytest.mark.parametrize(("name", "family", "options"), CUT)
def test_a_stream_that_is_cut_after_every_edit_ends_with_the_same_bits(name, family, options, tmp_path):
    """A fresh editor makes each edit from the checkpoint of the one before; GPT-2's matrices lie transposed."""
    straight = Stream(ready(name, family, **options), STREAM, before(family))
    straight.carry_out(plan_runs(GRID, 3))
    calls = 3 if straight.editor.batch_editing else 4
    for call in range(1, calls + 1):
        resumed = Stream(
            ready(name, family, **options), STREAM, before(family), checkpoints=Checkpoints(tmp_path, 1, {})
        )
        assert one_edit_of(resumed) == (call == calls)
    assert resumed.done == straight.done == 4
    assert resumed.rows == straight.rows
    for one, other in zip(resumed.curve, straight.curve, strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}
    states = straight.editor.memory()
    assert all(torch.equal(value, states[key]) for key, value in resumed.editor.memory().items())
    assert [r.id for r in resumed.editor.edits] == [r.id for r in straight.editor.edits]


@editors
def test_load_refuses_a_memory_of_another_layer(name, tmp_path):
    save(asked(name, count=1), tmp_path)
    other = make_editor(name, tiny_language_model(), 1, QUICK.get(name, {}), CONTEXTS, 0)
    with pytest.raises(ConfigError, match="layer is 2, this editor has 1"):
        load_into(other, tmp_path)


@editors
def test_answers_do_not_depend_on_the_batch(name):
    editor = asked(name)
    together, alone = ask_all(editor, 64), ask_all(editor, 1)
    for a, b in zip(together, alone, strict=True):
        assert a.answer.predicted_tokens == b.answer.predicted_tokens and a.choice == b.choice
        assert a.answer.nll == pytest.approx(b.answer.nll, abs=1e-5)


@in_forward
@pytest.mark.parametrize("family", COMMON)
def test_asking_through_the_tail_equals_reading_then_answering_with_a_cache(name, family):
    """Teacher-forced scores are those of the model that `generate` runs: prefill, then one token a step."""
    editor = asked(name, family)
    lm = editor.lm
    for question, reply in zip(questions_of(range(3), STREAM), ask_all(editor), strict=True):
        prompt = lm.tokenizer(question.probe.prompt, return_tensors="pt").input_ids
        target = torch.tensor([reply.answer.target_tokens])
        with torch.no_grad():
            read = lm.model(input_ids=prompt, use_cache=True)
            steps = [read.logits[:, -1]]
            cache = read.past_key_values
            for position in range(target.shape[1] - 1):
                step = lm.model(input_ids=target[:, position : position + 1], past_key_values=cache, use_cache=True)
                steps.append(step.logits[:, -1])
        nll = torch.nn.functional.cross_entropy(torch.cat(steps), target[0], reduction="none")
        assert reply.answer.nll == pytest.approx(nll.tolist(), abs=2e-5)


@families
def test_generation_is_the_same_alone_in_a_batch_and_without_cache(name, family):
    editor = asked(name, family)
    prompts = [r.prompt for r in STREAM] + OTHERS[:1]
    together = generate_answers(editor.lm, prompts, 5)
    assert together == [generate_answers(editor.lm, [prompt], 5)[0] for prompt in prompts]
    for prompt, answer in zip(prompts, together, strict=True):
        ids = editor.lm.tokenizer(prompt, return_tensors="pt").input_ids
        uncached = editor.lm.model.generate(input_ids=ids, max_new_tokens=5, do_sample=False, use_cache=False)
        assert editor.lm.tokenizer.decode(uncached[0, ids.shape[1] :], skip_special_tokens=True).strip() == answer


@editors
def test_generate_gives_the_edited_answer(name):
    editor = asked(name, count=1)
    forced = ask(editor, questions_of([0], STREAM)[:1])[0].answer
    text = generate_answers(editor.lm, [STREAM[0].prompt], len(forced.target_tokens))[0]
    assert (text == STREAM[0].target) == forced.exact


@editors
def test_unknown_option_names_the_valid_ones(name):
    with pytest.raises(ConfigError, match=f"editor '{name}'"):
        make_editor(name, tiny_language_model(), 2, {"learning_rat": 1.0})


@pytest.mark.parametrize("name", sorted(set(EDITORS) - {"none"}))
def test_a_loss_that_is_not_finite_stops_the_edit_and_keeps_the_memory(name):
    editor = edited(name, count=1)
    answers = [r.answer.nll for r in ask_all(editor)]
    state = {key: value.clone() for key, value in editor.memory().items()}
    head = getattr(editor, "answering", editor.lm).model.get_output_embeddings().weight
    kept = head.clone()
    head.fill_(float("nan"))
    with pytest.raises(EditError, match="edit-1"):
        editor.edit(STREAM[1])
    head.copy_(kept)
    assert len(editor.edits) == 1
    assert all(torch.equal(state[key], value) for key, value in editor.memory().items())
    assert [r.answer.nll for r in ask_all(editor)] == answers


@pytest.mark.parametrize("name", ["ft-l", "grace", "locft-bf", "ultraedit", "wise-retrieve"])
def test_a_last_step_that_goes_astray_keeps_the_memory(name, monkeypatch):
    editor = edited(name, count=1)
    state = {key: value.clone() for key, value in editor.memory().items()}
    answers = [r.answer.nll for r in ask_all(editor)]
    learn = editor._learn

    def astray(record):
        outcome, learned = learn(record), editor.memory()
        key = next(key for key, value in learned.items() if value.is_floating_point() and value.dim() == 2)
        editor._take_memory(learned | {key: torch.full_like(learned[key], float("inf"))})
        return outcome

    monkeypatch.setattr(editor, "_learn", astray)
    with pytest.raises(EditError, match="edit-1.*no longer finite"):
        editor.edit(STREAM[1])
    assert [r.id for r in editor.edits] == ["edit-0"]
    assert all(torch.equal(state[key], value) for key, value in editor.memory().items())
    assert [r.answer.nll for r in ask_all(editor)] == answers


def test_unedited_answers_equal_a_plain_forward_pass():
    editor = ready("none")
    questions = questions_of(range(3), STREAM)
    plain = answer_pairs(editor.lm, [q.probe.prompt for q in questions], [q.probe.target for q in questions])
    for reply, answer in zip(ask(editor, questions), plain, strict=True):
        assert reply.answer.predicted_tokens == answer.predicted_tokens
        assert reply.answer.nll == pytest.approx(answer.nll, abs=1e-6)


def test_unknown_editor_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'wise-merge'"):
        make_editor("wise-merg", tiny_language_model(), 2)
