"""One WISE edit through the tail against the same edit by full forward passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wise.benchmark.full import full_forward_edit
from wise.benchmark.measure import alternated, matmul_rate, operations, ratios, summary
from wise.benchmark.model import random_texts
from wise.editors.wise.config import WiseConfig
from wise.editors.wise.routing import Calibration, Margins, training_span
from wise.editors.wise.rows import queries_scope
from wise.editors.wise.sharding import draw_mask
from wise.editors.wise.training import Rows, SideMemory, Step, train
from wise.errors import ConfigError
from wise.lm.architectures import find_site
from wise.lm.batch import Encoded, collate
from wise.lm.load import LanguageModel
from wise.options import build_options
from wise.records import EditRecord
from wise.tail.tail import Tail

RECORD = EditRecord("benchmark", "random tokens", "random tokens", "random tokens")
MOVE = 0.1
"""Share of the residual stream's size by which one step moves it, about."""


@dataclass(frozen=True)
class Problem:
    """An edit of a random model: the edit's rows, all `length` tokens long, and the irrelevant text."""

    lm: LanguageModel
    layer: int
    edit: list[Encoded]
    irrelevant: Encoded
    step: Step
    mask: Tensor

    @classmethod
    def draw(
        cls, lm: LanguageModel, layer: int, rows: int, length: int, targets: int, iterations: int, seed: int
    ) -> Problem:
        """`rows` texts of which the last is the irrelevant one; the others end in `targets` target tokens.

        Raises `ConfigError` for a layer that is not there, and for sizes that leave no row or no prompt.
        """
        if rows < 2:
            raise ConfigError(f"rows must be at least 2, an edit's row and the irrelevant text; found {rows}")
        if not 0 < targets < length:
            raise ConfigError(f"targets must be from 1 to length - 1 = {length - 1}; found {targets}")
        if iterations < 1:
            raise ConfigError(f"iterations must be at least 1; found {iterations}")
        texts = random_texts(rows, length, lm.model.config.vocab_size, seed, "rows")
        edit = [Encoded(ids, length - targets) for ids in texts[:-1]]
        irrelevant = Encoded(texts[-1], length)
        return cls(lm, layer, edit, irrelevant, *_step(lm, layer, irrelevant, iterations, seed))

    def through_tail(self) -> Tensor:
        """W' - W0 (d, f), from an empty cache: what never changes is computed here as well."""
        tail = Tail(self.lm, find_site(self.lm.model, self.layer))
        frozen = tail.frozen(self.edit)
        span = training_span(frozen.batch, self.step.config.positions)
        query = tail.frozen([self.irrelevant]).query()
        rows = Rows(frozen, span, queries_scope(query, tail.site.weight, tail.site.bias))
        weight = tail.site.weight
        zero = torch.zeros(weight.shape, dtype=torch.promote_types(weight.dtype, torch.float32), device=weight.device)
        memory = SideMemory(tail, rows, self.step, zero, self.mask)
        train(memory, RECORD)
        return memory.change().detach()

    def by_full_forward(self) -> Tensor:
        """The same by full forward passes."""
        batch = collate([*self.edit, self.irrelevant], self.lm.pad, self.lm.device)
        return full_forward_edit(self.lm, find_site(self.lm.model, self.layer), batch, self.step, self.mask)


def _step(lm: LanguageModel, layer: int, irrelevant: Encoded, iterations: int, seed: int) -> tuple[Step, Tensor]:
    """Margins and mask of the convention `refined` in the units of this model; the edit never stops early.

    The rate follows `MOVE`: a random model's states are far smaller than those of a trained one, for which the
    convention has its rate.
    """
    options = {"convention": "refined", "steps": iterations, "stop": "never"}
    config = build_options(WiseConfig, options, "the benchmark of an edit")
    site = find_site(lm.model, layer)
    frozen = Tail(lm, site).frozen([irrelevant])
    scales = Calibration.measure(frozen.query(), site.weight)
    margins = Margins(*(scales.output_norm * share for share in (config.alpha, config.beta, config.gamma)))
    mask = draw_mask(tuple(site.weight.shape), config.rho, seed, 0, config.masks).to(lm.device)
    power = frozen.hidden.float().square().sum(-1).mean().item()
    return Step(MOVE * power / (config.rho * scales.input_power), margins, config.routing_weight, None, config), mask


def benchmark_edit(problem: Problem, repeats: int) -> dict[str, Any]:
    """Cost of both ways, their ratio, how far apart they end, and how well the tail uses the machine."""
    device, dtype = problem.lm.device, problem.lm.model.dtype
    rate = matmul_rate(dtype, device)
    done = operations(problem.through_tail)  # warms up, as the next line does
    problem.by_full_forward()
    ways = {"tail": problem.through_tail, "full": problem.by_full_forward}
    costs, updates = alternated(ways, repeats, device)
    rate = max(rate, matmul_rate(dtype, device))
    tail, full = summary(costs["tail"]), summary(costs["full"])
    reached = done / min(tail["wall_seconds_all"])  # its best, as the machine's rate is the best of several
    return {
        "tail": tail,
        "full": full,
        "ratio_full_to_tail": ratios(full, tail),
        "largest_deviation": (updates["tail"] - updates["full"]).abs().max().item(),
        "largest_update": updates["full"].abs().max().item(),
        "tail_operations": done,
        "tail_operations_per_second": reached,
        "machine_operations_per_second": rate,
        "fraction_of_machine": reached / rate,
    }
