"""`wise ls`: what there is to choose from, one line each; `wise ls editors NAME`: the options of an editor."""

from __future__ import annotations

import argparse
import inspect
import json
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from wise.errors import ConfigError
from wise.options import Option, described

WIDTH = 100
"""Characters of a line of text."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to list."""
    parser.add_argument("what", choices=sorted(LISTS), help="what to list")
    parser.add_argument("name", nargs="?", help="an editor or a dataset: list its options")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where trained models lie")


def run(args: argparse.Namespace) -> None:
    """Print names and descriptions in two columns, or the options of what is named."""
    if args.name is not None:
        print(_options(args.what, args.name), end="")
        return
    rows = list(LISTS[args.what](args))
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        print(f"{name:<{width}}  {text}")


def _options(what: str, name: str) -> str:
    """Every option with type or choices, default and description.

    Raises `ConfigError` for an unknown name, and for things that have no options.
    """
    searched: dict[str, str] = {}
    if what == "editors":
        from wise.editors.registry import editor_class
        from wise.editors.space import described_space, in_words

        kind = editor_class(name).Config
        searched = {option: in_words(plain) for option, plain in described_space(kind).items()}
    elif what == "datasets":
        from wise.datasets.registry import entry, options_class

        kind = options_class(entry(name))
    else:
        raise ConfigError(f"ls {what} takes no name; editors and datasets have options")
    about = inspect.cleandoc(kind.__doc__ or "")
    return f"{about}\n\n" + "".join(_option(option, searched.get(option.name, "")) for option in described(kind))


def _option(option: Option, searched: str) -> str:
    """One option; `searched` says where `snakemake tune` looks for it."""
    allowed = " | ".join(map(str, option.choices)) or f"{option.type} {option.limits}".strip()
    text = textwrap.fill(option.description, WIDTH, initial_indent="    ", subsequent_indent="    ")
    default = "required" if option.default is ... else json.dumps(option.default)  # as YAML writes it too
    default = "in the model's own units" if option.default is None else default
    tried = f"    Searched: {searched}\n" if searched else ""
    return f"{option.name}: {default}  ({allowed})\n{text}\n{tried}"


def _editors(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """What the module of an editor says, or the class where a module has several."""
    from wise.editors.registry import EDITORS, editor_class

    modules = [entry.module for entry in EDITORS.values()]
    for name, module in zip(EDITORS, modules, strict=True):
        alone = modules.count(module) == 1
        yield name, _first_line(import_module(module) if alone else editor_class(name))


def _datasets(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """What is made, and the streams of edits in it where they have other names."""
    from wise.datasets.registry import DATASETS, streams

    for name, entry in DATASETS.items():
        others = ", ".join(stream for stream in streams(name) if stream != name)
        yield name, entry.description + (f" Streams: {others}" if others else "")


def _metrics(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    from wise.evaluate.metrics import METRICS

    return ((name, f"{metric.description} ({metric.direction} is better)") for name, metric in METRICS.items())


def _models(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Families, the rule of the default layer, and models that were trained here."""
    from wise.lm.architectures import default_layer
    from wise.lm.families import FAMILIES

    for name, family in sorted(FAMILIES.items()):
        yield name, f"family; edits {family.layers}.N.{family.down}"
    yield "default N", _first_line(default_layer)
    for config in sorted((args.results / "models").glob("*/config.json")):
        yield str(config.parent), "trained here"


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]


LISTS = {"editors": _editors, "datasets": _datasets, "metrics": _metrics, "models": _models}
