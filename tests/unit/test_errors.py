"""What libraries say whose allocation failed is told from other errors, and said in one line."""

from __future__ import annotations

import logging

import pytest

from wise.errors import is_short_of_memory, short_of_memory
from wise.tracking import connection


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("can't start new thread"),
    ],
)
def test_want_of_memory_is_told_from_other_errors(error: BaseException):
    assert is_short_of_memory(error) and "\n" not in short_of_memory(error)
    assert "start again with more" in short_of_memory(error)
    assert not is_short_of_memory(RuntimeError("the size of tensor a must match"))


def test_no_traceback_of_mlflow_comes_before_the_message():
    assert connection.WAITS and not logging.getLogger("mlflow.store.db.utils").isEnabledFor(logging.ERROR)
