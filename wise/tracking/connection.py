"""Reaching a store that may be busy, away for a moment, or gone."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import TypeVar

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # these are read while mlflow is imported
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # whole attempts are repeated here
os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_MAX_RETRIES", "2")

from alembic.util.exc import CommandError
from mlflow.exceptions import MlflowException
from requests import RequestException
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from wise.errors import ConfigError, DataError

LOG = logging.getLogger(__name__)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # its tracebacks would bury our message
Made = TypeVar("Made")

WAITS = (1.0, 3.0, 9.0, 27.0)
"""Seconds before the second, third, ... attempt."""

SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https")
"""Kinds of stores that MLflow has."""


def patiently(uri: str, attempt: Callable[[], Made], waits: tuple[float, ...] | None = None) -> Made:
    """The outcome of `attempt`, which is repeated where the store fails, after each of `waits` in seconds.

    `attempt` may be cut short anywhere and must do no harm when repeated. Raises `DataError`, which says how to track
    later, when the store has failed each time, and `ConfigError` for an address that is none.
    """
    require_address(uri)
    is_file = uri.startswith("sqlite:")
    waits = waits or (WAITS[:1] if is_file else WAITS)
    advice = "with space for it, or without that file where it is damaged," if is_file else "when it is well again,"
    for wait in (*waits, None):
        try:
            return attempt()
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"tracking.uri: {shown(uri)} needs a driver: pip install -e .[postgres] ({error})"
            ) from error
        except (CommandError, MlflowException, RequestException, SQLAlchemyError, OSError, UnicodeError) as error:
            said = " ".join(str(error).partition("[SQL:")[0].split())[:500]
            if wait is None:
                raise DataError(
                    f"the tracking store {shown(uri)} failed {len(waits) + 1} times ({said}). All results are on the "
                    f"disk, and only their copy in MLflow is missing; {advice} the same snakemake command writes it "
                    "and repeats nothing else"
                ) from error
            LOG.warning("tracking store %s failed (%s); once more in %g s", shown(uri), said, wait)
            time.sleep(wait)
    raise AssertionError  # the last attempt returns or raises


def reach(uri: str) -> None:
    """Connect to a database once, which fails at once where it is away; MLflow itself would try for two minutes.

    Raises `OSError` for a file of SQLite whose tables and indices do not fit together any more.
    """
    engine = create_engine(uri)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
                if found != "ok":
                    raise OSError(f"the file is damaged: {found}")
    finally:
        engine.dispose()


def require_address(uri: str) -> None:
    """Raise `ConfigError` for what is no address of a store."""
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme not in SCHEMES:
        raise ConfigError(
            f"tracking.uri: '{shown(uri)}' is no store; valid are {', '.join(f'{s}://' for s in SCHEMES)}"
        )
    if not is_server(uri):
        try:
            make_url(uri)
        except (ArgumentError, NoSuchModuleError) as error:
            raise ConfigError(f"tracking.uri: '{scheme}:...' cannot be read: {error}") from error


def is_server(uri: str) -> bool:
    """Whether the address is that of an MLflow server, which has a database and a place for artifacts of its own."""
    return uri.startswith(("http://", "https://"))


def shown(uri: str) -> str:
    """The address without a password."""
    before, at, place = uri.rpartition("@")
    scheme, slashes, user = before.partition("://")
    return f"{scheme}{slashes}{user.partition(':')[0]}@{place}" if at and slashes else uri
