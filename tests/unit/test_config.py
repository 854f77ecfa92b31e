"""The schema describes every key, the configurations obey it, and what a schema cannot say is checked too."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.utils import validate

from wise import plan
from wise.editors.wise.config import WiseConfig
from wise.errors import ConfigError
from wise.options import build_options
from wise.sources import editor_sources, sources


@pytest.fixture(scope="module")
def schema(project: Path) -> dict[str, Any]:
    """The parsed schema."""
    return yaml.safe_load((project / "config/schema.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def config(project: Path) -> dict[str, Any]:
    """The default configuration, complete."""
    return _complete(project, yaml.safe_load((project / "config/default.yaml").read_text(encoding="utf-8")))


def _complete(project: Path, values: dict[str, Any]) -> dict[str, Any]:
    values = copy.deepcopy(values)
    validate(values, str(project / "config/schema.yaml"))
    return values


def _properties(schema: dict[str, Any], where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, described in schema.get("properties", {}).items():
        yield f"{where}{name}", described
        yield from _properties(described, f"{where}{name}.")
        if isinstance(described.get("additionalProperties"), dict):
            yield from _properties(described["additionalProperties"], f"{where}{name}.*.")


def test_every_key_has_a_description_and_a_default(schema: dict[str, Any]):
    keys = dict(_properties(schema))
    assert "evaluation.grid" in keys and "models.*.revision" in keys
    for key, described in keys.items():
        assert described.get("description"), key
        overrides = ("evaluation.datasets.*.", "editors.*.")  # keys that are absent unless they differ
        assert "default" in described or key.startswith(overrides), key


@pytest.mark.parametrize("name", ["default", "smoke"])
def test_a_shipped_config_opens_with_its_command_and_is_valid(project: Path, name: str):
    text = (project / f"config/{name}.yaml").read_text(encoding="utf-8")
    assert f"make {'run' if name == 'default' else name}" in text.split("results:")[0]
    plan.check(_complete(project, yaml.safe_load(text)))


def test_an_empty_config_is_the_default_comparison(project: Path):
    values = _complete(project, {})
    plan.check(values)
    assert values["seeds"] == [0, 1, 2] and "wise-retrieve" in values["editors"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("datasets", ["factworld-qq"], "factworld-qa"),
        ("editors", {"wise-merg": {}}, "Did you mean 'wise-merge'"),
        ("evaluation.edits", 50, "evaluation of factworld-qa"),
        ("models.factlm.source", "hub", "needs 'path'"),
        ("models.factlm.corpus", "elsewhere", "models.factlm.corpus"),
        ("ablations.dataset", "factworld-ood", "ablations.dataset"),
        ("ablations.model", "other", "ablations.model"),
        ("ablations.router.editor", "rome", "ablations.router"),
        ("ablations.layer.edits", 100_000, "ablations.layer.edits"),
        ("ablations.generation.editors", ["rome"], "ablations.generation"),
        ("ablations.generation.datasets", ["factworld-odd"], "ablations.generation.datasets.*factworld-ood"),
        ("ablations.switches.editors", ["rome"], "ablations.switches"),
        ("ablations.switches.grid", {"1000": 1}, "ablations.switches"),
        ("ablations.generation.edits", 201, "the evaluation of factworld-qa has only 200"),
        ("ablations.shards.grid", {"1000": 1}, "ablations.shards"),
    ],
)
def test_what_no_run_could_follow_is_refused(config: dict[str, Any], path: str, value: Any, message: str):
    *parents, last = path.split(".")
    place = config
    for key in parents:
        place = place[key]
    place[last] = value
    with pytest.raises(ConfigError, match=message):
        plan.check(config)


def test_settings_of_a_dataset_override_the_common_ones(config: dict[str, Any]):
    config["evaluation"]["datasets"] = {"factworld-ood": {"edits": 7}}
    assert plan.evaluation(config, "factworld-ood")["edits"] == 7
    assert plan.evaluation(config, "factworld-ood")["batch_size"] == config["evaluation"]["batch_size"]
    assert plan.evaluation(config, "factworld-qa")["edits"] == config["evaluation"]["edits"]


def test_variants_may_be_studied_on_datasets_outside_of_the_main_comparison(config: dict[str, Any]):
    assert plan.study_datasets(config, "generation") == ["factworld-qa", "factworld-ood"]
    plan.check(config)
    assert plan.study_datasets(config, "switches") == plan.study_datasets(config, "layer") == ["factworld-qa"]


def test_every_variant_of_the_switches_is_a_configuration_of_each_editor(config: dict[str, Any]):
    asked = config["ablations"]["switches"]
    assert next(iter(asked["variants"])) == "refined" and "switches" not in config["ablations"]["include"]
    for editor in asked["editors"]:
        made = [
            build_options(WiseConfig, plan.variant_options(config, "switches", editor, variant), variant)
            for variant in asked["variants"]
        ]
        assert len(set(made)) == len(made), "two variants are the same"
        assert made[0] == build_options(WiseConfig, plan.options(config, editor), editor)


def test_layer_is_not_an_option_and_an_editors_own_wins(config: dict[str, Any]):
    config["editors"]["grace"] = {"layer": 3, "lr": 0.5}
    assert plan.layer(config, "factlm", "grace") == 3
    assert plan.layer(config, "factlm", "none") == config["models"]["factlm"]["layer"]
    assert plan.options(config, "grace", {"steps": 4}) == {"lr": 0.5, "steps": 4}


def test_sources_follow_imports_and_stop_at_other_editors():
    grace = editor_sources("grace")
    assert {"wise/commands/stream.py", "wise/editors/grace.py", "wise/editors/base.py", "wise/lm/tail.py"} <= set(grace)
    assert not any(file.startswith("wise/editors/wise/") for file in grace)
    assert "wise/editors/wise/routing.py" in editor_sources("wise-retrieve")
    assert not {"wise/evaluate/metrics.py", "wise/tracking/store.py", "wise/cli.py"} & set(grace)
    assert "wise/editors/registry.py" not in grace, "a line for another editor must not repeat this one's edits"


def test_scores_depend_on_no_model_code():
    files = sources("wise.commands.score")
    assert "wise/evaluate/metrics.py" in files
    assert not any(file.startswith(("wise/lm/", "wise/editors/")) for file in files)


def test_an_unknown_module_is_named():
    with pytest.raises(ConfigError, match="wise.nothing"):
        sources("wise.nothing")
