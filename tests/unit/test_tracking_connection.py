"""A tracking store that fails is asked again, and then named, without its password, with what to do."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException

from wise.errors import ConfigError, DataError
from wise.tracking.connection import patiently, require_address, shown

URI = "postgresql://wise:secret@host:5432/mlflow"


def test_what_fails_is_tried_again():
    failures = [MlflowException("gone"), OSError("refused")]

    def attempt() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert patiently(URI, attempt, waits=(0.0, 0.0)) == "done"


def test_what_keeps_failing_says_how_to_track_later():
    def attempt() -> None:
        raise MlflowException("gone")

    with pytest.raises(DataError, match=r"failed 2 times \(gone\). All results are on the disk") as raised:
        patiently(URI, attempt, waits=(0.0,))
    assert "secret" not in str(raised.value) and "postgresql://wise@host:5432/mlflow" in str(raised.value)


def test_an_address_that_is_none_is_refused_before_anything_is_tried():
    for uri in ("results/mlflow.db", "ftp://host/x", "postgresql:wise@host"):
        with pytest.raises(ConfigError, match="tracking.uri"):
            require_address(uri)
    for uri in ("sqlite:///results/mlflow.db", "http://host:5000", URI, "postgresql+psycopg://host/mlflow"):
        require_address(uri)
    assert shown("http://host:5000") == "http://host:5000"
