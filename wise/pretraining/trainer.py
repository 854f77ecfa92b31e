"""One optimisation step of pretraining: parts of a batch side by side, gradients added up in order."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from wise.pretraining.packing import Rows

if TYPE_CHECKING:
    from wise.pretraining.recipe import PretrainOptions


class Trainer:
    """AdamW with warm-up and cosine on one model, `steps` steps long.

    A step's rows are cut into parts of `options.part` rows. `workers` threads compute the gradients of
    the parts: on rows this short, two single-threaded passes side by side are far faster than one
    pass on two threads. The sum is taken in the order of the parts, so the number of workers does
    not change a bit of the result. A GPU, where the model is on one, takes the whole batch in one pass.
    """

    def __init__(self, model: LlamaForCausalLM, options: PretrainOptions, steps: int, workers: int = 1) -> None:
        self.model = model.train()
        self.device = model.device
        on_cpu = self.device.type == "cpu"
        self.part = options.part if on_cpu else options.batch
        self.dtype = training_dtype(self.device)
        self.parameters = list(model.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=options.lr, betas=(0.9, 0.98), weight_decay=options.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: warmup_cosine(step, steps, options.warmup)
        )
        self._pool = ThreadPoolExecutor(workers if on_cpu else 1)

    def step(self, batch: Rows) -> float:
        """Learn one batch; returns its loss."""
        batch = batch.to(self.device)
        total = batch.weight[:, 1:].sum()
        parts = [batch.batch(rows) for rows in torch.arange(len(batch)).split(self.part)]
        losses, gradients = zip(*self._pool.map(lambda part: self._gradients(part, total), parts), strict=True)
        for parameter, summands in zip(self.parameters, zip(*gradients, strict=True), strict=True):
            parameter.grad = cast(Tensor, sum(summands[1:], start=summands[0]))
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.schedule.step()
        return sum(losses)

    def state(self) -> dict[str, Tensor]:
        """Weights, and what the optimiser keeps of each parameter."""
        moments = self.optimizer.state_dict()["state"]
        kept = {f"optimizer.{i}.{key}": value for i, values in moments.items() for key, value in values.items()}
        return {f"model.{name}": value for name, value in self.model.state_dict().items()} | kept

    def load_state(self, state: dict[str, Tensor], steps: int) -> None:
        """Go on behind `steps` steps, where another trainer of the same model and recipe gave `state`."""
        named = {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}
        self.model.load_state_dict(named)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                moments.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": moments})
        self.schedule.last_epoch = steps
        for group, rate in zip(self.optimizer.param_groups, self.schedule.base_lrs, strict=True):
            group["lr"] = rate * self.schedule.lr_lambdas[0](steps)

    def _gradients(self, part: Rows, total: Tensor) -> tuple[float, tuple[Tensor, ...]]:
        """Loss and gradients of some rows, as their share of a batch whose loss weights sum to `total`."""
        weight = part.weight[:, 1:]  # (B, L - 1)
        counted = weight > 0
        # The cache of cast weights is one for all threads: which of them emptied it when would tell in the last bits.
        with torch.autocast(
            self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32, cache_enabled=False
        ):
            hidden = self.model.base_model(
                input_ids=part.ids,
                position_ids=part.position,
                attention_mask=part.attention_bias(self.dtype),
                use_cache=False,
            ).last_hidden_state  # (B, L, d)
            logits = self.model.lm_head(hidden[:, :-1][counted])  # (N, d) x (d, V)
        loss = weighted_loss(logits, part.ids[:, 1:][counted], weight[counted], total)
        return loss.item(), torch.autograd.grad(loss, self.parameters)


def weighted_loss(logits: Tensor, targets: Tensor, weight: Tensor, total: Tensor) -> Tensor:
    """Negative log likelihood of tokens, each counted by its weight: sum(w nll) / total.

    `logits` (N, V), `targets` and `weight` (N,).
    """
    nll = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
    return (nll * weight).sum() / total


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """Factor on the learning rate: linear rise over the first `warmup` share, then a half cosine to 0."""
    rise = max(1, round(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def training_dtype(device: torch.device | str = "cpu") -> torch.dtype:
    """bfloat16 where the device multiplies it natively, else float32."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    known = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
    native = any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.bfloat16 if native else torch.float32
