"""Datasets as the unedited model meets them (paper, Table 3 and Figure 7): edits, pre-edit scores, target lengths."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.axes import stacked
from analysis.inputs import Inputs
from analysis.output import Table
from analysis.style import WIDTH, settings
from analysis.text import markdown, number
from wise.errors import NothingToShow
from wise.evaluate.measures import clipped_perplexity, mean_nll, token_share

UNEDITED = "none"
COLUMNS = ("record", "kind", "target_tokens", "predicted_tokens", "nll")
KINDS = {"edit": "edit prompts", "paraphrase": "paraphrases", "locality_near": "near locality",
         "locality_far": "far locality", "portability": "portability", "ood": "OOD text"}  # fmt: skip
PUBLISHED = {
    "zsre": "ZsRE, T=1000: Rel .36 (LLaMA-2-7B), .39 (Mistral-7B)",
    "hallucination": "SelfCheckGPT, T=600: PPL 27.4 (LLaMA-2-7B), 19.4 (Mistral-7B); 17 to 390 tokens",
    "temporal": "Temporal, T=75: OOD .56 (GPT-J-6B)",
}
"""Pre-edit values of the paper by the part of a dataset's name that tells it."""


def table(inputs: Inputs) -> Table:
    """A row for each dataset and model: edits, questions of each kind, pre-edit scores, tokens of a target."""
    groups = asked(inputs).groupby(["dataset", "model"], sort=True)
    rows = pd.DataFrame([_row(str(dataset), str(model), group) for (dataset, model), group in groups])
    return Table(rows, to_markdown(rows))


def figure(inputs: Inputs) -> Figure:
    """How long the targets of the edits are, one histogram for each dataset and model."""
    groups = settings(asked(inputs))
    made, strips = stacked([title for title, _ in groups], WIDTH * 0.6, 1.9)
    for strip, (_, group) in zip(strips, groups, strict=True):
        axes = strip.subplots()
        lengths = group.loc[group["kind"] == "edit", "target_tokens"].map(len).to_numpy()
        wide = lengths.max() - lengths.min() > 40
        edges = np.linspace(lengths.min(), lengths.max(), 40) if wide else np.arange(lengths.min(), lengths.max() + 2)
        axes.hist(lengths, bins=list(edges - (0 if wide else 0.5)), color="#4477AA", rwidth=0.9)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_xlabel(f"tokens of an edit's target (median {np.median(lengths):.0f})")
        axes.set_ylabel("edits")
        axes.grid(visible=False, axis="x")
    return made


def asked(inputs: Inputs) -> pd.DataFrame:
    """The unedited model's answers, one row for each record and question."""
    chosen = inputs.of_editor(UNEDITED)
    if not chosen.transcript_paths:
        raise NothingToShow("Datasets are described by the unedited model's answers; the comparison lacks it.")
    rows = chosen.transcripts((*COLUMNS, "probe"))
    return rows.drop_duplicates(["dataset", "model", "record", "probe"])


def to_markdown(rows: pd.DataFrame) -> str:
    """The rows, with what the paper reports of its own datasets."""
    intro = "What the unedited model answers before any edit, over the records of all seeds; tokens are its own.\n"
    header = ["Dataset", "Model", "Edits", "Questions", "Rel", "Gen", "OOD", "PPL (clipped)", "Tokens of a target"]
    header += ["Published before edits"]
    lines = [
        [
            row["dataset"], row["model"], str(row["edits"]),
            ", ".join(f"{row[kind]:,} {name}" for kind, name in KINDS.items() if row[kind]),
            *(number(row[name]) for name in ("rel", "gen", "ood_share", "ppl")),
            f"{row['tokens_least']} to {row['tokens_most']}, median {row['tokens_median']:.0f}",
            next((said for name, said in PUBLISHED.items() if name in row["dataset"]), "–"),
        ]
        for row in rows.to_dict("records")
    ]  # fmt: skip
    return intro + "\n" + markdown(header, lines, left=2)


def _row(dataset: str, model: str, rows: pd.DataFrame) -> dict:
    by_kind = {kind: rows[rows["kind"] == kind] for kind in KINDS}
    share = {
        kind: token_share(asked["predicted_tokens"].to_list(), asked["target_tokens"].to_list()).mean()
        if len(asked) else np.nan
        for kind, asked in by_kind.items()
    }  # fmt: skip
    edits = by_kind["edit"]
    lengths = edits["target_tokens"].map(len)
    return {
        "dataset": dataset, "model": model, "edits": edits["record"].nunique(),
        **{kind: len(asked) for kind, asked in by_kind.items()},
        "rel": share["edit"], "gen": share["paraphrase"], "ood_share": share["ood"],
        "ppl": float(clipped_perplexity(mean_nll(edits["nll"].to_list())).mean()),
        "tokens_least": int(lengths.min()), "tokens_median": float(lengths.median()),
        "tokens_most": int(lengths.max()),
    }  # fmt: skip
