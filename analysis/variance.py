"""Where scores vary: records, editing seeds and base models, as shares of the variance, over several pretraining seeds.

Two-way random effects with records nested in seeds: y = mean + model + seed + model x seed + record + model x record.
Components by the method of moments, those below zero as zero (Searle, Casella and McCulloch, "Variance Components").
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.style import editor_style, in_order
from analysis.summary import at_largest_t
from analysis.task_type import comparable, setting_of
from analysis.text import markdown, number
from wise.errors import NothingToShow
from wise.evaluate.metrics import METRICS

PARTS = {
    "record": "Records",
    "record_model": "Records x model",
    "seed": "Editing seed",
    "seed_model": "Seed x model",
    "model": "Base model",
}
"""Components, from the innermost, and their headings."""


def table(inputs: Inputs) -> Table:
    """A row for each dataset and editor: mean, every component's share, and deviations of a reported mean.

    Raises `NothingToShow` where fewer than two base models were edited.
    """
    scores = at_largest_t(inputs.scores())
    rows = []
    for dataset, group in scores.groupby("dataset", sort=True):
        metric = setting_of(group["metric"].unique()).compared
        values = comparable(group, metric)
        for editor in in_order(values["editor"]):
            own = values[values["editor"] == editor]
            rows.append({"dataset": dataset, "editor": editor, "T": int(own["T"].iloc[0]), "metric": metric,
                         **_row(own)})  # fmt: skip
    frame = pd.DataFrame(rows)
    return Table(frame, to_markdown(frame))


def components(values: np.ndarray) -> dict[str, float]:
    """Variances by the keys of `PARTS` from values (models, seeds, records); NaN for what one seed cannot tell."""
    models, seeds, records = values.shape
    by_seed, by_cell = values.mean(0), values.mean(2)  # (S, n), (M, S)
    both = values - by_cell[..., None] - by_seed[None] + by_seed.mean(1)[None, :, None]
    rest = float((both**2).sum() / ((models - 1) * seeds * (records - 1)))
    inner = models * float(((by_seed - by_seed.mean(1, keepdims=True)) ** 2).sum()) / (seeds * (records - 1))
    over_models, over_seeds, mean = by_cell.mean(1), by_cell.mean(0), by_cell.mean()
    between = records * seeds * float(((over_models - mean) ** 2).sum()) / (models - 1)
    found = {"record": (inner - rest) / models, "record_model": rest}
    if seeds == 1:
        return _known(found | {"seed": np.nan, "seed_model": np.nan, "model": (between - rest) / records})
    crossed = by_cell - over_models[:, None] - over_seeds + mean
    mixed = records * float((crossed**2).sum()) / ((models - 1) * (seeds - 1))
    apart = records * models * float(((over_seeds - mean) ** 2).sum()) / (seeds - 1)
    return _known(found | {
        "seed": (apart - mixed - inner + rest) / (records * models), "seed_model": (mixed - rest) / records,
        "model": (between - mixed) / (records * seeds),
    })  # fmt: skip


def to_markdown(frame: pd.DataFrame) -> str:
    """A table for each dataset."""
    parts = [
        "Share of the variance of one edit's score by what it comes from. The last columns are standard deviations of "
        "a mean over all seeds and records: over other base models too, and by records and seeds alone, which "
        "intervals of one base model cover. What is below zero counts as zero; few models make rough shares.\n"
    ]
    header = ["Editor", "Mean", *PARTS.values(), "SD with models", "SD without"]
    for (dataset, T), group in frame.groupby(["dataset", "T"], sort=True):
        first = group.iloc[0]
        title = f"{first['models']} base models, {first['seeds']} seeds of {first['records']} records"
        lines = [
            [editor_style(row["editor"]).label, number(row["mean"], 3),
             *(f"{number(100 * row[f'share_{part}'], 0)}%" for part in PARTS),
             number(row["deviation"], 4), number(row["deviation_of_seeds"], 4)]
            for row in group.to_dict("records")
        ]  # fmt: skip
        parts += [f"## {dataset}, T={T}: {METRICS[first['metric']].title}; {title}\n", markdown(header, lines)]
    return "\n".join(parts)


def _known(found: dict[str, float]) -> dict[str, float]:
    return {part: found[part] if np.isnan(found[part]) else max(0.0, found[part]) for part in PARTS}


def _row(values: pd.DataFrame) -> dict[str, float | int]:
    """Shares and deviations of one editor, over the records that all models were asked about."""
    wide = values.groupby(["seed", "record", "model"])["value"].mean().unstack("model").dropna()
    seeds = wide.groupby(level="seed").size()
    if wide.shape[1] < 2 or seeds.min() < 2:
        raise NothingToShow("Base models are compared where at least two edit the same records: config/bases.yaml")
    size = int(seeds.min())
    cube = np.stack([wide.loc[seed].to_numpy()[:size].T for seed in seeds.index], axis=1)  # (M, S, n)
    found = components(cube)
    known = {part: 0.0 if np.isnan(value) else value for part, value in found.items()}
    total, count = sum(known.values()), len(seeds)
    inside = known["seed"] / count + (known["record"] + known["record_model"]) / (count * size)
    shares = {f"share_{part}": value / total if total else np.nan for part, value in found.items()}
    outside = known["model"] + known["seed_model"] / count
    return {
        "mean": float(cube.mean()), **shares, "deviation": (outside + inside) ** 0.5,
        "deviation_of_seeds": inside**0.5, "models": wide.shape[1], "seeds": count, "records": size,
    }  # fmt: skip
