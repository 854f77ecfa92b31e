"""Trained networks: which runs share one, and which are given one of their own."""

import pytest

from wise.config import jobs
from wise.config.model import complete
from wise.editors.entries import EDITORS

VARIANTS = {"as-configured": {}, "other-training": {"rank": 4}, "other-edits": {"context_prefixes": 1}}


@pytest.fixture
def config(monkeypatch):
    trained = EDITORS["mend"]._replace(trained=True, edit_options=("context_prefixes",))
    monkeypatch.setitem(EDITORS, "mend", trained)
    switches = {"editors": ["mend"], "variants": VARIANTS, "edits": 2, "grid": {"1": 2}}
    described = {"seeds": [0, 1], "evaluation": {"edits": 2}, "editors": {"none": {}, "mend": {}}}
    return complete(described | {"ablations": {"switches": switches}})


def edited(config):
    """The main jobs and those of the study, of MEND."""
    main = [jobs.main_job(config, "factworld-qa", "factlm", "mend", seed) for seed in config["seeds"]]
    return main, [jobs.study_job(config, "switches", p) for p in jobs.study_points(config, "switches").values()]


def test_a_network_is_shared_unless_options_of_its_training_differ(config):
    main, study = edited(config)
    assert [jobs.artifact_name(config, job) for job in main] == ["mend", "mend"]
    names = [jobs.artifact_name(config, job) for job in study]
    [own] = [name for name in names if name != "mend"]
    assert len(names) == 3 and own.startswith("mend-")
    [(key, job)] = jobs.artifact_jobs(config, main + study).items()
    assert key == ("factworld-qa", "factlm", own) and job.options == {"rank": 4}
    assert set(jobs.artifact_jobs(config, jobs.every_edit_job(config))) >= {key}


def test_a_seed_may_train_its_own_network(config):
    config["evaluation"]["training"] = "per_seed"
    main, _ = edited(config)
    assert len({jobs.artifact_name(config, job) for job in main}) == 2
    assert [job.options["train_seed"] for job in main] == [0, 1]
    assert "train_seed" not in jobs.main_job(config, "factworld-qa", "factlm", "none", 1).options
    assert jobs.shared_artifact(config, "factworld-qa", "factlm", "mend").options == {}
