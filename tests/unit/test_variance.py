"""Components of variance: simulated ones are found, and one base model alone has none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import variance
from analysis.inputs import Inputs
from wise.errors import NothingToShow


def simulated(models: int, seeds: int, records: int, spread: dict[str, float], seed: int = 0) -> np.ndarray:
    """Values (models, seeds, records) with these standard deviations of the parts."""
    draw = np.random.default_rng(seed).normal
    shapes = {"model": (models, 1, 1), "seed": (1, seeds, 1), "seed_model": (models, seeds, 1),
              "record": (1, seeds, records), "record_model": (models, seeds, records)}  # fmt: skip
    return sum(draw(0.0, spread[part], shape) for part, shape in shapes.items())


def test_simulated_components_are_found():
    spread = {"model": 0.5, "seed": 0.3, "seed_model": 0.2, "record": 1.0, "record_model": 0.7}
    found = [variance.components(simulated(12, 12, 20, spread, seed)) for seed in range(60)]
    for part, deviation in spread.items():
        assert np.mean([one[part] for one in found]) == pytest.approx(deviation**2, rel=0.2), part


def test_what_is_not_there_is_zero_and_one_seed_cannot_tell_seeds():
    quiet = {"model": 0.0, "seed": 0.0, "seed_model": 0.0, "record": 1.0, "record_model": 0.0}
    found = variance.components(simulated(3, 3, 50, quiet))
    assert max(found["model"], found["record_model"]) < 1e-12 and found["record"] > 0.5
    alone = variance.components(simulated(3, 1, 50, quiet))
    assert np.isnan(alone["seed"]) and np.isnan(alone["seed_model"]) and alone["model"] == pytest.approx(0.0, abs=1e-9)


def test_the_table_has_shares_that_add_up_and_needs_two_models(tmp_path, runs):
    files = []
    for path in runs["main"]["scores"]:
        frame = pd.read_parquet(path)
        for number in range(3):
            files.append(tmp_path / f"{len(files)}.parquet")
            shifted = frame["value"] - 0.1 * number * (frame["metric"] == "avg")
            frame.assign(model=f"factlm-{number}", value=shifted).to_parquet(files[-1])
    frame = variance.table(Inputs(score_paths=files)).frame.set_index("editor")
    shares = frame[[f"share_{part}" for part in variance.PARTS]]
    assert np.allclose(shares.sum(axis=1), 1.0) and (frame["models"] == 3).all() and (frame["seeds"] == 2).all()
    grace = frame.loc["grace"]
    assert grace["share_model"] > 0.02 and grace["share_record_model"] < 0.01
    assert grace["deviation"] > grace["deviation_of_seeds"]
    with pytest.raises(NothingToShow, match="at least two"):
        variance.table(Inputs(score_paths=runs["main"]["scores"]))
