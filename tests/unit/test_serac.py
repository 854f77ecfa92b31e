"""SERAC: its two networks learn what they are for, and its decision is what a few lines say."""

from __future__ import annotations

import math

import pytest
import torch

from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS, STREAM, edited, ready
from wise.editors.decision import Reading
from wise.editors.registry import make_editor
from wise.editors.serac.config import SeracConfig
from wise.editors.serac.counterfactual import counterfactual_prompt, invented
from wise.editors.serac.scope import ScopeClassifier, ScopePairs, scope_loss, train_scope
from wise.errors import ConfigError
from wise.evaluate.ask import ask, questions_of
from wise.lm.batch import Encoded, encode_prompts
from wise.seeds import generator


def pairs(edits: int, seed: int) -> ScopePairs:
    """Edits in the first half of 16 features; the second half says how a question is worded, and nothing else."""
    draw = generator(seed, "pairs")
    meaning, other = torch.randn(edits, 8, generator=draw), torch.randn(edits, 8, generator=draw)

    def worded(point):
        return torch.cat(
            [point + 0.1 * torch.randn(edits, 8, generator=draw), 3 * torch.randn(edits, 8, generator=draw)], 1
        )

    questions = torch.cat([worded(meaning), worded(meaning), worded(other)])
    return ScopePairs(worded(meaning), questions, torch.arange(edits).repeat(3), 2 * edits)


def test_the_classifier_separates_scopes_of_edits_it_never_saw():
    scope = train_scope(pairs(200, 0), SeracConfig(scope_steps=150, scope_width=32))
    seen = pairs(20, 1)
    similarity = torch.exp(-scope.distance(scope(seen.questions), scope(seen.edits)))
    own = similarity[torch.arange(40), seen.owner[:40]]
    foreign = similarity[torch.arange(60), (seen.owner + 1) % 20]
    assert (own > 0.5).float().mean() > 0.8 and (foreign > 0.5).float().mean() < 0.2
    raw = torch.exp(-(torch.cdist(seen.questions, seen.edits) ** 2))
    assert (raw[torch.arange(40), seen.owner[:40]] < 0.5).all(), "the states alone do not tell"


def test_the_classifier_is_the_same_each_time():
    first, second = (train_scope(pairs(10, 0), SeracConfig(scope_steps=3)) for _ in range(2))
    states = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in states)


def test_the_loss_of_scopes_by_hand():
    """Two edits; questions 0 and 1 are in the scope of edit 0 and 1, question 2 is an irrelevant one of edit 0."""
    distance = torch.tensor([[0.1, 2.0], [3.0, 0.2], [1.5, 4.0]])
    states = ScopePairs(torch.zeros(2, 1), torch.zeros(3, 1), torch.tensor([0, 1, 0]), 2)

    def rejected(d):
        return -math.log(1 - math.exp(-d))

    others = (rejected(2.0) + rejected(3.0) + rejected(4.0)) / 3
    expected = (0.1 + 0.2) / 2 + (rejected(1.5) + others) / 2
    assert scope_loss(distance, states).item() == pytest.approx(expected, rel=1e-5)


def test_distances_are_squared_and_euclidean():
    one, two = torch.randn(5, 3, generator=generator(0)), torch.randn(4, 3, generator=generator(1))
    torch.testing.assert_close(ScopeClassifier.distance(one, two), torch.cdist(one, two) ** 2)


def test_the_decision_by_hand():
    editor = ready("serac")
    editor._scope = torch.nn.Identity()
    editor._scope.distance = ScopeClassifier.distance
    editor._texts, editor._keys = [None, None], torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    points = torch.tensor([[0.1, 0.0], [0.9, 0.2], [0.5, 0.9]])[:, None]
    at = torch.zeros(3, dtype=torch.long)
    routing = editor.decide(Reading(points, points, torch.ones(3, 1, dtype=torch.bool), at, at))
    assert routing.score.tolist() == pytest.approx([math.exp(-0.01), math.exp(-0.05), math.exp(-1.06)], rel=1e-5)
    assert routing.choice.tolist() == [1, 2, 0] and routing.threshold.tolist() == [0.5] * 3


def test_the_counterfactual_model_reads_edit_target_and_question():
    text = Encoded((2, 7, 8, 9), 3)
    assert counterfactual_prompt(text, (2, 5), 3) == (2, 7, 8, 3, 9, 3, 2, 5, 3)


def test_invented_targets_keep_the_prompt_and_hold_no_special_token():
    lm, draw = tiny_language_model(), generator(0)
    text = Encoded((2, 7, 8, 9), 3)
    made = [invented(text, lm, draw) for _ in range(50)]
    assert all(case.ids[:3] == text.ids[:3] and case.start == 3 and case.target for case in made)
    assert not {token for case in made for token in case.target} & set(lm.tokenizer.all_special_ids)
    assert len({len(case.target) for case in made}) > 5


def test_a_routed_question_is_the_counterfactual_model_s():
    editor = edited("serac")
    reply = ask(editor, questions_of([0], STREAM)[:1])[0]
    assert reply.choice == "side 1"
    (prompt,) = encode_prompts(editor.lm, [STREAM[0].prompt])
    ids = torch.tensor([[*editor.rewritten(editor._texts[0], prompt.ids), *reply.answer.target_tokens]])
    with torch.no_grad():
        logits = editor.answering.model(ids).logits[0]
    count = len(reply.answer.target_tokens)
    nll = torch.nn.functional.cross_entropy(logits[-count - 1 : -1], ids[0, -count:], reduction="none")
    assert reply.answer.nll == pytest.approx(nll.tolist(), abs=1e-5)
    assert editor.answering.model.num_parameters() < editor.extra_parameters()


def test_serac_trains_nothing_for_an_edit_and_says_what_it_needs():
    assert edited("serac", count=1).edit(STREAM[1]).iterations == 0
    with pytest.raises(ConfigError, match="call prepare"):
        make_editor("serac", tiny_language_model(), 2, {}, CONTEXTS).edit(STREAM[0])
    with pytest.raises(ConfigError, match="multiple of 2 x heads"):
        ready("serac", hidden=33)


def test_the_unedited_model_answers_where_no_small_one_is_trained():
    editor = edited("serac", counterfactual="base")
    assert not editor.measured() and not any(name.startswith("counterfactual.") for name in editor.prepared)
    prompt = tuple(editor.lm.tokenizer("Dee was born in")["input_ids"])
    read = editor.rewritten(editor._texts[1], prompt)
    assert editor.answering is editor.lm and read[: len(editor._texts[1].ids)] == editor._texts[1].ids
    assert ask(editor, questions_of([0], STREAM)[:1])[0].choice == "side 1"


def test_a_small_model_is_trained_where_the_vocabulary_is_small(monkeypatch):
    assert ready("serac").trains_answers
    monkeypatch.setattr("wise.editors.serac.editor.VOCABULARY", 1)
    assert not ready("serac").trains_answers and ready("serac", counterfactual="small").trains_answers
