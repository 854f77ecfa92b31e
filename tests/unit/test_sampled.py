"""What tables say about seeds, records and intervals."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.sampled import bands, intervals, sampled


def scores(**records):
    """One row for each record of each seed, written as `s0="ab"`."""
    return pd.DataFrame([{"seed": int(seed[1:]), "record": name} for seed, names in records.items() for name in names])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (scores(s4="abc"), "one seed (4) and its 3 records"),
        (scores(s0="abc", s1="def"), "2 seeds (0, 1), each with 3 records of its own"),
        (scores(s0="abc", s1="cba"), "2 seeds (0, 1) with the same 3 records"),
        (scores(s0="abc", s1="def", s2="gab"), "3 seeds (0, 1, 2) with 3 records each, of which 0 and 2 share 2"),
    ],
)
def test_seeds_and_records_are_counted(rows, expected):
    assert sampled(pd.concat([rows, rows])) == expected, "rows of several metrics"


def test_intervals_of_one_seed_say_so():
    one, more = (pd.DataFrame({"covers": [covers]}) for covers in ("records only", "seeds and records"))
    assert "records only: one seed says nothing about others" in intervals(one)
    assert "cover seeds and records" in intervals(more)
    assert "where there is one seed they cover records only" in intervals(pd.concat([one, more]))
    assert (bands(one), bands(more)) == ("95% intervals (records only)", "95% intervals")
