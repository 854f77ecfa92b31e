"""Which questions say something about an editor: those of a kind that the unedited model can answer.

A model that cannot combine two facts fails to combine them after an edit too, and one that does not know a style of
text fails in that style. Where a probe has its `original` answer, it is asked before any edit. Metrics of portability
and of out-of-distribution text leave out every kind of question of which too few were answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

ABLE = 0.8
"""Share of a kind of questions that the unedited model has to answer for the kind to be scored."""

DEPENDENT = ("portability", "ood")
"""Kinds of questions that are left out where the unedited model cannot answer them."""


def accuracy_by_kind(kinds: Sequence[tuple[str, str]], known: Sequence[bool]) -> dict[tuple[str, str], float]:
    """Share of answered questions of each kind and sub-kind, one entry of `known` a question."""
    frame = pd.DataFrame(list(kinds), columns=["kind", "name"]).assign(known=list(known))
    return {key: float(share) for key, share in frame.groupby(["kind", "name"])["known"].mean().items()}


def left_out(preedit: pd.DataFrame) -> list[dict[str, Any]]:
    """Kinds of questions of a pre-edit transcript that metrics leave out: kind, name, base_accuracy, questions."""
    asked = preedit[preedit["kind"].isin(DEPENDENT) & (preedit["base_accuracy"] < ABLE)]
    groups = asked.groupby(["kind", "name"])["base_accuracy"]
    return [
        {"kind": kind, "name": name, "base_accuracy": round(float(share.iloc[0]), 4), "questions": len(share)}
        for (kind, name), share in groups
    ]
