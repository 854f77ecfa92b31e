"""What all tests share: one thread a process, since tests run in several processes."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, which is after this file


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--other-rounding", action="store_true", help="round matrix products by their shapes")


def pytest_configure(config: pytest.Config) -> None:
    """From here on, so that it reaches what modules and fixtures compute as well."""
    if config.getoption("--other-rounding"):
        from tests.rounding import other_rounding

        stack = ExitStack()
        stack.enter_context(other_rounding())
        config.add_cleanup(stack.close)


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the project."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data(project: Path) -> Path:
    """The folder of published raw files: `WISE_DATA_DIR`, or `shared/data` beside the project; skips without one."""
    folder = Path(os.environ.get("WISE_DATA_DIR") or project.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("no raw files of published datasets: set WISE_DATA_DIR to their folder")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The end-to-end run first: it takes longest, and the other processes have the rest to do meanwhile."""
    items.sort(key=lambda item: item.path.name != "test_run.py")
