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


def names(config):
    return [jobs.artifact_name(config, job) for job in jobs.every_edit_job(config) if job.editor == "mend"]


def test_a_network_is_shared_unless_options_of_its_training_differ(config):
    main, study = names(config)[:2], names(config)[2:]
    assert main == ["mend", "mend"]
    own = [name for name in study if name != "mend"]
    assert study.count("mend") == 2 and len(own) == 1 and own[0].startswith("mend-")
    [(key, job)] = jobs.artifact_jobs(config, jobs.every_edit_job(config)).items()
    assert key == ("factworld-qa", "factlm", own[0]) and job.options == {"rank": 4}


def test_a_seed_may_train_its_own_network(config):
    config["evaluation"]["training"] = "per_seed"
    assert len(set(names(config)[:2])) == 2
    options = [job.options for job in jobs.every_edit_job(config) if job.editor == "mend"]
    assert [each["train_seed"] for each in options[:2]] == [0, 1]
    assert all("train_seed" not in job.options for job in jobs.every_edit_job(config) if job.editor == "none")
    assert jobs.shared_artifact(config, "factworld-qa", "factlm", "mend").options == {}
