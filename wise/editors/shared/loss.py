"""The edit loss that all editors share."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor

from wise.errors import EditError
from wise.lm.likelihood import token_nll
from wise.records import EditRecord
from wise.tail.frozen_states import FrozenStates
from wise.tail.tail import Tail

Objective = Literal["target_new", "prompt_last"]


def edit_loss(
    tail: Tail,
    frozen: FrozenStates,
    output: Tensor,
    objective: str = "target_new",
    divisor_extra: int = 0,
    since: Tensor | None = None,
) -> Tensor:
    """Mean over rows of the mean negative log-likelihood of the target's tokens, in nats.

    `target_new` is the ordinary autoregressive likelihood. `prompt_last` reads every target token from the
    distribution behind the last *prompt* token, as the released FT-L does. `output` (B, L, d) is what the edited
    matrix gives, the unedited output in front of the tokens `since` (B,), where that is known. A row of t target
    tokens is divided by t + `divisor_extra`; the released WISE divides by t + 1.
    """
    targets = frozen.targets
    if objective == "target_new":
        return rows_mean(frozen, tail.nll(frozen, output, since), divisor_extra)
    hidden = tail.at(frozen, output, frozen.batch.start[:, None] - 1, since)  # (B, 1, d)
    logits = tail.lm.logits(hidden[:, 0])[targets.rows]  # (B, d) x (d, V) -> (N, V)
    return rows_loss(frozen, logits, divisor_extra)


def rows_loss(frozen: FrozenStates, logits: Tensor, divisor_extra: int = 0) -> Tensor:
    """The same from `logits` (N, V) at the tokens that predict targets, which are used up."""
    return rows_mean(frozen, token_nll(logits, frozen.targets.tokens), divisor_extra)


def rows_mean(frozen: FrozenStates, losses: Tensor, divisor_extra: int = 0) -> Tensor:
    """Mean over rows of the mean of their target tokens' `losses` (N,)."""
    batch, targets = frozen.batch, frozen.targets
    per_row = (1.0 / (batch.length - batch.start + divisor_extra).to(losses))[targets.rows]  # each row counts alike
    return (losses * per_row).sum() / len(batch.start)


def finite(loss: float, record: EditRecord) -> float:
    """`loss` itself; raises `EditError` naming the edit when it is NaN or infinite."""
    if not math.isfinite(loss):
        raise EditError(f"edit '{record.id}' ({record.prompt!r}): the loss became {loss}; lower the learning rate")
    return loss
