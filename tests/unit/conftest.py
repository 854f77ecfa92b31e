"""Runs that several tests of tables and figures read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.study_runs import write_all


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Files of runs, see `tests.study_runs.write_all`."""
    return write_all(tmp_path_factory.mktemp("runs"))
