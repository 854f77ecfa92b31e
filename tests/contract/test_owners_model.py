"""What owners do with their own model while an editor is attached: cast it, move it, train through it, adapt it."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import wise
from tests.accelerator import accelerator
from tests.contract.test_editors import BLOCKS
from tests.models import tiny_language_model
from tests.thorough import some
from tests.tiny_edits import CONTEXTS, OTHERS, QUICK, STREAM, ask_all, logits, ready
from wise.edited import EditedModel
from wise.editors.registry import EDITORS, editor_class, make_editor
from wise.errors import ConfigError, EditError
from wise.lm.generate import generate_answers
from wise.lm.load import wrap

editors = pytest.mark.parametrize("name", sorted(EDITORS))
in_weights = pytest.mark.parametrize("name", ["ft-m", "memit"])
"""One that replaces a single matrix, one that replaces several."""
PROMPTS = [STREAM[0].prompt, *OTHERS[:2]]


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wise.EditNotTaken)
        yield


def edited(name, family="llama"):
    editor = EditedModel(ready(name, family))
    editor.edit(STREAM[0])
    return editor


# Cast and moved


@editors
def test_a_model_that_was_cast_answers_and_is_whole_when_its_editor_is_closed(name):
    editor, plain = edited(name), tiny_language_model()
    editor.model.to(torch.bfloat16)
    plain.model.to(torch.bfloat16)
    assert len(editor.ask(PROMPTS, 3)) == len(PROMPTS)
    with pytest.raises(EditError, match="moved or cast after attach.*was float32 on cpu, it is bfloat16 on cpu"):
        editor.edit(STREAM[1])
    assert editor.edits == STREAM[:1]
    editor.close()
    for found, own in zip(editor.model.parameters(), plain.model.parameters(), strict=True):
        assert found.dtype == torch.bfloat16 and torch.equal(found, own)
    assert torch.equal(logits(editor.editor.lm), logits(plain))


@in_weights
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_model_that_was_moved_answers_and_is_whole_when_its_editor_is_closed(name, family):
    plain = logits(tiny_language_model(family))
    with accelerator() as device:
        editor = edited(name, family)
        before = [answer.answer for answer in editor.ask(PROMPTS, 3)]
        editor.model.to(device)
        assert [answer.answer for answer in editor.ask(PROMPTS, 3)] == before
        with pytest.raises(EditError, match="was float32 on cpu, it is float32 on cuda:0"):
            editor.edit(STREAM[1])
        editor.close()
        assert {parameter.device for parameter in editor.model.parameters()} == {device}
        inputs = editor.tokenizer(list(OTHERS), return_tensors="pt", padding=True).to(device)
        with torch.no_grad():
            found = editor.model(**{k: inputs[k] for k in ("input_ids", "attention_mask")}, use_cache=False).logits
        assert torch.equal(found.cpu(), plain)


@in_weights
def test_a_model_that_was_cast_and_cast_back_is_edited_on(name):
    editor = edited(name)
    editor.model.to(torch.bfloat16).to(torch.float32)
    editor.edit(STREAM[1])
    assert editor.edits == STREAM[:2]


# Autocast


@editors
def test_what_is_learned_inside_autocast_is_what_is_learned_outside(name):
    """Precision is the model's own; only what the owner runs himself is as he asked."""
    outside, inside = edited(name), EditedModel(ready(name))
    with torch.autocast("cpu", torch.bfloat16):
        inside.edit(STREAM[0])
        assert len(generate_answers(inside.editor.lm, PROMPTS, 3)) == len(inside.ask(PROMPTS, 3)) == len(PROMPTS)
    expected = outside.editor.memory()
    assert inside.editor.memory().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in inside.editor.memory().items())


@pytest.mark.parametrize("name", ["wise-retrieve", "serac"])
def test_what_is_prepared_inside_autocast_is_what_is_prepared_outside(name):
    def prepared():
        lm = tiny_language_model()
        return wise.attach((lm.model, lm.tokenizer), name, layer=2, cache=False, **QUICK[name]).editor

    outside = prepared()
    with torch.autocast("cpu", torch.bfloat16):
        inside = prepared()
    expected = outside.memory() | outside.prepared
    assert all(torch.equal(tensor, expected[key]) for key, tensor in (inside.memory() | inside.prepared).items())


# Gradients


KINDS = {
    **{name: (name, {}) for name in sorted(EDITORS) if editor_class(name).in_forward},
    "wise-retrieve, subject": ("wise-retrieve", {"scope": "subject"}),
    "wise-retrieve, official": ("wise-retrieve", BLOCKS),
}
"""Editors that edit plain forward calls of the model too."""


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_flow_through_an_edited_model_that_was_asked_before(kind):
    name, options = KINDS[kind]
    editor = EditedModel(ready(name, **options))
    editor.edit(STREAM[0])
    with torch.inference_mode():
        generate_answers(editor.editor.lm, PROMPTS, 3)
    ids = editor.tokenizer(f"{STREAM[0].prompt} {STREAM[0].target}", return_tensors="pt").input_ids
    embedded = editor.model.get_input_embeddings()(ids).detach().requires_grad_(True)
    editor.model(inputs_embeds=embedded, labels=ids).loss.backward()
    assert embedded.grad.isfinite().all() and embedded.grad.any()


# Training mode


@pytest.mark.parametrize("name", ["wise-retrieve", "grace", "memoir", "ft-m", "retrieval"])
def test_an_edit_is_learned_and_asked_without_dropout(name):
    """GPT-2 has dropout; the mode of every module is afterwards what it was."""
    calm, training = EditedModel(ready(name, "gpt2")), EditedModel(ready(name, "gpt2"))
    training.model.train()
    training.model.transformer.h[1].eval()
    modes = [module.training for module in training.model.modules()]
    outcomes = [editor.edit(STREAM[0]) for editor in (calm, training)]
    assert outcomes[0] == outcomes[1]
    expected = calm.editor.memory()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in training.editor.memory().items())
    assert training.ask(PROMPTS, 3) == calm.ask(PROMPTS, 3)
    with pytest.raises(wise.errors.DataError):
        training.ask(" ")
    assert [module.training for module in training.model.modules()] == modes


@pytest.mark.parametrize("call", [lambda editor: editor.edit(STREAM[0]), lambda editor: editor.edit("Ada was", "Port")])
def test_a_warning_names_the_line_that_called_edit(call):
    with pytest.warns(wise.EditNotTaken) as told:
        call(EditedModel(ready("none")))
    assert [warning.filename for warning in told] == [__file__]


# Adapters and quantisation


class LowRank(nn.Module):
    """As peft's LoRA layer: the matrix lies in another module, `weight` is a property."""

    def __init__(self, base_layer: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.down, self.up = nn.Linear(base_layer.in_features, 2), nn.Linear(2, base_layer.out_features)

    @property
    def weight(self):
        return self.base_layer.weight

    @property
    def bias(self):
        return self.base_layer.bias

    def forward(self, x):
        return self.base_layer(x) + self.up(self.down(x))


class Int8Linear(nn.Linear):
    """As layers of whole numbers with a scale."""

    def forward(self, x):
        return nn.functional.linear(x, self.weight.to(x) / 50)


def with_adapter(model):
    for block in model.model.layers:
        block.mlp.down_proj = LowRank(block.mlp.down_proj)
    return model


def in_int8(model):
    for block in model.model.layers:
        block.mlp.down_proj.__class__ = Int8Linear
        whole = (block.mlp.down_proj.weight * 50).to(torch.int8)
        block.mlp.down_proj.weight = nn.Parameter(whole, requires_grad=False)
    return model


def quantised(model):
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


@pytest.mark.filterwarnings("ignore")  # dynamic quantisation is announced to leave torch
@pytest.mark.parametrize("name", ["ft-m", "wise-merge", "calinet", "memit"])
@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        (with_adapter, "LowRank with no matrix of its own"),
        (in_int8, "Int8Linear with a matrix of int8"),
        (quantised, "quantized.dynamic.modules.linear.Linear with no matrix of its own"),
    ],
)
def test_a_matrix_that_is_not_the_models_own_is_refused_with_what_to_do(name, changed, kind):
    lm = tiny_language_model()
    with pytest.raises(ConfigError) as refused:
        wise.attach((changed(lm.model), lm.tokenizer), name, layer=2, cache=False)
    message = str(refused.value)
    assert "'model.layers." in message and "mlp.down_proj' is a" in message and kind in message
    assert "merge_and_unload() of peft" in message and "without quantisation" in message


class Same(nn.Module):
    def forward(self, weight):
        return weight


def test_edits_stay_where_merging_fails():
    editor = edited("wise-merge")
    answers = editor.ask(PROMPTS, 3)
    module = editor.editor.site.module
    nn.utils.parametrize.register_parametrization(module, "weight", Same())
    with pytest.raises(ConfigError, match="down_proj' is a .*ParametrizedLinear"):
        editor.merge_and_unload()
    nn.utils.parametrize.remove_parametrizations(module, "weight")
    assert editor.edits == STREAM[:1] and editor.ask(PROMPTS, 3) == answers
    plain = editor.merge_and_unload()
    assert plain is editor.model and "closed" in repr(editor)


@in_weights
def test_merging_leaves_the_edited_matrices_in_a_plain_model(name):
    editor = edited(name)
    before = logits(editor.editor.lm)
    editor.merge_and_unload()
    assert torch.equal(logits(editor.editor.lm), before)


# Another default device


@pytest.mark.parametrize("name", some(EDITORS, ["calinet", "grace", "locft-bf", "memoir", "mend", "wise-retrieve"]))
def test_draws_do_not_depend_on_the_default_device(name):
    """`torch.set_default_device("cuda")` is for what the owner makes; generators of this project are on the CPU."""
    expected = ready(name)
    expected.edit(STREAM[0])
    with accelerator() as device, device:
        lm = wrap(tiny_language_model().model.to(device), expected.lm.tokenizer, "tiny")
        editor = make_editor(name, lm, 2, QUICK.get(name, {}), CONTEXTS)
        editor.prepare(STREAM)
        editor.edit(STREAM[0])
        found = ask_all(editor)
    for reply, other in zip(found, ask_all(expected), strict=True):
        assert reply.answer.predicted_tokens == other.answer.predicted_tokens
