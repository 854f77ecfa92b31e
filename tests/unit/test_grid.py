"""Chunks of the stream, and the edits that chunks of different T share."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wise.errors import ConfigError
from wise.evaluate.grid import plan_runs


def test_chunks_that_begin_together_share_their_edits():
    runs = plan_runs({1: 3, 2: 2, 4: 1}, edits=4)
    assert [(run.start, run.asks) for run in runs] == [
        (0, ((1, 0), (2, 0), (4, 0))),
        (1, ((1, 1),)),
        (2, ((1, 2), (2, 1))),
    ]
    assert sum(run.length for run in runs) == 4 + 1 + 2  # 3 + 4 + 4 without sharing


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.integers(1, 20), st.integers(1, 5), min_size=1, max_size=4))
def test_every_chunk_is_asked_about_once_at_its_own_start(grid):
    runs = plan_runs(grid, edits=max(T * chunks for T, chunks in grid.items()))
    asked = sorted((T, chunk, run.start) for run in runs for T, chunk in run.asks)
    assert asked == sorted((T, chunk, chunk * T) for T, chunks in grid.items() for chunk in range(chunks))


@pytest.mark.parametrize(("grid", "message"), [({}, "empty"), ({0: 1}, "at least 1"), ({10: 11}, "need 110 edits")])
def test_a_grid_that_cannot_be_run_is_refused(grid, message):
    with pytest.raises(ConfigError, match=message):
        plan_runs(grid, edits=100)
