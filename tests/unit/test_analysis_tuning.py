"""The table, the trace and the figure of searches say what the searches say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis import tuning, tuning_trials
from analysis.inputs import Inputs
from tests.synthetic import write_searches
from wise.tuning.outcome import read_outcome, write_outcome

EDITORS = ("wise-retrieve", "ft-l", "grace")


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(search_paths=write_searches(tmp_path, EDITORS))


def test_the_table_has_best_default_and_sensitivity(inputs: Inputs):
    frame = tuning.table(inputs).frame.set_index("editor")
    assert list(frame.index) == ["ft-l", "grace", "wise-retrieve"]
    for outcome in map(read_outcome, inputs.search_paths):
        row = frame.loc[outcome.editor]
        scores = sorted((trial.score for trial in outcome.trials if trial.score is not None), reverse=True)
        assert row["best"] == scores[0] and row["sensitivity"] == scores[0] - scores[9]
        assert row["defaults"] == outcome.trials[0].score and row["published"] == outcome.trials[1].score
        assert (row["complete"], row["pruned"], row["failed"]) == (15, 4, 1) and row["seconds"] == 230
        assert outcome.trials[row["found_at"] - 1].score == scores[0]
    assert "| FT-L | " in tuning.table(inputs).markdown


def test_the_trace_has_every_trial_and_the_best_so_far(inputs: Inputs):
    frame = tuning_trials.table(inputs).frame
    assert len(frame) == 60 and list(frame.columns[6:10]) == ["score", "best_so_far", "avg_10", "avg_100"]
    for _, trials in frame.groupby("editor"):
        assert trials["best_so_far"].is_monotonic_increasing
        assert trials["best_so_far"].iloc[-1] == trials["score"].max()
        assert (trials["score"].isna() == (trials["state"] != "complete")).all()
        (failed,) = trials.loc[trials["state"] == "failed", "message"]
        assert failed == "EditError: the loss is nan"
        assert pd.isna(trials.loc[trials["state"] == "pruned", "avg_100"]).all()


def test_the_figure_has_a_panel_for_each_editor(inputs: Inputs):
    axes = [axes for axes in tuning.figure(inputs).axes if axes.get_title()]
    assert [panel.get_title() for panel in axes] == ["FT-L", "GRACE", "WISE-Retrieve"]
    for panel, name in zip(axes, ("ft-l", "grace", "wise-retrieve"), strict=True):
        (outcome,) = [found for found in map(read_outcome, inputs.search_paths) if found.editor == name]
        points = [line for line in panel.get_lines() if line.get_marker() == "o"]
        shown = sorted(value for line in points for value in line.get_ydata())
        assert shown == sorted(trial.score for trial in outcome.trials if trial.score is not None)


@pytest.mark.parametrize("state", ["complete", "failed"])
def test_panels_fill_the_figure_where_trials_are_all_of_one_kind(state: str, tmp_path: Path):
    paths = write_searches(tmp_path, ("grace", "ft-l"), trials=3)
    for path in paths:
        outcome = read_outcome(path)
        trials = [replace(trial, state=state, score=0.5 if state == "complete" else None) for trial in outcome.trials]
        write_outcome(path, replace(outcome, trials=trials))
    figure = tuning.figure(Inputs(search_paths=paths))
    figure.savefig(tmp_path / "tuning.png")
    panels = [axes.get_tightbbox() for axes in figure.axes if axes.get_title()]
    assert all(panel.x0 > 0 and panel.y0 > 0 for panel in panels), "a mark of nothing lies in the figure's corner"


def test_a_search_whose_trials_all_failed_is_shown_without_a_score(tmp_path: Path):
    (path,) = write_searches(tmp_path, ("grace",), trials=3)
    outcome = read_outcome(path)
    failed = [replace(trial, state="failed", score=None, scores={}) for trial in outcome.trials]
    write_outcome(path, replace(outcome, trials=failed))
    inputs = Inputs(search_paths=[path])
    (row,) = tuning.table(inputs).frame.to_dict("records")
    assert pd.isna(row["best"]) and pd.isna(row["sensitivity"]) and row["failed"] == 3
    assert "| GRACE | – | – | – | – | 0 | 0 | 3 |" in tuning.table(inputs).markdown
    assert tuning.figure(inputs).axes
