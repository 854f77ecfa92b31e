"""Layers that run only from the first changed token on give what all tokens give."""

from __future__ import annotations

import pytest
import torch

from tests.closeness import TRAINED, tolerance
from tests.models import tiny_language_model
from wise.lm.architectures import find_site
from wise.lm.batch import Encoded, collate
from wise.lm.families import FAMILIES
from wise.tail.tail import Tail

SEQUENCES = [Encoded((5, 6, 7, 8, 9, 4), 4), Encoded((5, 9, 11, 12, 13, 14, 3, 2), 6), Encoded((8, 3, 2, 9, 1), 4)]
SINCE = torch.tensor([2, 5, 1])
EXACT = tolerance()


def asked(family: str, layer: int, padding: str = "right", **options):
    """A tail, the frozen states of three texts, and the first changed token of each."""
    lm = tiny_language_model(family, **options)
    tail = Tail(lm, find_site(lm.model, layer))
    if padding == "right":
        return tail, tail.frozen(SEQUENCES), SINCE
    batch = collate(SEQUENCES, 0, side="left")
    return tail, tail.read(batch), SINCE + batch.input_ids.shape[1] - torch.tensor([len(s.ids) for s in SEQUENCES])


def logits_and_gradient(tail: Tail, frozen, since, window: bool):
    """Logits and the gradient of a change of the matrix's output from `since` on, after two calls."""
    draw = torch.Generator().manual_seed(1)
    change = torch.randn(frozen.output.shape, generator=draw).to(frozen.output).requires_grad_(True)
    here = torch.arange(change.shape[1]) >= since[:, None]
    for _ in range(2):
        logits = tail.logits(frozen, frozen.output + here[..., None] * change, since if window else None)
    (gradient,) = torch.autograd.grad(logits.square().sum(), change)
    return logits.detach(), gradient


@pytest.mark.parametrize("layer", [0, 2, 3])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_window_gives_the_logits_and_gradients_of_all_tokens(family, layer):
    tail, frozen, since = asked(family, layer)
    whole = logits_and_gradient(tail, frozen, since, window=False)
    ours = logits_and_gradient(tail, frozen, since, window=True)
    torch.testing.assert_close(ours[0], whole[0], **EXACT)
    torch.testing.assert_close(ours[1], whole[1], **tolerance(TRAINED, whole[1].abs().max().item()))
    assert whole[1].abs().max() > 1e-3


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("llama", {"attention": "eager"}),
        ("mistral", {"sliding_window": 4}),
        ("mistral", {"sliding_window": 4, "attention": "eager"}),
        ("gpt_neox", {"use_parallel_residual": False}),
    ],
)
@pytest.mark.parametrize("padding", ["right", "left"])
def test_a_window_in_variants(family, options, padding):
    tail, frozen, since = asked(family, 1, padding, **options)
    whole = logits_and_gradient(tail, frozen, since, window=False)
    ours = logits_and_gradient(tail, frozen, since, window=True)
    torch.testing.assert_close(ours[0], whole[0], **EXACT)
    torch.testing.assert_close(ours[1], whole[1], **tolerance(TRAINED, whole[1].abs().max().item()))


def test_layers_run_only_the_tokens_of_the_window():
    tail, frozen, since = asked("llama", 1)
    lengths = []
    hooks = [
        block.register_forward_pre_hook(lambda _module, args: lengths.append(args[0].shape[1]))
        for block in tail.site.blocks[2:]
    ]
    tail.logits(frozen, frozen.output, since)
    del lengths[:]
    tail.logits(frozen, frozen.output, since)
    for hook in hooks:
        hook.remove()
    widest, targets = 4, 2
    assert lengths == [widest, widest, targets], "two layers; the last one once for keys and once where it is read"


def test_a_text_that_changes_from_its_start_on_runs_whole():
    tail, frozen, _ = asked("llama", 1)
    since = torch.zeros(3, dtype=torch.long)
    torch.testing.assert_close(tail.logits(frozen, frozen.output, since), tail.logits(frozen, frozen.output))
