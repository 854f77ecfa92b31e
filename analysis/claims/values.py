"""The scores that a test of a claim compares: of the main comparison or a study, with what sets its runs apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.claims.statement import ALIASES, Counts, Over, Range
from analysis.inputs import Inputs, setting
from analysis.task_type import setting_of, with_averages
from analysis.tasks.by_task import EVERY, HELD_OUT, SEEN, SUCCESS, successes
from wise.evaluate.measures import PERPLEXITY_CAP

KEYS = ["seed", "record"]
STREAM = "stream"


@dataclass(frozen=True)
class Source:
    """Scores on the reported edits of one dataset and model, by metric; their column `run` is a place in `facts`, and
    `task` names the edit's, empty for edits that name none.

    `facts` hold the editor and the options of each run, and what follows from them.
    """

    scores: Mapping[str, pd.DataFrame]
    facts: Mapping[int, Mapping[str, Any]]

    @property
    def setting(self) -> str:
        """The kind of editing that the scores are about."""
        return setting_of(self.scores).name

    def counts(self, asked: Counts, metric: str) -> list[int]:
        """The numbers of edits T that are asked for and there."""
        rows = self.scores.get(self.named(metric))
        found = [] if rows is None else sorted(map(int, rows["T"].unique()))
        if isinstance(asked, Over):
            return [T for T in found if T > asked.above]
        if isinstance(asked, str):
            return {"all": found, "largest": found[-1:], "smallest": found[:1]}[asked]
        wanted = [asked] if isinstance(asked, int) else asked
        return [T for T in wanted if T in found]

    def named(self, metric: str) -> str:
        """The metric that a name stands for here."""
        return next((name for name in ALIASES.get(metric, ()) if name in self.scores), metric)

    def choices(self, option: str) -> list[Any]:
        """The values that an option has in these runs, in their order."""
        return list(dict.fromkeys(fact.get(option) for fact in self.facts.values()))

    def values(
        self, metric: str, T: int, editor: str | None, where: Mapping[str, Any], task: str | None = None
    ) -> pd.DataFrame:
        """Columns seed, record, chunk, value: one row an edit, the mean over the runs that are meant.

        NLLs are cut at the log of 100, as perplexities are.
        """
        rows = self.scores[self.named(metric)]
        runs = [run for run, fact in self.facts.items() if editor in (None, fact["editor"]) and _fits(fact, where)]
        rows = rows[(rows["T"] == T) & rows["run"].isin(runs)]
        if task is not None:
            rows = rows[_of_task(rows["task"], task)]
        if metric == "nll":
            rows = rows.assign(value=rows["value"].clip(upper=np.log(PERPLEXITY_CAP)))
        return rows.groupby(KEYS, as_index=False).agg(chunk=("chunk", "first"), value=("value", "mean"))

    def conventions(self, editor: str | None) -> str:
        """Whose convention the runs of an editor follow, where it has one."""
        found = {fact.get("convention", "") for fact in self.facts.values() if editor in (None, fact["editor"])}
        return ", ".join(sorted(name for name in found if name))


def read_sources(inputs: Inputs) -> dict[tuple[str, str], Source]:
    """By dataset and model the scores of runs. Raises `DataError` where a run record lacks its options."""
    frames: dict[tuple[str, str], list[pd.DataFrame]] = {}
    facts: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    tasks = _tasks(inputs)
    first: dict[tuple, dict[str, Any]] = {}
    for number, (scores, run) in enumerate(inputs.by_run()):
        if run.get("records", STREAM) == STREAM:
            place = run["dataset"], run["model"]
            of_edits = scores["record"].map(tasks.get(run["dataset"], {})).fillna("")
            frames.setdefault(place, []).append(scores.assign(run=number, task=of_edits))
            facts.setdefault(place, {})[number] = _facts(run, first.setdefault((*place, run["editor"]), run))
    for known in facts.values():
        deepest = max((fact["layer"] for fact in known.values() if fact["layer"] is not None), default=0)
        broadest = max((fact.get("breadth", 0) for fact in known.values()), default=0)
        for fact in known.values():
            fact["depth"] = None if fact["layer"] is None or not deepest else fact["layer"] / deepest
            fact["breadth"] = fact.get("breadth", 0) / broadest if broadest else None
    return {place: Source(_by_metric(frames[place]), facts[place]) for place in sorted(frames)}


def _by_metric(frames: list[pd.DataFrame]) -> dict[str, pd.DataFrame]:
    scores = with_averages(pd.concat(frames, ignore_index=True))
    scores["record"] = pd.factorize(scores["record"])[0]  # numbers are faster to tell apart
    named = scores[scores["task"] != ""]
    found = {SUCCESS: successes(named)} if len(named) else {}
    return found | {str(metric): rows for metric, rows in scores.groupby("metric", sort=False)}


def _tasks(inputs: Inputs) -> dict[str, dict[str, str]]:
    """By dataset the task of each edit; nothing where no records were given."""
    if not inputs.record_paths:
        return {}
    return {
        str(name): dict(zip(of["record"], of["task"], strict=True)) for name, of in inputs.tasks().groupby("dataset")
    }


def _of_task(named: pd.Series, task: str) -> pd.Series:
    """Which edits are meant; never one that names no task."""
    if task == EVERY:
        return named != ""
    return (named != "") & (named != HELD_OUT) if task == SEEN else named == task


def _facts(run: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """Options of a run, its layer, the overlap rho^k that its masks should have, and what differs from the first."""
    options, reference = dict(setting(run, "options")), setting(first, "options")
    known = {"editor": run["editor"], "layer": run.get("layer")}
    known["changed"] = ", ".join(name for name, value in options.items() if value != reference.get(name))
    if "tasks" in options:
        known["trained_on"], known["breadth"] = ", ".join(options["tasks"]), len(options["tasks"])
    if {"rho", "shards"} <= set(options):
        known["overlap"] = options["rho"] ** options["shards"]
    return options | known


def _fits(facts: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether a run has the values that are asked for."""
    return all(_is(facts.get(name), wanted) for name, wanted in where.items())


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Range):
        return value is not None and wanted.low <= value <= wanted.high
    return value in wanted if isinstance(wanted, list) else value == wanted
