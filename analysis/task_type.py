"""What kind of editing a dataset asks for, decided from the metrics that its scores have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.style import settings
from wise.evaluate.measures import PERPLEXITY_CAP
from wise.evaluate.metrics import METRICS, Derived, Metric
from wise.evaluate.scores import derive

HEADINGS = {name: metric.heading for name, metric in METRICS.items() if metric.role == "headline"}
"""Every headline metric and its column heading."""


@dataclass(frozen=True)
class Setting:
    """A kind of editing: `headline` metrics in the order of tables; editors are ordered by `summary`, one of them."""

    name: str
    headline: tuple[str, ...]
    summary: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The headline metrics other than their average."""
        return tuple(metric for metric in self.headline if HEADINGS[metric] != "Avg")

    @property
    def corners(self) -> tuple[str, ...]:
        """The three metrics of the triangle; none where the setting does not have three and their average."""
        return self.parts if len(self.parts) == 3 and self.summary not in self.parts else ()

    @property
    def compared(self) -> str:
        """The metric of paired comparisons, for which perplexities are too skewed."""
        return "nll" if self.summary == "ppl" else self.summary

    def compared_in_words(self) -> str:
        """That metric in a sentence."""
        if self.compared == "nll":
            return "NLL of the target (nats a token, cut at log 100)"
        if self.compared in self.parts:
            return METRICS[self.compared].title
        *first, last = (METRICS[metric].title for metric in self.parts)
        return f"Avg (mean of {', '.join(first)} and {last})"

    def in_words(self) -> str:
        """The headline metrics in a sentence."""
        *first, last = (_in_words(METRICS[metric]) for metric in self.headline)
        return f"{', '.join(first)} and {last}"


def _in_words(metric: Metric) -> str:
    note = ", lower is better" if metric.direction == "lower" else ""
    return f"{metric.words} ({metric.heading}{note})"


def setting_of(metrics: Iterable[str]) -> Setting:
    """Question answering where paraphrases were asked, else OOD where such text was, else hallucination.

    Locality is the far one where it was asked, else the near one. What was not asked, or of no edit together, is not
    in the headline; edits without any probe are reported by reliability and perplexity.
    """
    there = set(metrics)
    whole = _whole_setting(there)
    if whole.summary in there or whole.summary == "ppl":
        return whole
    return Setting(whole.name, whole.parts, "rel")


def _whole_setting(there: set[str]) -> Setting:
    """The setting with its average, whether or not that was computed yet."""
    loc = [name for name in ("loc_far", "loc_near") if name in there][:1]
    if not there & {"gen", "ood"}:
        return Setting("hallucination", ("ppl", *loc), "ppl") if loc else Setting("edits", ("rel", "ppl"), "rel")
    name, general, average = ("qa", "gen", "avg") if "gen" in there else ("ood", "ood", "avg_ood")
    if not loc:
        return Setting(name, ("rel", general), "rel")
    return Setting(name, ("rel", general, *loc, average), average)


def by_setting(frame: pd.DataFrame) -> list[tuple[str, Setting, pd.DataFrame]]:
    """Title, setting and rows of each dataset and model; `frame` has a column `metric` with all headline metrics."""
    return [(title, setting_of(rows["metric"].unique()), rows) for title, rows in settings(frame)]


def comparable(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of a metric with values of which a higher one is better; NLLs are cut at the log of 100, as PPL is."""
    rows = scores[scores["metric"] == metric]
    if metric == "nll":
        rows = rows.assign(value=rows["value"].clip(upper=np.log(PERPLEXITY_CAP)))
    return rows if METRICS[metric].direction == "higher" else rows.assign(value=-rows["value"])


def with_averages(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with the average of each setting, added where a dataset has its parts but not the average.

    So it is where locality is near only: `avg` is then the mean of rel, gen and loc_near of the same edit.
    """
    frames = [scores]
    for _, rows in settings(scores):
        setting = _whole_setting(set(rows["metric"]))
        average = METRICS[setting.summary]
        if setting.corners and isinstance(average, Derived) and not (rows["metric"] == average.name).any():
            keys = [column for column in scores.columns if column not in ("metric", "value")]
            frames.append(derive(rows, replace(average, parts=setting.corners), keys))
    return pd.concat(frames, ignore_index=True)
