"""Questions that no metric counts, since the unedited model cannot answer their kind, in words below a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.text import number
from wise.evaluate.competence import ABLE
from wise.evaluate.metrics import METRICS

TITLES = {"portability": METRICS["port"].title, "ood": METRICS["ood"].title}
"""What metrics of questions are called that may be left out."""


def unasked(runs: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """By dataset and model: which questions no metric counts, since the unedited model cannot answer them."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for run in runs:
        for entry in run.get("left_out", ()):
            kinds = found.setdefault((run["dataset"], run["model"]), {})
            kinds[f"{TITLES[entry['kind']]} ({entry['name']})"] = entry["base_accuracy"]
    return {key: _unasked_in_words(kinds) for key, kinds in found.items()}


def _unasked_in_words(kinds: Mapping[str, float]) -> str:
    listed = ", ".join(f"{kind}: {number(share)}" for kind, share in sorted(kinds.items()))
    return (
        f"Not scored, since the unedited model answers fewer than {number(ABLE)} of such questions before any edit: "
        f"{listed}.\n"
    )
