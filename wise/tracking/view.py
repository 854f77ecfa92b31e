"""How an experiment opens in the browser: a shared view, which MLflow keeps as a tag of the experiment.

Without it the page shows the newest ten runs one by one. With it all editors are lines, averaged over seeds, against
the logarithm of T, in charts that are wide enough for their titles, and the best average comes first; a study of
numbers has parallel coordinates on top. A view is what the button "Share" of the page writes (MLflow 3.17); a version
that reads it in another way opens the page as it is without.
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

FIRST = tuple(f"{SCORES}/{name}" for name in ("avg", "avg_ood", "rel", "gen", "ood", "loc_far", "loc_near"))
"""Scores in the order of their charts; others follow."""

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
    parts = [*([_parallel(axes, metrics)] if axes else []), _lines(metrics)]
    state["compareRunSections"] = [section for section, _ in parts]
    state["compareRunCharts"] = [chart for _, charts in parts for chart in charts]
    return json.dumps(state | {"isAccordionReordered": True})


def _lines(metrics: Sequence[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The section of headline scores: a line chart for each, two in a row, over a logarithmic T."""
    section = _section("scores", SCORES, 2, generated=True)
    headlines = [name for name in metrics if name.startswith(f"{SCORES}/")]
    ordered = [name for name in FIRST if name in headlines] + [name for name in headlines if name not in FIRST]
    shown = {"xAxisKey": "step", "xAxisScaleType": "log", "scaleType": "linear", "lineSmoothness": 0,
             "selectedXAxisMetricKey": "", "selectedYAxisMetricKey": "metric", "range": {},
             "useGlobalXaxisKey": False, "useGlobalLineSmoothing": True}  # fmt: skip
    charts = [
        _chart("LINE", f"line {name}", section) | {"metricKey": name, "selectedMetricKeys": [name]} | shown
        for name in ordered
    ]
    return section, charts


def _parallel(axes: Sequence[str], metrics: Sequence[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A section of its own with one chart: the numbers that vary, and the scores that came of them."""
    section = _section("parallel", "Parallel coordinates", 1, generated=False)
    scores = [name for name in PARALLEL if name in metrics]
    told = {"selectedParams": list(axes), "selectedMetrics": scores, "showAllRuns": True}
    return section, [_chart("PARALLEL", "parallel-chart", section) | told]


def _section(uuid: str, name: str, columns: int, generated: bool) -> dict[str, Any]:
    return {"uuid": uuid, "name": name, "display": True, "isReordered": False, "deleted": False,
            "isGenerated": generated, "columns": columns}  # fmt: skip


def _chart(kind: str, uuid: str, section: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": kind, "uuid": uuid, "metricSectionId": section["uuid"], "deleted": False,
            "isGenerated": section["isGenerated"]}  # fmt: skip


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
