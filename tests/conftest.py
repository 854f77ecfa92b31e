"""What all tests share: one thread a process, since tests run in several processes."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

os.environ["WISE_CACHE"] = "off"  # what a test keeps or reads, it says
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, which is after this file


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "round matrix products as another processor could (tests/rounding.py); there is one for each number"
    parser.addoption("--other-rounding", type=int, nargs="?", const=0, metavar="NUMBER", help=told)


def pytest_configure(config: pytest.Config) -> None:
    """From here on, so that it reaches what modules and fixtures compute as well."""
    if config.getoption("--other-rounding") is not None:
        from tests.rounding import other_rounding

        stack = ExitStack()
        stack.enter_context(other_rounding(config.getoption("--other-rounding")))
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The end-to-end run first: it takes longest, and the other processes have the rest to do meanwhile."""
    if config.getoption("--other-rounding") is not None:
        elsewhere = pytest.mark.skip(reason="compares with what another process computes, which rounds as this machine")
        for item in items:
            if item.get_closest_marker("subprocess"):
                item.add_marker(elsewhere)
    items.sort(key=lambda item: item.path.name != "test_run.py")
