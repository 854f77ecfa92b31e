"""`wise ask`: what the edited model answers, which memory did, and what the unedited model answers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from wise.commands.common import add_memory_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Memory, base model and prompts."""
    parser.add_argument("prompts", nargs="*", metavar="PROMPT", help="without any, one a line from standard input")
    add_memory_arguments(parser)
    parser.add_argument("--max-new-tokens", type=int, default=16, help="longest answer (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> None:
    """Print one answer after the other."""
    import wise

    editor = wise.load(args.memory, args.model, device=args.device, dtype=args.dtype)
    for prompts in [args.prompts] if args.prompts else _batches(sys.stdin):
        for answer in editor.ask(prompts, args.max_new_tokens):
            text = json.dumps(asdict(answer), ensure_ascii=False) if args.json else _described(answer)
            print(text, flush=True)


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    """Prompts from lines: one at a time to a person who waits for the answer, otherwise all at once."""
    prompts = (line.strip() for line in lines if line.strip())
    if sys.stdin.isatty():
        yield from ([prompt] for prompt in prompts)
    else:
        yield list(prompts)


def _described(answer) -> str:
    how = "no router"
    if answer.memory is not None:
        sign = "<" if answer.memory == "main" else ">="
        how = f"{answer.memory}, score {answer.score:#.4g} {sign} {answer.threshold:#.4g}"
    return f"{answer.prompt}\n  edited:   {answer.answer}  [{how}]\n  unedited: {answer.unedited}"
