"""Every trial of every search: the trace behind the options that were chosen."""

from __future__ import annotations

import json

import pandas as pd

from analysis.inputs import Inputs
from analysis.output import Table


def table(inputs: Inputs) -> Table:
    """A row for each trial, with the best score so far, its options as JSON, and why it failed."""
    rows = []
    for outcome in inputs.searches():
        best = float("nan")
        for trial in outcome.trials:
            if trial.score is not None and not trial.score <= best:
                best = trial.score
            rows.append({
                "dataset": outcome.dataset, "model": outcome.model, "editor": outcome.editor,
                "trial": trial.number + 1, "origin": trial.origin, "state": trial.state, "score": trial.score,
                "best_so_far": best, **{f"avg_{T}": part["avg"] for T, part in trial.scores.items()},
                "seconds": trial.seconds, "options": json.dumps(trial.options), "message": trial.message,
            })  # fmt: skip
    frame = pd.DataFrame(rows).astype({"score": float})
    first = [name for name in frame.columns if not name.startswith("avg_")]
    place = first.index("best_so_far") + 1
    averages = sorted((n for n in frame.columns if n.startswith("avg_")), key=lambda name: int(name[4:]))
    return Table(frame[[*first[:place], *averages, *first[place:]]], "")
