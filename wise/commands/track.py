"""`wise track`: write runs, scores, tables and figures to MLflow, whatever was there before."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from pathlib import Path
from typing import Any

from wise.errors import ConfigError
from wise.files import sha256, write_json
from wise.tracking.summary import MAIN_STUDY, Summary, content_key, summarize

LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run.json of every run")
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="scores of each of them, in order")
    parser.add_argument("--records", type=Path, nargs="*", default=[], help="edit streams, as source of the datasets")
    parser.add_argument("--tables", type=Path, nargs="*", default=[], help="tables to keep as artifacts")
    parser.add_argument("--figures", type=Path, nargs="*", default=[], help="figures to keep as artifacts")
    parser.add_argument("--uri", required=True, help="tracking store, such as sqlite:///results/mlflow.db")
    parser.add_argument("--experiment", default="wise", help="name of the experiment (default: %(default)s)")
    parser.add_argument("--artifacts", type=Path, required=True, help="folder of the artifacts of a local store")
    parser.add_argument("--out", type=Path, required=True, help="summary to write (JSON)")


def run(args: argparse.Namespace) -> None:
    """Bring the store to exactly these runs and one report run, and write what was done."""
    if len(args.runs) != len(args.scores):
        raise ConfigError(
            f"--scores must name one file for each of the {len(args.runs)} runs; {len(args.scores)} given"
        )
    # importing mlflow takes a second, which errors above need not wait for
    from wise.tracking.connection import patiently, shown

    summaries = [summarize(run, scores) for run, scores in zip(args.runs, args.scores, strict=True)]
    done = patiently(args.uri, lambda: _write(args, summaries))
    LOG.info("%d runs written, %d kept, %d removed", done["written"], done["kept"], done["removed"])
    place = {"uri": shown(args.uri), "experiment": args.experiment}
    write_json(args.out, place | {"runs": len(summaries)} | done)


def _write(args: argparse.Namespace, summaries: list[Summary]) -> dict[str, Any]:
    """Bring the store up to date, an experiment for each study; what an earlier attempt has written is kept."""
    from wise.tracking.store import Store, connect, experiments_below

    report_key = content_key([*args.tables, *args.figures])
    client, source = connect(args.uri), str(args.out.parent.resolve())
    records = {sha256(path): path for path in args.records}
    counts: Counter[str] = Counter()
    main: dict[str, Any] = {}
    links: dict[str, str] = {}
    studies = dict.fromkeys([MAIN_STUDY, *(summary.study for summary in summaries)])
    former = [name.rpartition("/")[2] for name in experiments_below(client, args.experiment)]
    for study in [*studies, *(name for name in former if name not in studies)]:
        name = args.experiment if study == MAIN_STUDY else f"{args.experiment}/{study}"
        store = Store(client, args.uri, name, args.artifacts, source)
        own = [summary for summary in summaries if summary.study == study]
        wanted = {summary.key: summary for summary in own} | ({report_key: None} if study == MAIN_STUDY else {})
        kept, removed = store.keep(wanted)
        for summary in own:
            if summary.key not in kept:
                store.write(summary, records.get(summary.dataset_sha256))
        if study == MAIN_STUDY and report_key not in kept:
            _write_report(store, report_key, summaries, args)
        if own:
            store.arrange(own)
            links[study] = store.link()
        counts.update(written=len(wanted) - len(kept), kept=len(kept), removed=removed)
        if study == MAIN_STUDY:
            main = {"experiment_id": store.experiment_id, "link": store.link()}
    return main | {"links": links} | dict(counts)


def _write_report(store, key: str, summaries: list[Summary], args: argparse.Namespace) -> None:
    main_table = next((path for path in args.tables if path.name == "main.md"), None)
    note = main_table.read_text(encoding="utf-8") if main_table else ""
    finished = max(summary.finished for summary in summaries)
    store.write_report(key, "tables and figures", finished, {"tables": args.tables, "figures": args.figures}, note)
