"""`python -m analysis.reproduction --results results ... --out REPRODUCTION.md REPRODUCTION.html`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from analysis.reproduction.document import as_page, written
from analysis.reproduction.facts import read_facts
from wise.errors import WiseError
from wise.files import check_seals, write_text
from wise.warm import hand_over


def main(argv: list[str] | None = None) -> int:
    """Write the document, as Markdown or HTML by the suffix; returns the exit status (2 for an error of the user)."""
    parser = argparse.ArgumentParser(prog="analysis.reproduction", description="Describe a finished run.")
    parser.add_argument("--results", type=Path, required=True, help="folder of the run")
    parser.add_argument("--config", required=True, help="its configuration file, as it is named in commands")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run.json of every run")
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="scores of each of them, in order")
    parser.add_argument("--made", type=Path, nargs="*", default=[], help="tables and figures")
    parser.add_argument("--out", type=Path, nargs="+", required=True, help="files to write: .md .html")
    args = parser.parse_args(argv)
    try:
        for path in (*args.runs, *args.scores, *args.made):
            check_seals(path)
        facts = read_facts(args.results, args.config, args.runs, args.scores, args.made)
        for path in args.out:
            home = path.resolve().parent
            text = written(facts, home)
            write_text(path, as_page(text, home) if path.suffix == ".html" else text)
    except (WiseError, OSError) as error:  # a full disk speaks for itself
        logging.getLogger("analysis").error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    status = hand_over("analysis.reproduction.__main__", sys.argv[1:])
    sys.exit(main() if status is None else status)
