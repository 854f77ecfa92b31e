"""`wise data check`: what files of edits hold, what will be scored, and all that is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from wise.datasets import registry
from wise.datasets.files import FILES, STREAM
from wise.datasets.leaks import RULES, find_leaks, leak_lines
from wise.datasets.own.report import report
from wise.datasets.published.options import Invalid
from wise.datasets.published.survey import survey
from wise.datasets.stream_folder import exemptions
from wise.edit_files import examine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The files."""
    help_text = "edits as JSONL, JSON or CSV; folders of datasets; or raw files with --dataset"
    parser.add_argument("files", type=Path, nargs="+", help=help_text)
    parser.add_argument("--dataset", help=f"the files are raw ones of {', '.join(registry.RAW)}")
    parser.add_argument(
        "--invalid", choices=get_args(Invalid), default="stop", help="whether bad records are a reason for status 1"
    )


def run(args: argparse.Namespace) -> int:
    """Print what each file holds, and what those of a dataset share and must not; status 1 if there is a problem."""
    if args.dataset is not None:
        return _check_raw(args)
    folders = [path for path in args.files if path.is_dir()]
    files = [path for path in args.files if path not in folders]
    named = {path.stem: path for path in files if path.stem in FILES}
    together = [named] if len(named) > 1 else []
    bad = [_check_edits(files)] if files else []
    for folder in folders:
        paths = {file: folder / f"{file}.jsonl" for file in FILES}
        bad.append(_check_edits([path for file, path in paths.items() if file == STREAM or not _empty(path)]))
        together.append(paths)
    return max([*bad, *map(_check_together, together)])


def _check_edits(files: Sequence[Path]) -> int:
    """Files of edits, one's own or made by the project, each by itself."""
    from wise.evaluate.coverage import coverage
    from wise.evaluate.metrics import METRICS

    found = [examine(path) for path in files]
    for file in found:
        scored = {METRICS[name].title: count for name, count in coverage(file.records).items()}
        print(*report(file, scored), sep="\n")
    return 1 if any(file.problems for file in found) else 0


def _check_together(paths: Mapping[str, Path]) -> int:
    """Files of one dataset: what must not stand in two of them."""
    files = {file: [] if _empty(path) else examine(path).records for file, path in paths.items()}
    exempt = exemptions(next(iter(paths.values())).parent)
    leaks = find_leaks(files)
    broken = [leak for leak in leaks if leak.rule not in exempt]
    print(f"{', '.join(paths)} together: " + ("leaks" if broken else "nothing that is learned from is asked"))
    for rule, reason in exempt.items():
        found = f" ({sum(leak.rule == rule for leak in leaks)} x)" if rule in RULES else ""
        print(f"  exempt        {rule}: {reason}{found}")
    for line in leak_lines(broken):
        print(f"  leak          {line}")
    return 1 if broken else 0


def _empty(path: Path) -> bool:
    return path.exists() and not path.read_text(encoding="utf-8").strip()


def _check_raw(args: argparse.Namespace) -> int:
    """Raw files of a published dataset."""
    convert = registry.raw_form(args.dataset)
    usable = True
    for path in args.files:
        lines, sound, problems = survey(path, convert)
        print(*lines, sep="\n")
        usable &= sound > 0 and (problems == 0 or args.invalid == "skip")
    return 0 if usable else 1
