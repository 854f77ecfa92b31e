"""MEND: token gradients, the network at its start, what training learns and what it must not depend on."""

from __future__ import annotations

import pytest
import torch

from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS, QUICK, STREAM, logits, ready
from wise.editors.hypernetworks.gradients import token_gradients
from wise.editors.hypernetworks.lessons import Lessons
from wise.editors.mend.network import GradientTransform, LowRankLayer
from wise.editors.mend.training import Trainer
from wise.editors.registry import make_editor
from wise.editors.shared.loss import edit_loss
from wise.errors import ConfigError, DataError, EditError
from wise.lm.batch import encode


def in_float64(layer: int = 2):
    """An untrained editor on a tiny model in float64."""
    lm = tiny_language_model()
    lm.model.double()
    return make_editor("mend", lm, layer, {"context_prefixes": 2}, CONTEXTS)


def full_forward_gradient(editor, prompts, target):
    """dL/dW (d, f) by running the whole model on one text after the other, with torch's cross-entropy."""
    weight, losses = editor.site.module.weight, []
    weight.requires_grad_(True)
    for encoded in encode(editor.lm, prompts, [target] * len(prompts)):
        ids = torch.tensor([encoded.ids])
        predicted = editor.lm.model(input_ids=ids, use_cache=False).logits[0, encoded.start - 1 : -1]
        losses.append(torch.nn.functional.cross_entropy(predicted, ids[0, encoded.start :]))
    (gradient,) = torch.autograd.grad(sum(losses) / len(losses), weight)
    weight.requires_grad_(False)
    return gradient


@pytest.mark.parametrize("layer", [0, 2, 3])
def test_token_gradients_add_up_to_the_gradient_of_the_matrix(layer):
    editor = in_float64(layer)
    record = STREAM[1]
    tokens = token_gradients(editor.tail, editor.rows(record, 2), editor.site.weight)
    expected = full_forward_gradient(editor, editor.augmented(record, 2), record.target)
    largest = expected.abs().max()
    bound = 1e-7 * largest  # norms and rotations are computed in float32 whatever the dtype of the model
    assert torch.allclose(tokens.delta.T @ tokens.inner, expected, atol=bound)
    assert largest > 1e-4


def test_tokens_that_say_nothing_are_left_out():
    editor = in_float64()
    frozen = editor.rows(STREAM[0], 2)
    tokens = token_gradients(editor.tail, frozen, editor.site.weight)
    seen = (frozen.batch.length - 1).sum()  # no target is predicted from the last token, nor from padding
    assert len(tokens.inner) == len(tokens.delta) == seen < frozen.batch.input_ids.numel()
    assert tokens.delta.ne(0).any(1).all()


def network(features: int = 5, width: int = 3, rank: int = 4, alpha: float = 1e-4) -> GradientTransform:
    return GradientTransform(features, width, rank, alpha, torch.Generator().manual_seed(0))


def test_the_network_starts_as_the_identity_on_normalised_tokens():
    start = network()
    start.mean.copy_(torch.arange(8.0))
    start.std.copy_(torch.arange(1.0, 9.0))
    draw = torch.Generator().manual_seed(1)
    inner, delta = torch.randn(6, 5, generator=draw), torch.randn(6, 3, generator=draw)
    x = (inner - torch.arange(5.0)) / (torch.arange(1.0, 6.0) + 1e-7)
    d = (delta - torch.arange(5.0, 8.0)) / (torch.arange(6.0, 9.0) + 1e-7)
    assert torch.equal(start.layers(torch.cat([x, d], 1)), torch.cat([x, d], 1))
    assert torch.allclose(start(inner, delta), 1e-4 * sum(torch.outer(d[i], x[i]) for i in range(6)), rtol=1e-5)


def test_a_layer_by_hand():
    layer = LowRankLayer(2, 1, torch.Generator())
    for parameter, value in zip(
        (layer.up, layer.down, layer.bias, layer.scale, layer.shift),
        ([[1.0], [2.0]], [[3.0, 4.0]], [1.0, -50.0], [2.0, 1.0], [0.5, 0.0]),
        strict=True,
    ):
        parameter.data = torch.tensor(value)
    # V h = 11; U V h + b = (12, -28); s * . + t = (24.5, -28); only what is positive is added
    assert layer(torch.tensor([1.0, 2.0])).tolist() == [25.5, 2.0]


def test_the_first_step_of_training_already_reaches_the_zero_matrices():
    start = network()
    tokens = torch.randn(4, 5, generator=torch.Generator().manual_seed(1)), torch.ones(4, 3)
    start(*tokens).sum().backward()
    assert all(layer.up.grad.abs().max() > 0 for layer in start.layers)


@pytest.mark.parametrize(("alpha", "direction"), [(1e-2, 1), (-1e-2, -1)])
def test_the_update_is_added_so_that_a_positive_alpha_climbs_the_loss(alpha, direction):
    editor = in_float64()
    width, features = editor.site.weight.shape
    frozen = editor.rows(STREAM[0], 2)
    tokens = token_gradients(editor.tail, frozen, editor.site.weight)
    update = network(features, width, alpha=alpha).double()(tokens.inner, tokens.delta).detach()
    assert torch.allclose(update, alpha * tokens.delta.T @ tokens.inner, rtol=1e-4)
    after = edit_loss(editor.tail, frozen, frozen.output + frozen.inner @ update.T).item()
    assert (after - tokens.loss) * direction > 0


def test_training_turns_alpha_negative_and_keeps_other_answers():
    trained = ready("mend")
    assert trained.config.alpha > 0 > trained.measured()["alpha"]
    assert trained.measured()["train_nll"] < 2.0
    alone = ready("mend", c_edit=0.0, alpha=-1e-2)
    assert alone.measured()["train_kl"] < trained.measured()["train_kl"]


def test_tokens_are_normalised_by_all_training_tokens():
    editor = ready("mend", context_prefixes=0)
    seen = [token_gradients(editor.tail, editor.rows(r, 0), editor.site.weight) for r in STREAM]
    tokens = torch.cat([torch.cat([part.inner, part.delta], 1) for part in seen])
    assert torch.allclose(editor.prepared["mean"], tokens.mean(0), atol=1e-6)
    assert torch.allclose(editor.prepared["std"], tokens.std(0), rtol=1e-5)


def test_the_artifact_depends_on_neither_seed_nor_edits():
    first, second = ready("mend", seed=0), ready("mend", seed=1)
    second.edit(STREAM[0])
    again = second.make_artifact(STREAM)
    assert first.prepared.keys() == again.keys()
    assert all(torch.equal(value, again[name]) for name, value in first.prepared.items())
    assert len(second.edits) == 1 and not torch.equal(logits(second.lm), logits(first.lm))


def test_an_edit_adds_the_update_of_the_gradient_where_the_matrix_is_now():
    editor = ready("mend")
    original = editor.site.weight.clone()
    expected = original
    for record in STREAM[:2]:
        rows = editor.rows(record, editor.config.context_prefixes)
        tokens = token_gradients(editor.tail, rows, expected)
        expected = expected + editor._network(tokens.inner, tokens.delta)
        outcome = editor.edit(record)
        assert outcome.iterations == 1 and outcome.loss < tokens.loss
        assert torch.allclose(editor._weight, expected, atol=1e-6)
    assert not torch.equal(expected, original)


def test_records_without_locality_probes_train_the_edit_alone():
    bare = [type(record)(record.id, record.prompt, record.target, record.subject) for record in STREAM]
    editor = make_editor("mend", tiny_language_model(), 2, QUICK["mend"], CONTEXTS)
    editor.prepare(bare)
    assert editor.measured()["train_kl"] == 0.0 and editor.edit(STREAM[0]).iterations == 1


def test_what_is_missing_or_does_not_fit_is_said():
    editor = make_editor("mend", tiny_language_model(), 2, QUICK["mend"], CONTEXTS)
    assert editor.measured() == {}
    with pytest.raises(ConfigError, match="call prepare"):
        editor.edit(STREAM[0])
    with pytest.raises(DataError, match="no training records"):
        editor.prepare([])
    with pytest.raises(ConfigError, match="does not fit"):
        editor.use_artifact(ready("mend", rank=4).prepared)
    with pytest.raises(ConfigError, match="rank"):
        make_editor("mend", tiny_language_model(), 2, {"rank": 0})


def test_training_stops_where_the_loss_is_not_finite():
    lm = tiny_language_model()
    editor = make_editor("mend", lm, 2, {"iterations": 1}, CONTEXTS)
    lm.model.get_output_embeddings().weight.fill_(float("nan"))
    with pytest.raises(EditError, match="iteration 1"):
        Trainer(Lessons(editor.tail, editor.config, CONTEXTS, "mend")).train(STREAM)
