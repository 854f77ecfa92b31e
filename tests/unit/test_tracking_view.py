"""The view that MLflow opens with: what runs are grouped by, and which options are axes."""

from __future__ import annotations

import json

from wise.tracking.view import numbers_varied, shared_view

RUN = {"editor": "memit", "dataset": "qa", "model": "m", "seed": 0, "layer": 2}


def test_axes_are_options_that_are_numbers_in_all_runs_and_differ_within_an_editor():
    runs = [RUN | {"k": 2, "rho": 0.2, "merge": "ties"}, RUN | {"k": 4, "rho": 0.2, "merge": "linear", "seed": 1}]
    assert numbers_varied(runs) == ["k"]


def test_options_that_are_lists_or_missing_are_no_axes():
    runs = [RUN | {"layers": [1, 2], "only": 1, "on": True}, RUN | {"layers": [2], "on": False}]
    assert numbers_varied(runs) == []
    state = json.loads(shared_view(runs, ["Scores/avg"]))
    assert state["groupBy"]["groupByKeys"] == [{"mode": "param", "groupByData": "editor"}]


def test_editors_with_other_defaults_are_not_a_study():
    assert numbers_varied([RUN | {"lr": 0.1}, RUN | {"editor": "rome", "lr": 0.5}]) == []


def test_headline_scores_are_wide_charts_over_a_logarithmic_t_in_reading_order():
    metrics = ["Scores/gen", "Scores/avg", "Scores/ppl", "nll", "Scores/rel"]
    state = json.loads(shared_view([RUN], metrics))
    (section,) = state["compareRunSections"]
    charts = state["compareRunCharts"]
    assert section["name"] == "Scores" and section["columns"] == 2
    assert [chart["metricKey"] for chart in charts] == ["Scores/avg", "Scores/rel", "Scores/gen", "Scores/ppl"]
    assert {(chart["metricSectionId"], chart["xAxisScaleType"]) for chart in charts} == {(section["uuid"], "log")}
