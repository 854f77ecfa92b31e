"""`wise evaluate`: the metrics of the project on a saved memory's own edits, or on other records."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wise.commands.common import add_memory_arguments
from wise.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from wise.editors.base import Editor
    from wise.records import EditRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Memory, base model and records."""
    add_memory_arguments(parser)
    parser.add_argument("--records", type=Path, help="JSONL of edits with probes (default: the memory's own log)")
    parser.add_argument("--batch-size", type=int, default=64, help="questions asked at once (default: %(default)s)")
    parser.add_argument("--oracle", action="store_true", help="an oracle in the router's place: the memory of the edit")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> None:
    """Ask every question of the records and print the mean of every metric that they allow."""
    import wise
    from wise.edit_files import read_edits

    edited = wise.load(args.memory, args.model, device=args.device, dtype=args.dtype)
    records = edited.edits if args.records is None else read_edits(args.records)
    if not records:
        raise ConfigError(f"{args.memory}: holds no edits to evaluate; name others with --records")
    means = summary(scores(edited.editor, records, args.batch_size, args.oracle))
    if args.json:
        print(json.dumps({"edits": len(records), "metrics": means}, indent=2))
        return
    print(f"{len(edited.edits)} edits in the memory, {len(records)} asked about")
    for row in means.values():
        print(f"  {row['title']:<14} {row['mean']:8.3f}  over {row['edits']:>4} edits  {row['description']}")


def scores(editor: Editor, records: Sequence[EditRecord], batch_size: int, oracle: bool = False) -> pd.DataFrame:
    """One row for every record and metric, as `wise.evaluate.scores` makes them of a transcript.

    Teacher-forced answers to all questions, and free ones to the prompts, of the model as it is now; the
    unedited model gives the answers that locality compares with. An `oracle` routes teacher-forced questions
    only; what is generated freely is routed as ever.
    """
    import pandas as pd

    from wise.evaluate.ask import ask, before_by_question, generated, preedit_rows, questions_of, transcript_row
    from wise.evaluate.scores import score_transcript

    with editor.unedited():
        before = before_by_question(pd.DataFrame(preedit_rows(editor.lm, records, batch_size, generate=True)))
    questions = questions_of(range(len(records)), records)
    texts = generated(editor.lm, questions, batch_size, editor.unedited, fluency="opinions")
    T = len(records)
    rows = [
        transcript_row(question, reply, before[question.record.id, question.index], texts, T, 0, T - 1 - question.edit)
        for question, reply in zip(questions, ask(editor, questions, batch_size, oracle), strict=True)
    ]
    run = {"dataset": "", "model": editor.lm.name, "editor": editor.name, "seed": editor.seed}
    return score_transcript(pd.DataFrame(rows), run)


def summary(scored: pd.DataFrame) -> dict[str, dict]:
    """Mean of every metric that has values, in the order of the registry, with what it says."""
    from wise.evaluate.metrics import METRICS

    means = {}
    for name, metric in METRICS.items():
        values = scored.loc[scored["metric"] == name, "value"]
        if len(values):
            described = {"title": metric.title, "description": metric.description}
            means[name] = described | {"mean": float(values.mean()), "edits": len(values)}
    return means
