"""Damaged input of every kind: read as what it says, or refused with a message that names file, line or key.

A few attempts of each kind; `make bad-input` makes many (benchmarks/README.md).
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.bad_input import folders, texts
from tests.bad_input.lab import Kind, attempt

FEW = {"records": 5, "memories": 4, "models": 5, "artifacts": 3, "contexts": 4, "transcripts": 5, "GGUF files": 2}
FEW |= {"scores": 3, "golden runs": 3}
KINDS = [*texts.KINDS, *folders.kinds(folders.QUICK_EDITORS)]


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_it_is_read_as_it_is_or_refused_by_name(kind: Kind):
    @settings(max_examples=FEW.get(kind.name, 6), deadline=None, derandomize=True, database=None,
              phases=[Phase.generate], suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.data())
    def run(data: st.DataObject) -> None:
        assert attempt(kind, data.draw) in ("accepted", "refused")

    run()
