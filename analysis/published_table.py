"""Measured scores beside those that the WISE paper reports for other models (its Tables 2, 4 and 5)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, rankdata

from analysis.inputs import Inputs
from analysis.main_table import BASELINE, cells_of
from analysis.output import Table
from analysis.style import editor_style, in_order
from analysis.task_type import HEADINGS, Setting, by_setting
from analysis.text import markdown, number
from wise.evaluate.metrics import METRICS

PUBLISHED = Path(__file__).with_name("published.csv")
"""Columns source, dataset, model, editor, T, metric and value; the paper's WISE, which merges, is wise-merge."""
STREAMS = {"qa": "zsre", "hallucination": "hallucination", "ood": "temporal"}
"""The paper's dataset of each setting that it has."""
TITLES = {heading.lower(): heading for heading in ("PPL", *HEADINGS.values())}
"""Metrics as the paper names them, in the order of its tables."""
BAND = 0.03
"""How far a repetition of a published share may be off; perplexities have no such band."""
KEYS = ["dataset", "model", "published_model", "T", "editor", "metric"]
COLUMNS = [*KEYS, "measured", "published", "rank", "published_rank", "tau", "within"]


def table(inputs: Inputs) -> Table:
    """A row for each score that the runs and the paper have in common."""
    cells = cells_of(inputs.scores())
    found = beside(cells, pd.read_csv(PUBLISHED, keep_default_na=False))
    return Table(found, to_markdown(found))


def beside(cells: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Columns `COLUMNS`: measured and published values for the editors and T that both have.

    `metric` is rel, gen, ood, loc, avg or ppl. At the largest common T the summary metric has the editors' ranks, from
    1 for the best and without the unedited model, and Kendall's tau of the two orders. `within` says whether the two
    values differ by at most `BAND`, where dataset and model are the paper's own.
    """
    parts = []
    for _, setting, rows in by_setting(cells):
        names = {metric: HEADINGS[metric].lower() for metric in setting.headline}
        ours = rows[rows["metric"].isin(names)].assign(metric=lambda frame, names=names: frame["metric"].map(names))
        theirs = published[published["dataset"] == STREAMS.get(setting.name)]
        theirs = theirs.rename(columns={"model": "published_model", "value": "published", "dataset": "stream"})
        both = ours.rename(columns={"mean": "measured"}).merge(theirs, on=["T", "editor", "metric"])
        for _, group in both.groupby("published_model", sort=True):
            parts.append(_ranked(group, names[setting.summary], setting))
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return found.reindex(columns=COLUMNS)


def to_markdown(found: pd.DataFrame) -> str:
    """For each dataset and model the scores by T, then the orders at the largest common T."""
    if found.empty:
        return "These runs have no editor and T in common with the paper's tables.\n"
    intro = (
        "Measured scores beside those of the WISE paper (arXiv:2405.14768, Tables 2, 4 and 5) at the same T; its WISE "
        "is WISE-Merge. Models and data differ unless named alike, in which case bold marks shares within "
        f"{BAND} of each other.\n"
    )
    parts = [intro]
    for (dataset, model), group in found.groupby(["dataset", "model"], sort=True):
        parts += [f"## {dataset}, {model}\n", _scores(group), _orders(group)]
    return "\n".join(parts)


def _ranked(rows: pd.DataFrame, summary: str, setting: Setting) -> pd.DataFrame:
    """Rows of one published model in order, with ranks, tau and `within`."""
    sign = -1 if METRICS[setting.summary].direction == "higher" else 1
    rows = rows.assign(rank=np.nan, published_rank=np.nan, tau=np.nan, within=None)
    last = rows[(rows["metric"] == summary) & (rows["editor"] != BASELINE)]
    last = last[last["T"] == last["T"].max()]
    if len(last):
        rows.loc[last.index, "rank"] = rankdata(sign * last["measured"].round(2), method="min")
        rows.loc[last.index, "published_rank"] = rankdata(sign * last["published"], method="min")
    if len(last) > 1:
        rows.loc[last.index, "tau"] = kendalltau(last["measured"].round(2), last["published"]).statistic
    first = rows.iloc[0]
    if first["dataset"] == first["stream"] and _plain(first["model"]) == _plain(first["published_model"]):
        shares = rows["metric"] != "ppl"
        close = (rows["measured"] - rows["published"]).abs().round(6) <= BAND
        rows.loc[shares, "within"] = close[shares]
    order = {name: index for index, name in enumerate(in_order(rows["editor"]))}
    return rows.sort_values(
        ["T", "editor"], key=lambda column: column.map(order) if column.name == "editor" else column, kind="stable"
    )


def _scores(found: pd.DataFrame) -> str:
    """A row for each T and editor: measured values, then those of each published model."""
    metrics = [metric for metric in TITLES if metric in set(found["metric"])]
    models = list(dict.fromkeys(found["published_model"]))
    titles = [TITLES[metric] for metric in metrics]
    wide = found.set_index(["T", "editor", "published_model", "metric"])
    lines = []
    for (count, editor), rows in found.groupby(["T", "editor"], sort=False):
        ours = rows.drop_duplicates("metric").set_index("metric")["measured"]
        line = [str(count), editor_style(editor).label, *(number(ours.get(metric, np.nan)) for metric in metrics)]
        for key in ((count, editor, model, metric) for model in models for metric in metrics):
            line.append(_published(wide.loc[key]) if key in wide.index else "–")
        lines.append(line)
    header = ["T", "Editor", *titles, *(f"{model} {title}" for model in models for title in titles)]
    return markdown(header, sorted(lines, key=lambda line: int(line[0])), left=2)


def _published(cell: pd.Series) -> str:
    text = number(cell["published"])
    return f"**{text}**" if cell["within"] is True else text


def _orders(found: pd.DataFrame) -> str:
    """Ranks at the largest common T, and Kendall's tau for each published model."""
    ranked = found.dropna(subset="rank")
    if ranked.empty:
        return ""
    count, metric = ranked["T"].iloc[0], ranked["metric"].iloc[0]
    title = TITLES[metric]
    parts = []
    for model, rows in ranked.groupby("published_model", sort=True):
        tau = rows["tau"].iloc[0]
        agreement = "" if np.isnan(tau) else f"; Kendall's tau of the two orders is {tau:.2f}"
        parts.append(f"Editors by {title} at T={count}, measured and for {model}{agreement}.\n")
        lines = [
            [editor_style(row.editor).label, f"{row.rank:.0f}", f"{row.published_rank:.0f}"]
            for row in rows.sort_values("rank", kind="stable").itertuples(index=False)
        ]
        parts.append(markdown(["Editor", "Measured rank", "Published rank"], lines))
    return "\n".join(parts)


def _plain(name: str) -> str:
    """A model's name for comparing: `llama-2-7b` is LLaMA-2-7B."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
