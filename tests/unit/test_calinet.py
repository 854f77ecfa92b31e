"""CaliNet: slots that start without effect, read the FFN's input, are trained alone and can be taken out."""

from __future__ import annotations

import pytest
import torch

from tests.models import VARIED, tiny_language_model
from tests.tiny_edits import STREAM, logits, ready
from wise.editors.calinet.slots import Slots, SlotsDescent
from wise.editors.registry import make_editor
from wise.editors.shared.loss import edit_loss
from wise.errors import ConfigError
from wise.lm.families import FAMILIES


def untrained(family: str = "llama", **options):
    """An editor whose fresh slots are in the model, as before a first step."""
    editor = make_editor("calinet", tiny_language_model(family), 2, {"slots": 8, **options})
    editor._slots = editor._fresh(8)
    editor._attach()
    return editor


@pytest.mark.parametrize("family", VARIED)
def test_slots_start_without_effect_and_leave_nothing_behind(family):
    before = logits(tiny_language_model(family))
    editor = untrained(family)
    assert torch.equal(logits(editor.lm), before)
    editor._detach()
    drawn = untrained(family, init="default")
    assert not torch.equal(logits(drawn.lm), before)
    drawn.rollback()
    assert torch.equal(logits(drawn.lm), before)
    width = drawn.site.weight.shape[0]
    editor._slots = editor._fresh(8)
    assert editor.extra_parameters() == 8 * width * (3 if FAMILIES[family].gated else 2)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gptj", "opt", "gemma3_text"])
def test_slots_read_what_the_ffn_reads_and_add_to_what_it_writes(family):
    """The FFN of the layer is replaced by a plain function; the rest of the model stays."""
    editor = untrained(family, init="default")
    slots, found = editor._slots, logits(editor.lm)
    editor._detach()
    entered = {}

    def note(_module, args):
        entered["x"] = args[0]

    hooks = [
        editor.site.block.get_submodule(editor.site.family.ffn).register_forward_pre_hook(note),
        editor.site.module.register_forward_hook(lambda _module, _args, base: base + by_hand(slots, entered["x"])),
    ]
    assert torch.allclose(logits(editor.lm), found, atol=1e-5)
    for hook in hooks:
        hook.remove()


def by_hand(slots: Slots, entering):
    """One token and one slot after the other."""
    rows = []
    for x in entering.reshape(-1, entering.shape[-1]):
        total = torch.zeros_like(x)
        for i, key in enumerate(slots.key):
            if slots.gate is None:
                weight = slots.activation(torch.dot(key, x))
            else:
                weight = slots.activation(torch.dot(slots.gate[i], x)) * torch.dot(key, x)
            total = total + weight * slots.value[:, i]
        rows.append(total)
    return torch.stack(rows).view(entering.shape)


def test_nothing_but_the_slots_is_trained():
    editor = untrained()
    descent = SlotsDescent(editor._slots, 1e-2)
    frozen = editor.rows(STREAM[0], 0)
    edit_loss(editor.tail, frozen, editor._trial(descent, frozen)).backward()
    assert descent.slots.value.grad.abs().max() > 0
    assert descent.slots.key.grad.abs().max() == 0  # while values are zero, keys say nothing
    assert all(parameter.grad is None for parameter in editor.lm.model.parameters())


def test_edits_of_one_call_are_calibrated_together():
    together, one_by_one = (ready("calinet", context_prefixes=0, epochs=60) for _ in range(2))
    outcomes = together.edit_all(STREAM)
    assert max(outcome.loss for outcome in outcomes) < 1.0
    for record in STREAM:
        one_by_one.edit(record)
    for name, tensor in together.memory().items():
        assert torch.allclose(tensor, one_by_one.memory()[name], atol=1e-4)


def test_later_calls_may_train_the_same_slots_on_their_own_edits_alone():
    editor = ready("calinet", sequential="continue")
    assert not editor.batch_editing
    editor.edit_all(STREAM[:2])
    slots = editor.memory()
    outcome = editor.edit_all(STREAM[2:])
    expected = ready("calinet", sequential="continue")
    expected._slots = expected._fresh(8).with_tensors(slots)
    expected.edits = list(STREAM[:2])
    assert len(outcome) == 1 and expected.edit(STREAM[2]) == outcome[0]
    assert all(torch.allclose(value, expected.memory()[name]) for name, value in editor.memory().items())


def test_slots_grow_with_the_pool_where_asked():
    editor = ready("calinet", slots_per_edit=3.5, epochs=1)
    editor.edit_all(STREAM)
    assert editor.memory()["key"].shape == (11, 32)
    with pytest.raises(ConfigError, match="slots_per_edit needs sequential 'pooled'"):
        ready("calinet", slots_per_edit=1.0, sequential="continue")
