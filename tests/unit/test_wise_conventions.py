"""Conventions of WISE: every switch can be set on its own, changes what it says, and bad combinations are named."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from tests.closeness import TRAINED, assert_states_alike
from tests.models import tiny_language_model
from tests.side_memories import STREAM, edited, same, watched
from tests.tiny_edits import CONTEXTS, OTHERS, ask_all, assert_same_answers, logits
from wise.editors.decision import Reading
from wise.editors.registry import make_editor
from wise.editors.shared.pooling import pooled_prompts
from wise.editors.wise import training
from wise.editors.wise.config import WiseConfig
from wise.editors.wise.conventions import CONVENTIONS
from wise.editors.wise.memories import RoundRobin, Sequential, Served
from wise.editors.wise.merging import merge
from wise.editors.wise.rows import edit_rows
from wise.errors import ConfigError
from wise.lm import architectures
from wise.memory.store import load_into, save
from wise.options import build_options, choices

SWITCHES = choices(WiseConfig)

WHOLE_RUN = {"paper": {}, "official": {"group": 2, "replay": True}, "refined": {}, "whitened": {"capacity": 2}}
"""Options with which few edits go through all that a convention does."""
BLOCKS = {"order": "sequential", "group": 4, "threshold": "recorded"}
VANISHING = {"sharpness": 20.0, "lr": 5.0, "rho": 0.5, "steps": 200, "routing_weight": 1e-9}
"""The loss falls below all that stops an edit."""
NEEDS = {
    "order": {"sequential": BLOCKS},
    "positions": dict.fromkeys(("prompt", "tokens", "padded"), {"threshold": "recorded"}),
    "units": {"whitened": {"whiten": 0.1, "rho": 1.0, "density": 1.0}},
    "scope": dict.fromkeys(
        ("subject", "prompt", "measured"), {"units": "whitened", "whiten": 0.1, "rho": 1.0, "density": 1.0}
    ),
}


UNFIT = {
    "order": ("sequential",),
    "divisor": ("tokens_plus_one",),
    "positions": ("prompt", "tokens", "padded"),
    "units": ("relative", "absolute"),
}
"""What does not go with whitened updates, which are the default."""
CHOICES = [(switch, value) for switch, values in SWITCHES.items() for value in values]


def config(**options) -> WiseConfig:
    return build_options(WiseConfig, options, "here")


def refined(**options) -> WiseConfig:
    return config(**{"convention": "refined"} | options)


def learned(sharpness: float = 1.0, **options):
    """One edit in the refined convention but for `options`, how it went, and its forward passes.

    A model whose logits are sharper can be taught to a loss near zero.
    """
    editor, seen = watched("wise-retrieve", **options)
    with torch.no_grad():
        editor.lm.model.get_output_embeddings().weight.mul_(sharpness)
    outcome = editor.edit(STREAM[0])
    return editor, outcome, [iteration for iteration, _ in seen[-1]]


# options


def test_a_convention_presets_its_switches_and_each_can_be_set_beside_it():
    assert config() == config(convention="whitened") == WiseConfig()
    for name, preset in CONVENTIONS.items():
        assert asdict(config(convention=name)) == asdict(WiseConfig()) | preset | {"convention": name}
    mixed = config(convention="official", divisor="tokens", lr=0.5)
    assert asdict(mixed) == asdict(config(convention="official")) | {"divisor": "tokens", "lr": 0.5}


@pytest.mark.parametrize(("switch", "value"), CHOICES)
def test_every_switch_can_be_set_on_its_own(switch, value):
    options = {switch: value} | NEEDS.get(switch, {}).get(value, {})
    assert getattr(refined(**options), switch) == value


@pytest.mark.parametrize(("switch", "value"), CHOICES)
def test_a_switch_of_the_default_can_be_set_unless_it_does_not_go_with_whitened_updates(switch, value):
    if value in UNFIT.get(switch, ()):
        with pytest.raises(ConfigError, match="whitened updates"):
            config(**{switch: value, "threshold": "recorded"})
    else:
        assert getattr(config(**{switch: value}), switch) == value


@pytest.mark.parametrize("switch", SWITCHES)
def test_an_unknown_choice_is_named_with_the_valid_ones(switch):
    with pytest.raises(ConfigError) as raised:
        config(**{switch: "sideways"})
    assert f"unknown {switch} 'sideways'" in str(raised.value)
    assert f"Valid choices: {', '.join(sorted(SWITCHES[switch]))}" in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rho": 0.0}, "'rho' must be greater than 0, found 0.0"),
        ({"rho": 0.6}, "density must reach rho"),
        ({"shards": "2"}, "here: option 'shards' must be a valid integer, found '2'"),
        ({"shards": 0}, "'shards' must be at least 1"),
        ({"density": 1.5}, "'density' must be at most 1"),
        ({"act_ratio": 0.0}, "'act_ratio' must be greater than 0"),
        ({"steps": 0}, "'steps' must be at least 1"),
        ({"clamp": -1.0}, "'clamp' must be at least 0"),
        ({"positions": "prompt"}, "threshold 'current' needs positions 'last' or 'answer'"),
        ({"order": "sequential", "threshold": "recorded"}, "order 'sequential' needs .*group"),
        (BLOCKS | {"group": 3}, "order 'sequential' needs .*group"),
        (BLOCKS | {"threshold": "current"}, "order 'sequential' needs threshold 'recorded'"),
        ({"divsor": "tokens"}, "unknown option 'divsor'. Did you mean 'divisor'"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        refined(**options)


# what the switches do


def test_divisor():
    (_, _, plain), (_, _, extra) = learned(steps=1), learned(steps=1, divisor="tokens_plus_one")
    assert extra[0].edit.item() == pytest.approx(plain[0].edit.item() * 2 / 3), "every target has t = 2 tokens"


def test_decay():
    for decay, everywhere in (("masked", False), ("unmasked", True)):
        editor, _, _ = learned(decay=decay, weight_decay=1e-4, lr=1.0, units="absolute")
        delta, mask = editor.bank.shards[0].delta, editor.bank.masks[0]
        assert bool(delta[~mask].all()) is everywhere and bool(delta[~mask].any()) is everywhere
        if everywhere:  # (1 - lr * weight_decay) ** steps of each entry is left
            expected = editor.site.weight[~mask] * ((1 - 1e-4) ** 8 - 1)
            assert torch.allclose(delta[~mask], expected, rtol=1e-3)
        plain = learned(lr=1.0, units="absolute")[0].bank.shards[0].delta
        assert not torch.equal(delta[mask], plain[mask])


def test_stop():
    _, loss, seen = learned(stop="loss", stop_loss=0.1, **VANISHING)
    assert loss.iterations == len(seen) - 1 and loss.loss < 0.1, "the pass that finds it low does not update"
    assert all(one.edit.item() >= 0.1 for one in seen[:-1])
    _, plateau, seen = learned(stop="plateau", **VANISHING)
    assert plateau.iterations == len(seen) - 1 > loss.iterations, "nor does the pass behind a flat one"
    totals = [one.edit.item() for one in seen[:-1]]
    flat = [abs(after - before) <= 1e-4 and after <= 0.02 for before, after in zip(totals, totals[1:], strict=False)]
    assert flat[-1] and not any(flat[:-1])
    _, never, _ = learned(stop="never", **VANISHING | {"steps": len(seen) + 5})
    assert never.iterations == len(seen) + 5


def test_clamp():
    editor, _, _ = learned(clamp=0.01)
    assert editor.bank.shards[0].delta.abs().max().item() == pytest.approx(0.01)
    assert learned()[0].bank.shards[0].delta.abs().max().item() > 0.01


def test_threshold():
    current, recorded = (
        edited("wise-retrieve", 3, shards=1, act_ratio=0.9, threshold=kind) for kind in ("current", "recorded")
    )
    assert torch.equal(current.bank.served()[0].delta, recorded.bank.served()[0].delta), "learning is the same"
    scores = recorded.bank.shards[0].scores
    hair = 1 - 1e-5
    assert recorded.bank.served()[0].threshold.item() == pytest.approx(0.9 * hair * scores.min().item())
    now = current.tools.scope(current.bank.shards[0].queries).scores(current.bank.served()[0].delta)
    assert current.bank.served()[0].threshold.item() == pytest.approx(0.9 * hair * now.min().item(), rel=1e-5)
    assert now.min().item() != pytest.approx(scores.min().item(), rel=1e-3), "later edits move earlier scores"


def test_routing():
    assert learned()[0].policy == "prefill" and learned(routing="per_step")[0].policy == "per_step"


def test_order():
    turns, filling = edited("wise-retrieve", 3, shards=2), edited("wise-retrieve", 3, shards=2, **BLOCKS)
    assert isinstance(turns.bank, RoundRobin) and [m.edits for m in turns.bank.served()] == [(0, 2), (1,)]
    assert isinstance(filling.bank, Sequential) and [m.edits for m in filling.bank.served()] == [(2,), (0, 1)]


def test_units():
    relative, absolute = learned()[0], learned(units="absolute", lr=1.0, steps=1)[0]
    measured, step, config = relative._calibration, relative.step(), relative.config
    assert step.lr == pytest.approx(config.lr / (config.rho * measured.input_power))
    assert step.margins.beta == pytest.approx(config.beta * measured.output_norm)
    step = absolute.step()
    assert (step.lr, step.margins.alpha, step.margins.beta) == (1.0, config.alpha, config.beta)


def test_activation(monkeypatch):
    plain, behind = learned()[0], learned(activation="ffn")[0]
    assert plain.tools.activation() is None
    values = torch.tensor([-1.0, 2.0])
    assert torch.equal(behind.tools.activation()(values), torch.nn.functional.silu(values))
    queries, delta = pooled_prompts(plain, OTHERS, "last"), plain.bank.served()[0].delta
    scope = plain.tools.scope(queries)
    assert not torch.allclose(scope.scores(delta), scope.scores(delta, behind.tools.activation()))
    monkeypatch.setattr(architectures, "ACTIVATIONS", ("nonlinearity",))
    with pytest.raises(ConfigError, match="does not name its activation"):
        behind.tools.activation()


def test_positions():
    counts = {}
    for positions in SWITCHES["positions"]:
        editor, _, _ = learned(positions=positions, threshold="recorded", steps=1)
        counts[positions] = edit_rows(editor, STREAM[1], editor._calibration).span.sum(1).tolist()
    # "Bo lives in the city of" is 7 tokens with the first one, alone and behind three contexts of 3; 2 of the answer
    prompts = sorted([7, 10, 10, 10])
    assert counts["last"] == [1] * 4 and counts["answer"] == [2] * 4
    assert sorted(counts["prompt"]) == prompts and sorted(counts["tokens"]) == [n + 2 for n in prompts]
    assert counts["padded"] == [max(prompts) + 2] * 4


def test_positions_decide_which_texts_are_long():
    """A text of more than 100 positions is scored by its largest gap, if so asked."""
    draw = torch.Generator().manual_seed(0)
    for pool in ("mean", "mean_or_max"):
        editor = learned(pool=pool, positions="prompt", threshold="recorded", steps=1)[0]
        inner = torch.randn(1, 120, editor.site.weight.shape[1], generator=draw)
        real, last = torch.ones(1, 120, dtype=torch.bool), torch.tensor([119])
        reading = Reading(inner, inner @ editor.site.weight.T, real, last, last)
        memory = Served(editor.bank.served()[0].update, torch.tensor(0.0), (0,))
        gaps = (inner @ memory.delta.T).norm(dim=-1)
        expected = gaps.mean() if pool == "mean" else gaps.max()
        assert editor.scores(reading, [memory]).item() == pytest.approx(expected.item(), rel=1e-5)


def test_hinge():
    (_, _, mean), (_, _, positive) = learned(steps=4), learned(steps=4, hinge="positive")
    assert mean[0].routing.item() == pytest.approx(positive[0].routing.item()), "all scores start at zero"
    assert mean[-1].routing.item() < positive[-1].routing.item()


def test_masks():
    for kind in SWITCHES["masks"]:
        first, second = edited("wise-retrieve", 2, shards=2, masks=kind).bank.masks
        assert bool((first & second).any()) is (kind == "bernoulli")


def test_merge():
    apart = edited("wise-retrieve", 2, shards=2)
    deltas = [memory.delta for memory in apart.bank.served()]
    for rule in ("linear", "sign", "slerp"):
        merged = edited("wise-merge", 2, shards=2, merge=rule).bank.served()[0].delta
        assert torch.allclose(merged, merge(deltas, rule)), rule
    halved = edited("wise-merge", 2, shards=2, merge="linear", merge_weight=0.5).bank.served()[0].delta
    assert torch.allclose(halved, 0.5 * merge(deltas, "linear"))


# whole conventions


@pytest.mark.parametrize("name", ["wise-retrieve", "wise-merge"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_convention_edits_answers_saves_loads_and_rolls_back(convention, name, tmp_path):
    options = {"convention": convention} | WHOLE_RUN[convention]
    editor, fresh = edited(name, 5, **options), tiny_language_model()
    assert len(ask_all(editor)) == 9 and any(reply.choice != "main" for reply in ask_all(editor))
    save(editor, tmp_path)
    again = make_editor(name, fresh, 2, asdict(editor.config), CONTEXTS)
    load_into(again, tmp_path)
    assert same(editor.memory(), again.memory())
    assert_same_answers(editor, again)
    steps = [one.edit(STREAM[5]).iterations for one in (editor, again)]
    # to rounding: what was loaded lies in memory as it does in its file, and texts were met in other batches
    assert steps[0] == steps[1]
    assert_states_alike(again.memory(), editor.memory(), sums=TRAINED * steps[0])
    changed = logits(editor.lm, [STREAM[5].prompt])
    editor.rollback()
    unedited = tiny_language_model()
    assert torch.equal(logits(editor.lm), logits(unedited)) and not editor.edits
    assert not torch.equal(changed, logits(unedited, [STREAM[5].prompt]))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_same_bits_again_after_a_rollback(convention):
    editor = edited("wise-retrieve", 3, convention=convention, **WHOLE_RUN[convention])
    state = editor.memory()
    editor.rollback()
    for item in STREAM[:3]:
        editor.edit(item)
    assert same(state, editor.memory())


def test_asking_between_edits_changes_nothing_that_is_learned():
    quiet, asked = (edited("wise-merge", 0, convention="official", group=2) for _ in range(2))
    for item in STREAM[:5]:
        quiet.edit(item)
        asked.edit(item)
        ask_all(asked)
    assert same(quiet.memory(), asked.memory())


@pytest.mark.parametrize("stop", [{"stop": "loss", "stop_loss": 0.1}, {"stop": "plateau"}])
def test_how_often_the_loss_is_looked_at_changes_no_bit(stop, monkeypatch):
    every, often, _ = learned(**VANISHING | stop)
    for gap in (10, 10_000):
        monkeypatch.setattr(training, "_look_every", lambda *_, gap=gap: gap)
        rarely, outcome, seen = learned(**VANISHING | stop)
        assert outcome == often and len(seen) > often.iterations + 1
        assert same(every.memory(), rarely.memory())
