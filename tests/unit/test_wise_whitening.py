"""Whitened updates: the metric, the same steps written out on the whole matrix, scales, thresholds, capacity."""

from __future__ import annotations

import math

import pytest
import torch

from tests.models import taught_language_model, tiny_language_model
from tests.side_memories import STREAM, edited
from tests.tiny_edits import CONTEXTS
from wise.editors.registry import make_editor
from wise.editors.wise.rows import edit_rows
from wise.editors.wise.thresholds import between
from wise.editors.wise.training import Edit, Iteration, SideMemory, train
from wise.editors.wise.whitening import (
    LIKELY,
    REACH,
    SHRINK,
    WhitenedMemory,
    joined_moments,
    key_moments,
    whitening,
)
from wise.errors import ConfigError
from wise.lm.batch import encode_prompts

OPTIONS = {"convention": "whitened", "context_prefixes": 1, "steps": 6, "stop": "never"}
GROWN = REACH ** (1 / 4)
"""By how much each of the last 4 of 8 steps may grow."""


def made(lm=None, name="wise-retrieve", **options):
    editor = make_editor(name, lm or taught_language_model(), 2, OPTIONS | options, CONTEXTS)
    editor.prepare(STREAM)
    return editor


def edit_of(editor, index: int = 0) -> Edit:
    rows = edit_rows(editor, STREAM[index], editor._calibration)
    return Edit(STREAM[index], index, rows, editor.step())


def metric_of(editor):
    joined = joined_moments(editor._moments, editor._calibration.learned_with)
    return whitening(joined, editor.config.whiten).float()


def test_the_metric_is_an_inverse_that_keeps_the_mean_size_of_keys():
    keys = torch.randn(500, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * torch.arange(1.0, 7)
    moments = keys.T @ keys / len(keys)
    metric = whitening(moments, 0.5)
    ridged = moments + 0.5 * moments.trace() / 6 * torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(metric @ ridged / (metric @ ridged).trace() * 6, torch.eye(6, dtype=torch.float64))
    assert ((keys @ metric) * keys).sum(1).mean().item() == pytest.approx(keys.square().sum(1).mean().item())
    small, large = metric[0, 0], metric[5, 5]
    assert small > large, "rare directions count for more"


def test_moments_tell_first_tokens_from_the_others():
    editor = made()
    texts = ["Ada was born in South", "Bo lives in the city of West", "a"]
    inner = [editor.frozen(encode_prompts(editor.lm, [text])).inner[0].double() for text in texts]
    first, others = torch.cat([keys[:1] for keys in inner]), torch.cat([keys[1:] for keys in inner])
    expected = torch.stack([first.T @ first, others.T @ others])
    moments = key_moments(editor.tail, texts)
    torch.testing.assert_close(moments, expected.float(), atol=1e-5, rtol=1e-4)
    queries = torch.randn(5, len(moments[0]), generator=torch.Generator().manual_seed(0))
    assert joined_moments(moments, queries).trace().item() == pytest.approx(3.0)


class Written(SideMemory):
    """The same steps on the whole matrix: gradients (d, f) times P, at the `rates` of all steps."""

    def __init__(self, tail, edit, delta, metric, rates):
        super().__init__(tail, edit.rows, edit.step, delta, torch.ones_like(delta))
        self.metric, self.rates = metric, iter(rates)
        self.likely = LIKELY
        self.loss = delta.new_full((), torch.inf)

    total = WhitenedMemory.total

    @torch.no_grad()
    def update(self, gradient, active):
        self.variable.sub_(next(self.rates) * active * gradient @ self.metric)


class Noted(WhitenedMemory):
    """With the `rates` of all steps."""

    def __init__(self, *given):
        super().__init__(*given)
        self.rates = []

    def update(self, gradient, active):
        super().update(gradient, active)
        self.rates.append(self.rate)


def test_steps_in_token_coordinates_are_those_on_the_whole_matrix():
    editor = made()
    edit = edit_of(editor)
    metric = metric_of(editor)
    delta = 0.01 * torch.randn(editor.site.weight.shape, generator=torch.Generator().manual_seed(1))
    short = Noted(editor.tail, edit, delta, metric)
    with editor.unedited():
        outcome, score = train(short, edit.record)
        long = Written(editor.tail, edit, delta, metric, short.rates)
        other, same_score = train(long, edit.record)
    assert outcome.iterations == other.iterations == 6
    torch.testing.assert_close(short.change(), long.change().detach(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(score, same_score, atol=1e-5, rtol=1e-4)


def memory_of(editor) -> WhitenedMemory:
    """Before the first step of an edit whose target has one token."""
    memory = WhitenedMemory(editor.tail, edit_of(editor), editor.tools.zero(), metric_of(editor))
    memory.likely = LIKELY
    return memory


def test_a_target_has_taken_when_it_is_likelier_than_all_else_together():
    editor = made()
    edit = edit_of(editor)
    memory = WhitenedMemory(editor.tail, edit, editor.tools.zero(), metric_of(editor))
    tokens = len(edit.rows.frozen.batch.predicting()[0]) // len(edit.rows.frozen.batch.length)
    assert math.exp(-tokens * memory.likely) == pytest.approx(0.5)


def losses(edit: float, routing: float) -> Iteration:
    """A forward pass of these losses."""
    return Iteration(torch.tensor(edit), torch.tensor(routing), torch.zeros(1), torch.zeros(1, 1), None)


COURSE = [
    (3.0, 0.4, 1.0),  # sets the first rate
    (3.1, 0.4, 1.0),  # rose, in the first half of the steps
    (2.5, 0.4, 1.0),  # fell
    (2.4, 1.0, 1.0),
    (2.3, 1.0, GROWN),  # fell, in the second half
    (2.35, 0.4, GROWN * SHRINK),  # the edit loss rose, and the routing loss that fell by more counts no longer
    (2.35, 0.4, GROWN * SHRINK**2),  # stayed
    (2.34, 0.6, GROWN**2 * SHRINK**2),  # the edit loss fell
    (0.7, 0.1, GROWN**3 * SHRINK**2),  # fell, and is not yet below log 2
    (0.6, 0.1, GROWN**3 * SHRINK**2),  # has taken
    (0.6, 0.2, GROWN**3 * SHRINK**2),  # has taken, although the loss rose
    (2.9, 0.2, GROWN**3 * SHRINK**3),  # is lost again
    (2.8, 0.2, GROWN**4 * SHRINK**3),  # fell
]
"""Edit loss and weighted routing loss before each step, and how many times the first rate the step is."""


def test_the_steps_of_an_edit_that_has_not_taken_grow_while_the_loss_falls_and_shrink_where_it_does_not():
    memory = memory_of(made(steps=8))
    weight = memory.step.routing_weight
    gradient = torch.randn(memory.variable.shape, generator=torch.Generator().manual_seed(2))
    first, moved = memory._first_rate(gradient), 0.0
    for iteration, (edit, routing, times) in enumerate(COURSE):
        memory.total(iteration, losses(edit, routing / weight))
        memory.update(gradient, torch.tensor(True))
        moved += times
        assert memory.rate.item() == pytest.approx(times * first.item(), rel=1e-5), iteration
        torch.testing.assert_close(memory.coefficients, -moved * first * gradient, atol=1e-6, rtol=1e-4)
    before = memory.coefficients.clone()
    memory.update(gradient, torch.tensor(False))
    assert torch.equal(memory.coefficients, before), "an edit that is no longer active stays as it is"


@pytest.mark.parametrize("steps", [8, 70])
def test_where_the_loss_falls_in_all_steps_the_last_is_as_many_times_the_first_for_any_number_of_steps(steps):
    memory = memory_of(made(steps=steps))
    gradient = torch.ones_like(memory.variable)
    for iteration in range(steps):
        memory.total(iteration, losses(100.0 - iteration, 0.0))
        memory.update(gradient, torch.tensor(True))
    assert memory.rate.item() == pytest.approx(REACH * memory._first_rate(gradient).item(), rel=1e-3)


@pytest.mark.parametrize(
    ("iteration", "edit", "share"),
    [(0, 3.0, 1.0), (3, 3.0, 1.0), (3, 0.1, 1.0), (4, 3.0, 0.0), (7, 0.7, 0.0), (4, 0.69, 1.0), (7, 0.1, 1.0)],
)
def test_the_routing_loss_does_not_count_after_half_of_the_steps_until_the_edit_has_taken(iteration, edit, share):
    memory = memory_of(made(steps=8, routing_weight=5.0))
    weight = memory.step.routing_weight
    seen = losses(edit, 0.25)
    seen.edit.requires_grad_(True), seen.routing.requires_grad_(True)
    total = memory.total(iteration, seen)
    assert total.item() == pytest.approx(edit + share * weight * 0.25)
    total.backward()
    assert (seen.edit.grad.item(), seen.routing.grad.item()) == pytest.approx((1.0, share * weight))


def test_the_first_step_moves_the_scored_token_by_the_rate():
    editor = made(steps=1, routing_weight=0.0)
    edit = edit_of(editor)
    memory = WhitenedMemory(editor.tail, edit, editor.tools.zero(), metric_of(editor))
    with editor.unedited():
        train(memory, edit.record)
    moved = edit.rows.frozen.query() @ memory.change().T
    expected = editor.config.lr * editor._calibration.output_norm
    assert torch.linalg.vector_norm(moved, dim=-1).mean().item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("scale", [0.05, 40.0])
def test_nothing_depends_on_how_large_keys_and_matrix_are(scale: float):
    """Keys times s and the matrix divided by s give the same model, and the same edits."""
    scaled = taught_language_model()
    mlp = scaled.model.model.layers[2].mlp
    with torch.no_grad():
        mlp.up_proj.weight.mul_(scale)
        mlp.down_proj.weight.div_(scale)
    editors = made(), made(scaled)
    outcomes = []
    for editor in editors:
        outcomes.append([editor.edit(record).loss for record in STREAM[:3]])
    assert outcomes[0] == pytest.approx(outcomes[1], rel=1e-3, abs=1e-5)
    deltas = [editor.bank.served()[0].delta for editor in editors]
    torch.testing.assert_close(deltas[0], deltas[1] * scale, atol=1e-4, rtol=1e-2)


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_nothing_depends_on_how_large_the_output_is(scale: float):
    """A matrix whose output is s times as large in front of a norm that takes s away: post-norm families have one."""
    first, second = (made(tiny_post_norm(factor)) for factor in (1.0, scale))
    outcomes = [[editor.edit(record).loss for record in STREAM[:3]] for editor in (first, second)]
    assert outcomes[0] == pytest.approx(outcomes[1], rel=1e-2, abs=1e-4)


def tiny_post_norm(factor: float):
    lm = tiny_language_model("gemma2")
    with torch.no_grad():
        lm.model.model.layers[2].mlp.down_proj.weight.mul_(factor)
    return lm


def test_learning_goes_on_until_the_edit_is_told_apart():
    loose, strict = (made(steps=200, stop=stop, stop_loss=100.0, beta=1.0, lr=0.05) for stop in ("loss", "separated"))
    for editor in (loose, strict):
        editor.edit(STREAM[0])
    margin = strict.config.beta * strict._calibration.output_norm
    scores = [editor.bank.shards[0].scores.item() for editor in (loose, strict)]
    assert scores[0] < 0.95 * margin <= scores[1]


def test_too_few_prompts_to_set_a_threshold_on_are_refused():
    editor = make_editor("wise-retrieve", taught_language_model(), 2, OPTIONS, CONTEXTS)
    with pytest.raises(ConfigError, match="at least 3 training prompts"):
        editor.prepare(STREAM[:1])


def test_a_memory_of_half_precision_has_a_threshold():
    lm = taught_language_model()
    lm.model.to(torch.bfloat16)
    editor = made(lm)
    editor.edit(STREAM[0])
    assert editor.bank.served()[0].threshold.item() > 0


def test_thresholds_lie_between_edits_and_unrelated_prompts():
    unrelated = torch.linspace(0, 1, 101)[:, None] * torch.tensor([1.0, 10.0])
    near, far = between(torch.tensor([4.0, 5.0]), unrelated)
    assert near.item() == pytest.approx((0.98 * 4.0) ** 0.5, rel=1e-3)
    assert far.item() == pytest.approx(5.0), "an edit that scores below unrelated prompts still answers"


def test_a_restored_memory_goes_on_to_the_same_bits():
    whole, begun, restored = made(capacity=2), made(capacity=2), made(capacity=2)
    for record in STREAM[:4]:
        whole.edit(record)
    for record in STREAM[:3]:
        begun.edit(record)
    restored.restore(begun.edits, begun.state())
    restored.edit(STREAM[3])
    one, other = whole.memory(), restored.memory()
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


REFUSED = [{"rho": 0.5}, {"replay": True}, {"units": "relative"}, {"divisor": "tokens_plus_one"}]


@pytest.mark.parametrize("options", REFUSED)
def test_what_does_not_go_with_whitened_updates_is_refused(options):
    with pytest.raises(ConfigError, match="whitened"):
        made(**options)


def test_an_edit_that_a_last_step_overshot_is_as_it_was_nearest(monkeypatch):
    editor = edited("wise-retrieve", 0, convention="whitened", irrelevant=4, scope="activation", steps=12)
    losses, forward, update = [], WhitenedMemory.forward, WhitenedMemory.update

    def noted(self):
        seen = forward(self)
        losses.append(seen.edit.item())
        return seen

    def thrown(self, gradient, active):
        update(self, gradient * (-200.0 if len(losses) >= 11 else 1.0), active)

    monkeypatch.setattr(WhitenedMemory, "forward", noted)
    monkeypatch.setattr(WhitenedMemory, "update", thrown)
    monkeypatch.setattr("wise.editors.wise.whitening.LIKELY", 0.0)
    outcome = editor.edit(STREAM[0])
    assert losses[-1] > min(losses), "the last step made it worse"
    assert outcome.loss == pytest.approx(min(losses))
