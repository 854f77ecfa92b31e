"""What jobs ask a cluster for: by the size of the model, more in the next attempt, and a GPU where one is of use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.resources import measured
from wise.config.levels import billions
from wise.config.resources import COSTS, needs, parameters

SEVEN = {"source": "hub", "path": "meta-llama/Llama-2-7b-hf", "dtype": "float32", "device": "auto"}


def test_parameters_are_those_of_the_name_or_of_the_shape():
    assert parameters("m", SEVEN) == 7e9
    assert billions("gemma", {"path": "models/gemma-3-270m"}) == [0.27]
    shape = {"hidden": 32, "intermediate": 64, "layers": 2, "heads": 2, "vocabulary": 600}
    assert parameters("tiny", {"source": "pretrain", "pretrain": shape}) == 2 * (4 * 32**2 + 3 * 32 * 64) + 2 * 600 * 32


@pytest.mark.parametrize("rule", COSTS)
def test_memory_holds_the_weights_and_grows_with_them_and_with_attempts(rule: str):
    whole, half = needs(rule, "m", SEVEN), needs(rule, "m", SEVEN | {"dtype": "bfloat16"})
    assert whole["mem_mb"] > 28_000 and 14_000 < half["mem_mb"] < whole["mem_mb"]
    again = needs(rule, "m", SEVEN, attempt=2)
    assert (again["mem_mb"], again["runtime"]) == (2 * whole["mem_mb"], 2 * whole["runtime"])


def test_a_gpu_is_asked_for_where_one_is_of_use():
    small = SEVEN | {"source": "pretrain", "pretrain": {}}
    asked = {device: needs("edit", "m", SEVEN | {"device": device})["gpu"] for device in ("auto", "cpu", "cuda:0")}
    assert asked == {"auto": 1, "cpu": None, "cuda:0": 1}
    assert needs("edit", "m", small)["gpu"] is None and needs("edit", "m", small | {"device": "cuda"})["gpu"] == 1


def test_a_model_that_is_spread_asks_for_as_many_gpus_as_hold_it():
    large = SEVEN | {"path": "Llama-3.1-70B", "dtype": "bfloat16", "device": "spread", "gpu_memory": 80.0}
    asked = {size: needs("edit", "m", large | {"gpu_memory": size})["gpu"] for size in (24.0, 80.0, 192.0)}
    assert asked == {24.0: 7, 80.0: 3, 192.0: 2}
    assert needs("edit", "m", large | {"path": "Llama-2-7b-hf"})["gpu"] == 1
    assert needs("edit", "m", large | {"device": "cuda:0,cuda:1"})["gpu"] == 2


def test_every_rule_that_loads_a_model_has_its_costs(project: Path):
    text = "".join(path.read_text() for path in sorted((project / "rules").glob("*.smk")))
    assert set(re.findall(r'\*\*needs\("(\w+)"\)', text)) == set(COSTS)


def test_what_jobs_took_comes_from_cold_jobs_and_from_records(tmp_path: Path):
    header = "s\tmax_rss\n"
    files = {
        "edit/qa/tiny/grace/seed0": "60.0\t23.0\n",  # it handed its work over, so its record says
        "edit/qa/tiny/none/seed0": "30.0\t500.0\n",
        "preedit/qa/tiny/seed0": "120.0\tNA\n",
        "instructions/qa/tiny": "9.0\t1.0\n",
    }
    for name, row in files.items():
        (path := tmp_path / f"benchmarks/{name}.tsv").parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header + row)
    (tmp_path / "edit/qa/tiny/grace/seed0").mkdir(parents=True)
    record = {"cost": {"peak_memory_bytes": 700 * 2**20}}
    (tmp_path / "edit/qa/tiny/grace/seed0/run.json").write_text(json.dumps(record))
    model = SEVEN | {"source": "pretrain", "pretrain": {}}
    found = measured({"results": "results", "models": {"tiny": model}}, tmp_path)
    edit, preedit = sorted(found, key=lambda one: one["rule"])
    assert (edit["rule"], edit["jobs"], edit["took_mb"], edit["took_minutes"]) == ("edit", 2, 700.0, 1.0)
    assert (preedit["rule"], preedit["took_mb"], preedit["took_minutes"]) == ("preedit", None, 2.0)
