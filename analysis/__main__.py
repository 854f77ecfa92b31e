"""`python -m analysis ARTIFACT --scores F... --out F...`: write a table or a figure.

The suffix of each file named by `--out` decides its format: csv, md and tex come from the artifact's
table, pdf and png from its figure.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from pathlib import Path

from analysis.artifacts import ARTIFACTS
from analysis.inputs import Inputs
from analysis.output import write
from wise.errors import WiseError, is_short_of_memory, short_of_memory, unknown
from wise.files import check_seals, seal
from wise.warm import hand_over


def parser() -> argparse.ArgumentParser:
    """The command line."""
    lines = "\n".join(f"  {name:17}{artifact.description}" for name, artifact in ARTIFACTS.items())
    made = argparse.ArgumentParser(
        prog="analysis",
        description="Make a table or a figure.",
        epilog=f"artifacts:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("artifact", help="which table or figure, see below")
    made.add_argument("--scores", type=Path, nargs="*", default=[], help="scores (Parquet) of one or more runs")
    made.add_argument("--transcripts", type=Path, nargs="*", default=[], help="transcripts (Parquet) of runs")
    made.add_argument("--runs", type=Path, nargs="*", default=[], help="run.json of each of them, in the same order")
    made.add_argument("--overhead", type=Path, help="what `wise overhead` measured (JSON)")
    made.add_argument("--tracing", type=Path, help="what `wise trace` found (JSON)")
    made.add_argument("--reference-scores", type=Path, nargs="*", default=[], help="scores to draw beside an ablation")
    made.add_argument("--searches", type=Path, nargs="*", default=[], help="what `wise tune` found (JSON), each")
    made.add_argument("--records", type=Path, nargs="*", default=[], help="edits (JSONL) of every dataset of the runs")
    made.add_argument("--rounds", type=Path, nargs="*", default=[], help="what `wise instruct` wrote (JSON), each")
    made.add_argument("--areas", type=Path, nargs="*", default=[], help="what `wise areas` wrote (Parquet), each")
    made.add_argument(
        "--study", action="append", nargs="+", default=[], metavar=("NAME", "FOLDER"), help="runs of a study, each once"
    )
    made.add_argument("--place", nargs=2, default=[], metavar=("DATASET", "MODEL"), help="where it was measured")
    made.add_argument("--levels", nargs="*", default=[], metavar="MODEL=LEVEL", help="on which level each model is")
    made.add_argument("--out", type=Path, nargs="+", required=True, help="files to write: .csv .md .tex .pdf .png")
    return made


def main(argv: list[str] | None = None) -> int:
    """Make one artifact; returns the exit status (2 for an error that the user can mend)."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    args = parser().parse_args(argv)
    try:
        if args.artifact not in ARTIFACTS:
            raise unknown("artifact", args.artifact, ARTIFACTS)
        module = importlib.import_module(ARTIFACTS[args.artifact].module)
        for path in (*args.scores, *args.transcripts, *args.runs, *args.reference_scores, *args.searches, *args.records,
                     *args.areas, *args.rounds, *filter(None, (args.overhead, args.tracing)),
                     *(folder for _, *folders in args.study for folder in folders)):  # fmt: skip
            check_seals(path)
        studies = {name: [Path(folder) for folder in folders] for name, *folders in args.study}
        levels = dict(one.partition("=")[::2] for one in args.levels)
        inputs = Inputs(args.scores, args.transcripts, args.runs, args.overhead, args.reference_scores, args.searches,
                        record_paths=args.records, area_paths=args.areas, tracing_path=args.tracing,
                        round_paths=args.rounds, studies=studies,
                        place=tuple(args.place), levels=levels)  # fmt: skip
        write(module, inputs, args.out)
        for path in args.out:
            seal(path)
    except (WiseError, OSError) as error:  # a full disk speaks for itself
        logging.getLogger("analysis").error("%s", error)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not is_short_of_memory(error):
            raise
        logging.getLogger("analysis").error("%s", short_of_memory(error))
        return 2
    return 0


if __name__ == "__main__":
    status = hand_over("analysis.__main__", sys.argv[1:])
    sys.exit(main() if status is None else status)
