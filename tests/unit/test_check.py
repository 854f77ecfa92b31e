"""A mistyped option or a layer that cannot be edited is named with its key, and nothing else is complained about."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from wise.cli import main
from wise.code_inputs import sources
from wise.config import plan
from wise.config.check import check_options
from wise.config.model import complete
from wise.errors import ConfigError

REFINED = {"convention": "refined"}
STUDIES = ("layer", "shards", "generation", "switches", "locate", "grace_radius", "overhead")


@pytest.fixture
def config(project: Path) -> dict[str, Any]:
    """A model of two layers of which the second is edited, and three editors more than in the workflow's tests."""
    values = yaml.safe_load((project / "tests/workflow/tiny.yaml").read_text(encoding="utf-8"))
    values["editors"] |= {"ft-l": {}, "wise-merge": {}, "memit": {"layers": 2}}
    values["ablations"]["locate"] |= {"editors": ["memit"], "variants": {"anchor": {"norm_anchor": True}}}
    values = complete(values)
    plan.check(values)
    return values


def put(config: dict[str, Any], path: str, value: Any) -> None:
    """Set the value behind a dotted key."""
    *parents, last = path.split(".")
    for key in parents:
        config = config.setdefault(key, {})
    config[last] = value


def test_all_shipped_configs_pass(project: Path, caplog: pytest.LogCaptureFixture):
    files = sorted(path for path in (project / "config").glob("*.yaml") if path.name != "schema.yaml")
    assert len(files) > 6
    with caplog.at_level(logging.INFO):
        assert main(["check", *map(str, files)]) == 0, caplog.text
    assert [record.getMessage() for record in caplog.records] == [f"{file}: no mistake found" for file in files]


def test_a_sound_config_passes_with_all_studies(config: dict[str, Any]):
    check_options(config, STUDIES)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        # Names, types and ranges, in every place where options of an editor are written.
        ("editors.ft-l.lrr", 1e-3, "editors.ft-l.lrr: unknown option 'lrr'. Did you mean 'lr'? Valid choices: box"),
        ("editors.ft-l.lr", "5e-4", "editors.ft-l.lr: option 'lr' must be a valid number, found '5e-4', which"),
        ("editors.ft-l.box", -1.0, "editors.ft-l.box: option 'box' must be at least 0, found -1.0"),
        ("editors.ft-l.objective", "last", "editors.ft-l.objective: unknown objective 'last'"),
        ("editors.wise-retrieve.rho", 0.9, "editors.wise-retrieve.rho: whitened updates have no masks: rho must be 1"),
        ("editors.wise-retrieve", REFINED | {"rho": 0.9}, "editors.wise-retrieve.rho: density must reach rho"),
        ("models.tiny.editors.grace.radios", 1.0, "models.tiny.editors.grace.radios: unknown option"),
        ("models.tiny.pretrain.layer", 3, "models.tiny.pretrain: unknown option 'layer'"),
        ("ablations.layer.options.stepz", 3, "ablations.layer.options.stepz: unknown option"),
        ("ablations.shards.rho", [0.2, 0.6], "ablations.shards.rho: density must reach rho"),
        ("ablations.shards.editor", "grace", "ablations.shards.options.convention: unknown option 'convention'"),
        ("ablations.generation.options.stepz", 3, "ablations.generation.options.stepz: unknown option"),
        ("ablations.switches.variants.x.positons", "last", "ablations.switches.variants.x.positons: unknown option"),
        ("ablations.locate.variants.anchor.layers", 0, "ablations.locate.variants.anchor.layers: option 'layers'"),
        ("ablations.grace_radius.variants.eps-1.radius", 0.0, "ablations.grace_radius.variants.eps-1.radius: "),
        # Layers.
        ("models.tiny.layer", 2, "models.tiny.layer: layer 2 does not exist: 'tiny' has layers 0 to 1"),
        ("editors.grace.layer", 2, "editors.grace.layer: layer 2 does not exist"),
        ("models.tiny.editors.grace.layer", -1, "models.tiny.editors.grace.layer: must be a layer"),
        ("models.tiny.editors.memit.layer", 0, "editors.memit.layers: 2 layers do not end at layer 0"),
        ("editors.memit", {"layers": 5}, "editors.memit.layers: 5 layers do not end at layer 1 (models.tiny.layer)"),
        ("ablations.layer.layer", [1, 2], "ablations.layer.layer: layer 2 does not exist"),
        ("ablations.locate.variants.anchor.layer", 0, "ablations.locate.variants.anchor.layer: no option"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_key(config: dict[str, Any], path: str, value: Any, message: str):
    put(config, path, value)
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        check_options(config, STUDIES)


def test_an_axis_that_the_editor_of_a_study_lacks_is_named(config: dict[str, Any]):
    config["ablations"]["shards"] |= {"editor": "grace", "options": {}}
    with pytest.raises(ConfigError, match=r"^ablations\.shards\.k: unknown option 'shards'"):
        check_options(config, STUDIES)


def test_options_that_are_overridden_are_judged_as_they_will_be_used(config: dict[str, Any]):
    config["editors"]["wise-merge"] = REFINED | {"order": "sequential", "threshold": "recorded"}
    with pytest.raises(ConfigError, match=r"^editors\.wise-merge\.order: order 'sequential' needs group"):
        check_options(config, ())
    config["models"]["tiny"]["editors"] = {"wise-merge": {"group": 4}}
    check_options(config, ())


def test_overhead_is_measured_at_the_models_layer(config: dict[str, Any]):
    config["models"]["tiny"]["layer"] = 0
    config["editors"]["memit"]["layer"] = 1
    check_options(config, ())
    config["ablations"]["overhead"]["editors"] = ["memit"]
    with pytest.raises(ConfigError, match="2 layers do not end at layer 0"):
        check_options(config, ("overhead",))


def test_layers_of_a_folder_at_hand_are_known_and_of_a_hub_model_are_not(config: dict[str, Any], tmp_path: Path):
    config["models"]["tiny"] |= {"source": "hub", "path": "me/far", "layer": 31}
    check_options(config, ())
    config["models"]["tiny"]["path"] = str(tmp_path)
    for key in ("num_hidden_layers", "n_layer"):
        (tmp_path / "config.json").write_text(json.dumps({key: 31}))
        with pytest.raises(ConfigError, match="layer 31 does not exist: 'tiny' has layers 0 to 30"):
            check_options(config, ())


def test_files_are_checked_completely_and_each_on_its_own(
    project: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    text = (project / "tests/workflow/tiny.yaml").read_text(encoding="utf-8")
    mistakes = {
        "syntax": ("seeds: [0]", "seeds: [0", "not valid JSON or YAML"),
        "schema": (
            "evaluation: {edits",
            "evaluation: {editz: 1, edits",
            "evaluation: unknown key 'editz'",
        ),
        "plan": ("grace: {", "grase: {", "Did you mean 'grace'"),
        "options": ("grace: {steps", "grace: {stepz", r"editors\.grace\.stepz: .*'steps'"),
        "study": ("  switches: {", "  switches: {options: {clmp: 1.0}, ", r"ablations\.switches\.options\.clmp"),
    }
    for name, (right, wrong, _) in mistakes.items():
        assert text.count(right) == 1
        (tmp_path / f"{name}.yaml").write_text(text.replace(right, wrong))
    (tmp_path / "right.yaml").write_text(text)
    caplog.set_level(logging.INFO)
    assert main(["check", *(str(tmp_path / f"{name}.yaml") for name in mistakes), str(tmp_path / "right.yaml")]) == 2
    *errors, last = [record.getMessage() for record in caplog.records]
    for error, (name, (*_, expected)) in zip(errors, mistakes.items(), strict=True):
        assert error.startswith(f"{tmp_path / name}.yaml: ")
        assert re.search(expected, error) and "\n" not in error
    assert last.endswith("right.yaml: no mistake found")


def test_no_job_depends_on_the_check():
    for verb in ("data", "pretrain", "contexts", "preedit", "prepare", "stream", "overhead", "score", "track"):
        assert not {"wise/config/check.py", "wise/config/plan.py"} & set(sources(f"wise.commands.{verb}"))
