"""Perplexity of the targets under four averages, with the number of examples that are not finite."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.style import editor_style, settings
from analysis.summary import CELL, sort_cells
from analysis.text import markdown, number
from wise.evaluate.measures import PERPLEXITY_AGGREGATES, perplexity

LOG = logging.getLogger(__name__)


def table(inputs: Inputs) -> Table:
    """One row per dataset, model, editor and T."""
    cells = aggregate(inputs.scores())
    return Table(cells, to_markdown(cells))


def aggregate(scores: pd.DataFrame) -> pd.DataFrame:
    """Columns of `CELL`, raw, clipped, median, geometric, non_finite, examples, seeds; from the metric `nll`.

    `raw` is inf where `non_finite` (examples whose perplexity is infinite or NaN) is above zero, and a warning says so.
    """
    rows = []
    for cell, group in scores[scores["metric"] == "nll"].groupby(list(CELL), sort=True):
        values = group["value"].to_numpy()
        bad = int(np.count_nonzero(~np.isfinite(perplexity(values))))
        if bad:
            LOG.warning("%s: %d of %d perplexities are not finite", cell, bad, len(values))
        averages = {name: average(values) for name, average in PERPLEXITY_AGGREGATES.items()}
        rows.append({**dict(zip(CELL, cell, strict=True)), **averages, "non_finite": bad, "examples": len(values),
                     "seeds": group["seed"].nunique()})  # fmt: skip
    return sort_cells(pd.DataFrame(rows).assign(metric="ppl"), ["ppl"]).drop(columns="metric")


def to_markdown(cells: pd.DataFrame) -> str:
    """One table per dataset and model."""
    averages = list(PERPLEXITY_AGGREGATES)
    parts = ["Perplexity of the target given the edit prompt; `clipped` is the mean of values clipped to [0, 100].\n"]
    for title, group in settings(cells):
        rows = [
            [editor_style(row["editor"]).label, str(row["T"]), *(number(row[name]) for name in averages),
             str(row["non_finite"]), str(row["examples"])]
            for row in group.to_dict("records")
        ]  # fmt: skip
        header = ["Editor", "T", *averages, "not finite", "examples"]
        parts += [f"## {title}\n", markdown(header, rows)]
    return "\n".join(parts)
