"""How an experiment opens in the browser: a shared view, which MLflow keeps as a tag of the experiment.

Without it the page shows the newest ten runs one by one. With it all editors are lines, averaged over seeds, and the
best average comes first; a study of numbers has parallel coordinates on top. A view is what the button "Share" of the
page writes (MLflow 3.17); a version that reads it in another way opens the page as it is without.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

KEY = "wise"
TAG = f"mlflow.sharedViewState.{KEY}"
SCORES = "Scores"
"""Section of the charts of headline scores; sections come in the order of their names, capital letters first."""

PARALLEL = tuple(f"{SCORES}/{name}" for name in ("rel", "gen", "ood", "loc_far", "loc_near", "avg"))
"""Scores on axes of parallel coordinates."""

PLACES = ("dataset", "model")
RUN_LISTS = ("editor", *PLACES, "seed", "edits", "slice", "slice_reused")
"""Parameters of a run that are no options."""


def shared_view(params: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> str:
    """The value of the tag for runs with these parameters and metrics."""
    varied = [name for name in PLACES if len({str(run.get(name)) for run in params}) > 1]
    axes = numbers_varied(params)
    keys = ["editor", *varied] if not axes else []
    shown = next((f"{SCORES}/{name}" for name in ("avg", "avg_ood", "rel") if f"{SCORES}/{name}" in metrics), "")
    state: dict[str, Any] = {
        "orderByKey": f"metrics.`{shown}`",
        "orderByAsc": False,
        "runsHiddenMode": "SHOW_ALL",
        "useGroupedValuesInCharts": True,
    }
    if keys:
        grouped = [{"mode": "param", "groupByData": name} for name in keys]
        state["groupBy"] = {"aggregateFunction": "average", "groupByKeys": grouped}
        names = dict.fromkeys(",".join(f"param.{name}.{run.get(name)}" for name in keys) for run in params)
        state["groupsExpanded"] = dict.fromkeys(names, False)
    if axes:
        section = {"uuid": "parallel", "name": "Parallel coordinates", "display": True, "isReordered": False,
                   "deleted": False, "isGenerated": False, "columns": 1}  # fmt: skip
        scores = [name for name in PARALLEL if name in metrics]
        chart = {"type": "PARALLEL", "uuid": "parallel-chart", "metricSectionId": section["uuid"], "deleted": False,
                 "isGenerated": False, "selectedParams": axes, "selectedMetrics": scores,
                 "showAllRuns": True}  # fmt: skip
        state |= {"compareRunSections": [section], "compareRunCharts": [chart], "isAccordionReordered": True}
    return json.dumps(state)


def numbers_varied(params: Sequence[Mapping[str, Any]]) -> list[str]:
    """Options, and the layer, that are numbers in all runs and differ between runs of one editor."""
    names = dict.fromkeys(name for run in params for name in run if name not in RUN_LISTS)
    return [name for name in names if all(_number(run.get(name)) for run in params) and _differs(name, params)]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _differs(name: str, params: Sequence[Mapping[str, Any]]) -> bool:
    """Whether runs of one editor have several values of it."""
    pairs = {(run["editor"], run[name]) for run in params}
    return len(pairs) > len({editor for editor, _ in pairs})
