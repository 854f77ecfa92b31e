"""KE: what the network makes of a gradient, and what its training minimises."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS, QUICK, STREAM, logits, ready
from wise.editors.hypernetworks.gradients import token_gradients
from wise.editors.ke.condition import conditions
from wise.editors.ke.network import UpdateNetwork
from wise.editors.ke.training import ENOUGH, ROUND, SHRINK, ConstrainedTrainer
from wise.editors.registry import make_editor
from wise.records import OPPOSITE, WANTED, Probe

TEXT = torch.tensor([2, 5, 7, 3])


def network(shape=(6, 4), hidden: int = 5, known=(2, 5)) -> UpdateNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return UpdateNetwork(shape, torch.randn(10, 3), torch.tensor(known, dtype=torch.long), hidden, 7, 1.0)


def editor(family: str = "llama", **options):
    return make_editor("ke", tiny_language_model(family), 2, QUICK["ke"] | options, CONTEXTS)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_an_update_is_the_gradient_times_one_matrix_of_rank_one_plus_another(shape):
    untrained, gradient = network(shape), torch.randn(shape, generator=torch.Generator().manual_seed(1))
    update, (multiplied, added, scale) = untrained(TEXT, gradient), untrained.factors(TEXT)
    assert update.shape == shape and 0 < scale < 1
    assert torch.linalg.matrix_rank(update - scale * gradient * multiplied) == 1
    assert torch.linalg.matrix_rank(multiplied) == torch.linalg.matrix_rank(added) == 1
    rows, columns = shape
    col_a, row_a, col_b, row_b, _ = untrained.head(untrained.read(TEXT)).split([columns, rows, columns, rows, 1])
    # rows that are a softmax add up to one, so that the columns' sums are the column vectors
    assert torch.allclose(multiplied.sum(0), col_a) and torch.allclose(added.sum(0), col_b)
    assert torch.allclose(multiplied[1], row_a.softmax(0)[1] * col_a)
    assert torch.allclose(added[:, 2], row_b.softmax(0) * col_b[2])


def test_a_scale_of_zero_changes_nothing():
    untrained = network()
    untrained.head[2].bias.data[-1] = -1e4
    assert untrained(TEXT, torch.ones(6, 4)).eq(0).all()


def test_gradients_reach_the_reader_and_the_embeddings_of_known_tokens():
    untrained = network()
    untrained(TEXT, torch.ones(6, 4)).square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in untrained.lstm.parameters())
    assert untrained.offset.grad.abs().amin(1).gt(0).all(), "both known tokens stand in the text"
    assert not untrained.embeddings.requires_grad and "embeddings" not in untrained.state_dict()
    untrained.offset.data += 1.0
    moved = untrained.embedded(TEXT) - untrained.embeddings[TEXT]
    assert torch.allclose(moved, torch.tensor([[1.0], [1.0], [0.0], [0.0]]).expand(4, 3), atol=1e-6)
    assert network(known=()).embedded(TEXT).shape == (4, 3)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_gradient_stands_in_the_layout_of_the_parameter(family):
    """GPT-2's matrix is (f, d): there the softmax is over the rows f."""
    made = editor(family)
    made.prepare(STREAM)
    record, site = STREAM[0], made.site
    tokens = token_gradients(made.tail, made.rows(record, 1), site.weight)
    (condition,) = conditions(made.lm, [record], "edit_text")
    multiplied, added, scale = made._network.factors(torch.tensor(condition))
    assert multiplied.shape == site.own.shape == ((128, 32) if family == "gpt2" else (32, 64))
    gradient = tokens.delta.T @ tokens.inner if family == "llama" else tokens.inner.T @ tokens.delta
    expected = site.own + scale * (made.config.gradient_scale * gradient * multiplied + added)
    made.edit(record)
    assert torch.allclose(site.own, expected, atol=1e-6)


def test_the_condition_is_the_edit_or_the_former_answer_as_well():
    made = editor()
    (edit,) = conditions(made.lm, STREAM[:1], "edit_text")
    assert made.lm.tokenizer.decode(edit, skip_special_tokens=True) == f"{STREAM[0].prompt} {STREAM[0].target}"
    first, second = conditions(made.lm, STREAM[:2], "pred_alt_prompt")
    words = made.lm.tokenizer.decode(first).split()
    assert words[-len(STREAM[0].prompt.split()) :] == STREAM[0].prompt.split() and first != second
    assert ready("ke", condition="pred_alt_prompt").edit(STREAM[0]).loss < 20


def test_an_edit_needs_its_own_text():
    """The same gradient with another condition is another update."""
    made = ready("ke")
    tokens = token_gradients(made.tail, made.rows(STREAM[0], 1), made.site.weight)
    assert not torch.allclose(made._update(STREAM[0], tokens), made._update(STREAM[1], tokens))


def test_the_multiplier_climbs_while_the_constraint_is_broken_and_never_falls_below_zero():
    trainer = editor(objective="constrained")._trainer()
    assert isinstance(trainer, ConstrainedTrainer)
    optimizer = torch.optim.SGD([{"params": [trainer.multiplier], "lr": 0.5, "maximize": True}])
    edit = torch.zeros((), requires_grad=True)
    course = []
    for divergence in (2.0, 2.0, 0.0, *[0.0] * 3):
        optimizer.zero_grad()
        trainer.margin = 1.0
        trainer.total(network(), edit, torch.tensor(divergence)).backward()
        optimizer.step()
        trainer.passed(network(), 1, 3)
        course.append(trainer.multiplier.item())
    assert course == [1.5, 2.0, 1.5, 1.0, 0.5, 0.0]
    trainer.multiplier.data -= 1.0
    trainer.passed(network(), 1, 3)
    assert trainer.multiplier.item() == 0.0
    groups = trainer.optimizer(network()).param_groups
    assert [group["maximize"] for group in groups] == [False, True] and groups[1]["lr"] == 0.1


def test_the_margin_shrinks_to_its_floor_while_edits_take():
    trainer = editor(objective="constrained", margin=1e-4, margin_floor=7e-5)._trainer()
    seen = []
    for took in (ENOUGH, 1.0, 1.0, 1.0):
        trainer._took = [number < took * ROUND for number in range(ROUND)]
        trainer.passed(network(), ROUND, 3)
        seen.append(trainer.margin)
    assert seen == pytest.approx([1e-4, SHRINK * 1e-4, 7e-5, 7e-5])


def test_training_under_the_constraint_learns_edits_with_smoothed_labels():
    made = editor(objective="constrained", lr=3e-3)
    trainer = made._trainer()
    lesson = trainer.lessons.lesson(STREAM[0], 0)
    update = torch.zeros_like(made.site.weight)
    plain = super(ConstrainedTrainer, trainer).edit_loss(lesson, update)
    logits_of = made.tail.logits(lesson.scope, lesson.scope.output).log_softmax(-1)
    tokens = lesson.scope.targets.tokens
    right = -logits_of.gather(1, tokens[:, None])[:, 0]
    others = -(logits_of.sum(1) + right) / (logits_of.shape[1] - 1)
    per_token = 0.9 * right + 0.1 * others  # all targets here have two tokens
    assert torch.allclose(trainer.edit_loss(lesson, update), per_token.mean(), rtol=1e-4)
    assert torch.allclose(plain, right.mean(), rtol=1e-4)
    made.prepare(STREAM)
    before = logits(made.lm, [STREAM[0].prompt])
    made.edit(STREAM[0])
    assert not torch.allclose(logits(made.lm, [STREAM[0].prompt]), before)


def test_paraphrases_and_opinions_are_learned_where_asked():
    opinions = (Probe("opinion", "the city", "North", WANTED), Probe("opinion", "the city", "South", OPPOSITE))
    record = replace(STREAM[0], probes=(*STREAM[0].probes, *opinions))
    lesson = editor()._trainer().lessons.lesson(record, 0)
    assert len(lesson.scope.batch.start) == 3 and len(lesson.against.batch.start) == 1
    alone = editor(paraphrase_loss=False)._trainer().lessons.lesson(record, 0)
    assert len(alone.scope.batch.start) == 2 and len(alone.outside.batch.start) == 1
