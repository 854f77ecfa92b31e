"""What all tests share: one thread a process, since tests run in several processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, which is after this file


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the project."""
    return Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The end-to-end run first: it takes longest, and the other processes have the rest to do meanwhile."""
    items.sort(key=lambda item: item.path.name != "test_run.py")
