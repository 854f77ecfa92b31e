"""Hours and memory that Table 2 (ZsRE, one seed) of config/paper.yaml would take on 1, 8 and 64 GPUs: an estimate.

    python benchmarks/hours.py --out benchmarks/results/hours.json

Nothing is run. Operations (two for each multiplication with its addition) of one edit by steps of gradient descent in
layer l of L, with r rows of n tokens of which k are the target's, width d, inner width f, vocabulary V and p parameters
a layer, where the frozen part is computed once and the last layer at targets only (`wise.tail`):

    2 p l r n  +  steps (4 d f r n  +  6 p (L - l - 2) r n  +  4 V d r k)

For the edit of benchmarks/results/edit-12x512.json this is 10% below what was counted there. A question costs 2 p L n,
and 16 tokens of free answer read all weights 16 times for a batch. MEND trains its network for 100,000 steps of three
texts, 6 P n for each of all P parameters. Memory: the weights, a third more for states, and 2 GiB of kept states.
A job has one GPU, so that G of them end no sooner than the longest job, and the whole takes

    max(longest job, sum of all jobs / G) hours.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from wise.config.model import complete
from wise.config.plan import layer, options

ROOT = Path(__file__).resolve().parent.parent
ROWS, TOKENS, TARGET, QUESTIONS, FREE = 12, 40, 4, 3, 16
"""Rows of an edit, tokens of one, of its target; questions about an edit; tokens of a free answer."""
GPUS = (1, 8, 64)


@dataclass(frozen=True)
class Shape:
    """A model: layers, width, inner width, vocabulary, and parameters of a layer."""

    layers: int
    width: int
    inner: int
    vocabulary: int
    layer: float

    @property
    def parameters(self) -> float:
        """All of them."""
        return self.layers * self.layer + 2 * self.vocabulary * self.width


SHAPES = {
    "llama-2-7b": Shape(32, 4096, 11008, 32000, 4 * 4096**2 + 3 * 4096 * 11008),
    "mistral-7b": Shape(32, 4096, 14336, 32000, 2.5 * 4096**2 + 3 * 4096 * 14336),
}
ONE_ROW = ("grace", "defer", "mend")
"""Editors that learn from the prompt alone."""


def edit_operations(shape: Shape, editor: str, steps: int, edited: int) -> float:
    """Operations of one edit."""
    rows = 1 if editor in ONE_ROW else ROWS
    tokens = rows * TOKENS
    frozen = 2 * shape.layer * edited * tokens
    behind = 6 * shape.layer * max(0, shape.layers - edited - 2) * tokens
    step = 4 * shape.width * shape.inner * tokens + behind + 4 * shape.vocabulary * shape.width * rows * TARGET
    return frozen + steps * step


def jobs(config: dict, rate: float, bandwidth: float) -> list[dict]:
    """Every edit and prepare job of Table 2 with its hours and GiB of GPU memory."""
    found = []
    for model, shape in SHAPES.items():
        grid = config["evaluation"]["grid"]
        edits = sum(int(T) * chunks for T, chunks in grid.items())
        weights = 4 * shape.parameters
        ask = 2 * shape.parameters * TOKENS / rate + FREE * weights / bandwidth / config["evaluation"]["batch_size"]
        for editor in config["editors"]:
            asked = options(config, "zsre", model, editor)
            edited = layer(config, "zsre", model, editor)
            steps = 0 if editor == "none" else asked.get("steps", 1)
            edit = edit_operations(shape, editor, steps, edited) / rate if steps else 0.0
            hours = edits * (edit + QUESTIONS * ask) / 3600
            found.append({"model": model, "job": editor, "seconds_an_edit": edit, "hours": hours,
                          "gpu_gib": (weights * 1.35 + 2 * 2**30) / 2**30})  # fmt: skip
        trained = 6 * shape.parameters * TOKENS * 3 * config["editors"]["mend"]["iterations"] / rate / 3600
        found.append({"model": model, "job": "prepare mend", "hours": trained, "gpu_gib": 2 * weights / 2**30})
    return found


def main() -> None:
    """Estimate, and write."""
    parser = argparse.ArgumentParser(description="Estimate hours of Table 2.")
    parser.add_argument("--tflops", type=float, default=10.0, help="reached in float32 (default: %(default)s)")
    parser.add_argument("--bandwidth", type=float, default=1500.0, help="GB/s of its memory (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="file to write (JSON)")
    args = parser.parse_args()
    config = complete(yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8")))
    found = jobs(config, args.tflops * 1e12, args.bandwidth * 1e9)
    total, longest = sum(job["hours"] for job in found), max(job["hours"] for job in found)
    rounded = [
        {key: round(value, 2) if isinstance(value, float) else value for key, value in job.items()} for job in found
    ]
    whole = {str(count): round(max(longest, total / count), 1) for count in GPUS}
    written = {"tflops": args.tflops, "bandwidth_gb_s": args.bandwidth, "hours_by_gpus": whole, "jobs": rounded}
    text = json.dumps(written, indent=1) + "\n"
    sys.stdout.write(text)
    if args.out is not None:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
