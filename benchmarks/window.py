"""Steps of an edit that changes one token of each text: all tokens against those from there on (`wise/tail/window.py`).

    python benchmarks/window.py --out benchmarks/results/window.json

A random Llama of 32 layers, edited in layer 5 as ROME is; 11 rows of 40 tokens, of which the edit changes the 28th, and
the last four are the target's. Both ways take the gradient at the same change, from states that are at hand.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wise.benchmark.measure import alternated, operations, ratios, summary
from wise.benchmark.model import Shape, random_llama, random_texts
from wise.lm.architectures import find_site
from wise.lm.batch import Encoded
from wise.tail.frozen_states import FrozenStates
from wise.tail.tail import Tail

SHAPE = Shape(layers=32, hidden=256, intermediate=688, vocab=32000)
LAYER, ROWS, LENGTH, TARGET, CHANGED, STEPS = 5, 11, 40, 4, 27, 25


def measure(repeats: int, seed: int) -> dict[str, Any]:
    """Costs of both ways, their ratios, and the largest difference between their gradients."""
    lm = random_llama(SHAPE, seed=seed)
    tail = Tail(lm, find_site(lm.model, LAYER))
    texts = random_texts(ROWS, LENGTH, SHAPE.vocab, seed, "rows")
    frozen = tail.frozen([Encoded(ids, LENGTH - TARGET) for ids in texts])
    ways = {
        name: partial(steps, tail, frozen, since)
        for name, since in (("window", torch.full((ROWS,), CHANGED)), ("whole", None))
    }
    for way in ways.values():
        way(1)
    costs, results = alternated(ways, repeats, lm.device)
    found: dict[str, Any] = {name: summary(values, STEPS) for name, values in costs.items()}
    found["ratio_whole_to_window"] = ratios(found["whole"], found["window"])
    found["ratio_of_operations"] = operations(ways["whole"]) / operations(ways["window"])
    found["largest_gradient"] = results["whole"].abs().max().item()
    found["largest_deviation"] = (results["whole"] - results["window"]).abs().max().item()
    return found


def steps(tail: Tail, frozen: FrozenStates, since: Tensor | None, count: int = STEPS) -> Tensor:
    """The gradient (d,) of the target's likelihood in a change of one token, found `count` times."""
    change = torch.zeros(frozen.output.shape[-1], requires_grad=True)  # (d,)
    here = (torch.arange(LENGTH) == CHANGED)[:, None]  # (L, 1)
    since = None if since is None else since.clone()  # a window of its own for each edit
    for _ in range(count):
        logits = tail.logits(frozen, frozen.output + here * change, since)  # (N, V)
        loss = torch.nn.functional.cross_entropy(logits, frozen.targets.tokens)
        (gradient,) = torch.autograd.grad(loss, change)
    return gradient


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Measure what running only the changed tokens saves.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file to write (JSON)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    text = json.dumps(measure(args.repeats, args.seed), indent=1) + "\n"
    sys.stdout.write(text)
    if args.out is not None:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
