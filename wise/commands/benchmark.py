"""`wise benchmark`: what an edit and a question cost on a random model, as ratios in one run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from wise.benchmark.edit import Problem, benchmark_edit
from wise.benchmark.inference import benchmark_inference
from wise.benchmark.model import Shape, random_llama
from wise.benchmark.probe import benchmark_probe
from wise.errors import ConfigError
from wise.files import write_json
from wise.lm.devices import device_name
from wise.lm.load import LanguageModel
from wise.tracking.run_record import hardware, now, versions

SIZES = {
    "layers": (12, "layers of the model"),
    "hidden": (512, "width d of the residual stream"),
    "intermediate": (1376, "width f of the FFN"),
    "vocab": (32000, "tokens of the vocabulary"),
    "edit-layer": (10, "layer whose down-projection is edited, from 0"),
    "length": (40, "tokens of every text"),
    "targets": (4, "tokens of every target"),
    "repeats": (3, "how often each way is measured, in turn"),
    "threads": (1, "CPU threads"),
    "seed": (0, "of the model, the texts and the mask"),
}
"""Arguments of all benchmarks, with their defaults."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One subcommand for each benchmark."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    edit = kinds.add_parser("edit", help="one WISE edit through the tail against full forward passes")
    edit.add_argument("--rows", type=int, default=12, help="texts, the last one irrelevant (default: %(default)s)")
    edit.add_argument("--iterations", type=int, default=70, help="steps of the edit (default: %(default)s)")
    edit.add_argument("--inference", action="store_true", help="measure generation with edited models, too")
    probe = kinds.add_parser("probe", help="questions from cached states against one forward pass each")
    probe.add_argument("--questions", type=int, default=64, help="questions (default: %(default)s)")
    for kind in (edit, probe):
        for name, (default, text) in SIZES.items():
            kind.add_argument(f"--{name}", type=int, default=default, help=f"{text} (default: %(default)s)")
        kind.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: %(default)s)")
        kind.add_argument("--dtype", default="float32", help="precision of the model (default: %(default)s)")
        kind.add_argument("--json", action="store_true", help="print the result as JSON instead of a table")
        kind.add_argument("--out", type=Path, help="write the result as JSON to this file, too")


def run(args: argparse.Namespace) -> None:
    """Measure, print, write."""
    if min(args.repeats, args.threads) < 1:
        raise ConfigError("repeats and threads must be at least 1")
    threads = torch.get_num_threads()
    torch.set_num_threads(args.threads)
    try:
        shape = Shape(args.layers, args.hidden, args.intermediate, args.vocab)
        lm = random_llama(shape, args.device, args.dtype, args.seed)
        measures = _edit(lm, args) if args.kind == "edit" else _probe(lm, args)
        machine = hardware(device_name(lm.device), torch.get_num_threads())
    finally:
        torch.set_num_threads(threads)
    result = {"benchmark": args.kind, "settings": _settings(args)} | measures
    result |= {"hardware": machine, "versions": versions(), "finished": now()}
    if args.out:
        write_json(args.out, result)
    if args.json:
        print(json.dumps(result, indent=2, allow_nan=False))
    else:
        print_table(result)


def _edit(lm: LanguageModel, args: argparse.Namespace) -> dict[str, Any]:
    sizes = args.rows, args.length, args.targets, args.iterations
    result = benchmark_edit(Problem.draw(lm, args.edit_layer, *sizes, args.seed), args.repeats)
    if args.inference:
        result["inference"] = benchmark_inference(lm, args.edit_layer, args.repeats, args.seed)
    return result


def _probe(lm: LanguageModel, args: argparse.Namespace) -> dict[str, Any]:
    sizes = args.questions, args.length, args.targets
    return benchmark_probe(lm, args.edit_layer, *sizes, args.repeats, args.seed)


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    own = ("rows", "iterations", "questions", "device", "dtype")
    names = [name.replace("-", "_") for name in SIZES]
    return {name: value for name, value in vars(args).items() if name in (*names, *own)}


def print_table(result: Mapping[str, Any]) -> None:
    """One line for each number."""
    rows = [(name, value) for name, value in _flat(result) if not isinstance(value, list)]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {_readable(name, value)}")


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _readable(name: str, value: Any) -> str:
    if value is None:
        return "not known"
    if name.endswith("_bytes"):
        return f"{value / 2**20:.1f} MiB"
    if name.endswith(("operations", "operations_per_second")):
        return f"{value / 1e9:.1f} G"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
