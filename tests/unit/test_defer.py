"""DEFER: its gate and value layer by hand, and what they give in a running model."""

from __future__ import annotations

import math

import pytest
import torch

from tests.tiny_edits import OTHERS, STREAM, edited, logits, ready
from wise.editors.decision import Reading
from wise.editors.defer import Layers, soft_output
from wise.lm.batch import encode, encode_prompts


def layers(gate, gate_bias, value, value_bias):
    return Layers(*(torch.tensor(tensor) for tensor in (gate, gate_bias, value, value_bias)))


HAND = layers([1.0, -1.0], 0.5, [[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]], [0.0, 0.0, -1.0])


def set_gate(editor, bias: float):
    """Open or close the gate for every text."""
    gate = torch.zeros_like(editor._layers.gate)
    editor._take_memory(editor.memory() | {"gate": gate, "gate_bias": torch.tensor(bias)})


def test_gate_and_value_by_hand():
    query = torch.tensor([[1.0, 2.0], [3.0, 0.5]])
    assert HAND.open(query).tolist() == pytest.approx([1 / (1 + math.exp(0.5)), 1 / (1 + math.exp(-3.0))])
    assert HAND.answer(query).tolist() == [[2.0, 6.0, 2.0], [6.0, 1.5, 2.5]]


def test_the_decision_falls_at_one_half_on_the_last_prompt_token():
    editor = ready("defer")
    frozen = editor.frozen(encode(editor.lm, [r.prompt for r in STREAM], [r.target for r in STREAM]))
    opening = editor._layers.open(frozen.query())
    middle = torch.logit(opening.median()).item()
    shifted = editor._layers.gate_bias - middle
    editor._take_memory(editor.memory() | {"gate_bias": shifted + 1e-4})
    routing = editor.decide(Reading.of(frozen))
    expected = torch.sigmoid(frozen.query() @ editor._layers.gate + shifted + 1e-4)
    torch.testing.assert_close(routing.score, expected)
    assert routing.choice.tolist() == (expected >= 0.5).long().tolist()
    assert sorted(routing.choice.tolist()) == [0, 1, 1]


def test_while_learning_the_output_is_a_mixture_at_every_position():
    editor = ready("defer")
    frozen = editor.frozen(encode(editor.lm, [r.prompt for r in STREAM], [r.target for r in STREAM]))
    mixed = soft_output(editor._layers, frozen)
    for row, query in enumerate(frozen.query()):
        g = torch.sigmoid(query @ editor._layers.gate + editor._layers.gate_bias)
        o = editor._layers.value @ query + editor._layers.value_bias
        for position in range(int(frozen.batch.length[row])):
            expected = g * o + (1 - g) * frozen.output[row, position]
            torch.testing.assert_close(mixed[row, position], expected, rtol=1e-4, atol=1e-6)


def test_an_open_gate_replaces_all_positions_and_a_closed_one_none():
    editor = edited("defer", count=1)
    frozen = editor.frozen(encode_prompts(editor.lm, OTHERS))
    set_gate(editor, 20.0)
    output = editor.output(frozen.inner, frozen.output, editor.decide(Reading.of(frozen)), frozen.batch.start - 1)
    expected = editor._layers.answer(frozen.query())[:, None].expand_as(output)
    torch.testing.assert_close(output, expected)
    set_gate(editor, -20.0)
    after = logits(editor.lm)
    with editor.unedited():
        assert torch.equal(after, logits(editor.lm))


def test_behind_the_prompt_the_value_is_still_that_of_the_prompt():
    """A cached answer: the value of the first reading at every later token, whatever that token is."""
    editor = edited("defer", count=1)
    set_gate(editor, 20.0)
    ids = editor.lm.tokenizer(STREAM[0].prompt, return_tensors="pt").input_ids
    frozen = editor.frozen(encode_prompts(editor.lm, [STREAM[0].prompt]))
    seen = []
    hook = editor.site.module.register_forward_hook(lambda _module, _args, output: seen.append(output))
    try:
        with torch.no_grad():
            past = editor.lm.model(input_ids=ids, use_cache=True).past_key_values
            editor.lm.model(input_ids=torch.tensor([[5]]), past_key_values=past)
    finally:
        hook.remove()
    value = editor._layers.answer(frozen.query())[0]
    torch.testing.assert_close(seen[0][0], value.expand(ids.shape[1], -1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(seen[1][0], value[None], rtol=1e-4, atol=1e-6)


def test_both_layers_start_as_linear_layers_do_and_are_learned_jointly():
    editor = ready("defer", steps=3)
    bound = 1 / math.sqrt(editor.site.weight.shape[1])
    start = editor.memory()
    assert all(0.5 * bound < tensor.abs().max() <= bound for name, tensor in start.items() if name != "gate_bias")
    assert not torch.equal(start["value"], ready("defer", seed=1).memory()["value"])
    editor.edit(STREAM[0])
    assert all(not torch.equal(start[name], tensor) for name, tensor in editor.memory().items())
    editor.rollback()
    assert all(torch.equal(start[name], tensor) for name, tensor in editor.memory().items())
