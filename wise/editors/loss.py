"""The edit loss that all editors share."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wise.errors import EditError
from wise.lm.tail import Prefix, Tail
from wise.records import EditRecord

OBJECTIVES = ("target_new", "prompt_last")


def edit_loss(tail: Tail, prefix: Prefix, output: Tensor, objective: str = "target_new") -> Tensor:
    """Mean over rows of the mean negative log-likelihood of the target's tokens, in nats.

    `target_new` is the ordinary autoregressive likelihood. `prompt_last` reads every target token from
    the distribution behind the last *prompt* token, as the released FT-L does. `output` (B, L, d)
    is what the edited matrix gives.
    """
    batch = prefix.batch
    rows, positions = batch.predicting()
    targets = batch.input_ids[rows, positions + 1]  # (N,)
    hidden = tail.hidden(prefix, output)  # (B, L, d)
    read_at = positions if objective == "target_new" else batch.start[rows] - 1
    logits = tail.lm.model.get_output_embeddings()(hidden[rows, read_at])  # (N, d) x (d, V)
    nll = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")  # (N,)
    per_row = (1.0 / (batch.length - batch.start).float())[rows]  # (N,) so that each row counts alike
    return (nll * per_row).sum() / len(batch.start)


def finite(loss: float, record: EditRecord) -> float:
    """`loss` itself; raises `EditError` naming the edit when it is NaN or infinite."""
    if not math.isfinite(loss):
        raise EditError(f"edit '{record.id}' ({record.prompt!r}): the loss became {loss}; lower the learning rate")
    return loss
