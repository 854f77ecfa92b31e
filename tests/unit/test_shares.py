"""How a model's layers are shared out among devices, and how many of these it takes."""

from __future__ import annotations

import pytest
import torch

from tests.unit.test_memory import LLAMA_2_7B
from wise.errors import ConfigError
from wise.lm import gpu_memory
from wise.lm.devices import find_devices
from wise.lm.gpu_memory import check_memory
from wise.lm.shares import GIB, fewest, places


def test_the_last_layers_are_at_home_and_the_first_ones_evenly_elsewhere():
    assert places(10, 8, 20, [100, 1000, 1000]) == [1, 1, 1, 2, 2, 0, 0, 0]  # 50 bytes at home, 20 of them taken
    assert places(10, 8, 20, [1000, 1000]) == [0] * 8
    assert places(10, 8, 20, [100, 25, 40]) == [1, 1, 2, 2, 2, 0, 0, 0]
    assert places(10, 4, 50, [100, 12, 1000]) == [1, 2, 2, 2]


@pytest.mark.parametrize(("rest", "free"), [(20, [100, 12, 25]), (60, [100, 1000])])
def test_what_does_not_fit_is_refused_with_a_number_of_devices(rest, free):
    with pytest.raises(ConfigError, match=f"{len(free)} devices.*are too few.*like the smallest"):
        places(10, 8, rest, free)


def test_as_many_devices_are_asked_for_as_hold_the_layers():
    assert [fewest(weights, 100) for weights in (10, 50, 51, 135, 136)] == [1, 1, 2, 2, 3]
    for weights in range(60, 900, 7):
        count = fewest(weights, 100)
        assert len(places(1, weights - 5, 5, [100] * count)) == weights - 5
        with pytest.raises(ConfigError, match="too few"):
            places(1, weights - 5, 5, [100] * (count - 1))


def test_devices_have_names(monkeypatch):
    assert find_devices("cpu") == find_devices("spread") == [torch.device("cpu")]  # without a GPU
    with pytest.raises(ConfigError, match="names a device twice"):
        find_devices("cpu, cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert find_devices("spread") == [torch.device("cuda:0"), torch.device("cuda:1")]


def test_each_device_is_asked_for_what_it_has_to_hold(monkeypatch, caplog):
    free = {0: 40 * GIB, 1: 20 * GIB}
    monkeypatch.setattr(gpu_memory, "sizes_of", lambda *_: LLAMA_2_7B)
    monkeypatch.setattr(gpu_memory, "free_bytes", lambda device: free[device.index])
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (0, free[device.index]))
    devices = [torch.device("cuda", number) for number in free]
    caplog.set_level("INFO")
    check_memory("", None, devices, "float32", 8, [lambda d, f: 20 * d * f])
    assert "on cuda:0" in caplog.text and "on cuda:1" in caplog.text
    weights = [float(part.split(",")[0]) for part in caplog.text.split("(weights ")[1:]]
    assert sum(weights) == pytest.approx(4 * LLAMA_2_7B.parameters / GIB, abs=0.1) and weights[0] > weights[1]
    free[1] = 6 * GIB
    with pytest.raises(ConfigError, match="too few"):
        check_memory("", None, devices, "float32", 8)
