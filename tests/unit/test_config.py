"""The schema describes every key, the configurations obey it, and what a schema cannot say is checked too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from wise.config import plan
from wise.config.check import check_options
from wise.config.jobs import study_job, study_points
from wise.config.model import complete
from wise.config.overrides import retype
from wise.config.schema import schema_text
from wise.config.studies import STUDIES
from wise.config.study_kinds import STREAM
from wise.editors.registry import editor_class
from wise.editors.wise.config import WiseConfig
from wise.errors import ConfigError
from wise.options import build_options
from wise.pretraining.recipe import PretrainOptions


@pytest.fixture(scope="module")
def schema(project: Path) -> dict[str, Any]:
    """The parsed schema."""
    return yaml.load((project / "config/schema.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)


@pytest.fixture
def config(project: Path) -> dict[str, Any]:
    """The default configuration, complete."""
    return complete(yaml.safe_load((project / "config/default.yaml").read_text(encoding="utf-8")))


def _properties(schema: dict[str, Any], where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key with what is said of it; references are followed only where the schema stands."""
    several = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
    for name, described in schema.get("properties", {}).items():
        yield f"{where}{name}", described
        yield from _properties(described, f"{where}{name}.")
    for described in several:
        if isinstance(described, dict):
            yield from _properties(described, f"{where}*.")


def test_every_key_has_a_description_and_a_default(schema: dict[str, Any]):
    keys = dict(_properties(schema)) | dict(_properties({"properties": schema["$defs"]}, "$defs."))
    assert "evaluation.grid" in keys and "models.*.revision" in keys and "$defs.wise-merge.rho" in keys
    for key, described in keys.items():
        if key.count(".") == 1 and key.startswith("$defs.") or set(described) == {"$ref"}:
            continue  # the options of an editor, which its name describes
        assert described.get("description"), key
        absent = key == "data.*.edits" or key.startswith("$defs.") and key.endswith(".layer")
        assert "default" in described or absent, key


def test_the_schema_is_made_from_the_models(project: Path):
    fresh = (project / "config/schema.yaml").read_text(encoding="utf-8") == schema_text()
    assert fresh, "run: python -m wise check --schema > config/schema.yaml"


def test_a_text_editor_accepts_what_is_accepted_here(project: Path, schema: dict[str, Any]):
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    for path in [*(project / "config").glob("*.yaml"), project / "tests/workflow/tiny.yaml"]:
        if path.name != "schema.yaml":
            validator(schema).validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("evaluaton", {}, "unknown key 'evaluaton'. Did you mean 'evaluation'? Valid choices: ablations,"),
        ("models.factlm.layr", 3, "models.factlm: unknown key 'layr'. Did you mean 'layer'? Valid choices:"),
        ("models.factlm.dtype", "float8", "models.factlm.dtype: unknown choice 'float8'. Did you mean 'float"),
        ("models.factlm.layer", -1, "models.factlm.layer: must be at least 0, found -1"),
        ("models.factlm.pretrain", {"layer": 2}, "models.factlm.pretrain: unknown option 'layer'. Did"),
        ("models.a b", {}, "models.a b: the name 'a b' may only have letters"),
        ("data.zsre", {"limits": 3}, "data.zsre: unknown option 'limits'. Did you mean 'limit'"),
        ("data.factworld", {"poeple": 30}, "data.factworld: unknown option 'poeple'. Did you mean 'people'"),
        ("data.zsree", {"limit": 3}, "data: unknown key 'zsree'. Did you mean 'zsre'?"),
        ("data.mine", {"train": "a.csv"}, "Data of your own need the key 'edits'"),
        ("data.mine", {"edits": "a", "trian": "b"}, "data.mine: unknown option 'trian'. Did you mean 'train'?"),
        ("data.a b", {"edits": "a"}, "data.a b: the name 'a b' may only have letters"),
        ("seeds", [0, 0], "seeds: must not list 0 twice"),
        ("seeds", [-1], "seeds[0]: must be at least 0, found -1"),
        ("seeds", [], "seeds: must have at least 1 item, found []"),
        ("evaluation.edits", "20", "evaluation.edits: must be a valid integer, found '20'"),
        ("evaluation.grid", {10: 1}, "evaluation.grid.10: must be a text, write '10' in quotes"),
        ("evaluation.grid", {"0": 1}, "evaluation.grid.0: must be a whole number from 1 on, in quotes, found '0'"),
        ("ablations.switches", {"variants": {"a/b": {}}}, "ablations.switches.variants.a/b: the name 'a/b' may only"),
        ("evaluation.datasets", {"zsre": {"edit": 1}}, "evaluation.datasets.zsre: unknown key 'edit'. Did you mean"),
        ("ablations.include", ["layers"], "ablations.include[0]: unknown choice 'layers'. Did you mean 'layer'"),
        ("ablations.layer", {"layers": [1]}, "ablations.layer: unknown key 'layers'. Did you mean 'layer'"),
        ("ablations.shards", {"rho": [0.0]}, "ablations.shards.rho[0]: must be greater than 0, found 0.0"),
        ("editors", {}, "editors: must have at least 1 item, found {}"),
        ("tracking", None, "tracking: must be a valid dictionary"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_key_is_named(project: Path, path: str, value: Any, message: str):
    written: dict[str, Any] = yaml.safe_load((project / "config/default.yaml").read_text(encoding="utf-8"))
    *parents, last = path.split(".")
    place = written
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    with pytest.raises(ConfigError) as caught:
        complete(written)
    assert message in str(caught.value)


def test_the_guide_lists_every_key_and_its_example_is_complete(project: Path, tmp_path: Path, monkeypatch):
    guide = (project / "config/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+)` \|", guide, re.MULTILINE)
    assert rows == list(complete({}))
    assert {path.name for path in (project / "config").glob("*.yaml")} == set(
        re.findall(r"^\| `(\S+\.yaml)`", guide, re.M)
    )
    example = complete(yaml.safe_load(re.search(r"```yaml\n(.*?)```", guide, re.DOTALL)[1]))
    edits = [json.dumps({"prompt": f"Person {number} lives in", "target": "Port"}) for number in range(9)]
    (tmp_path / "my-edits.jsonl").write_text("\n".join(edits), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    plan.check(example)
    check_options(example, ())


def test_values_of_the_command_line_get_the_types_that_a_file_would_give_them():
    config = {
        "seeds": ["0", "1"],
        "editors": {"grace": {"lr": "0.5", "replay": "true"}, "rome": {"revision": "12"}},
        "texts": ["", "a: b", "a: b: c", "[a", "2024-01-01", "null"],
        "results": "12",
        "files": {"edits": "later"},
    }
    retype(
        config,
        {
            "seeds": ["0", "1"],
            "editors": {"grace": {"lr": "0.5", "replay": "true"}},
            "texts": ["", "a: b", "a: b: c", "[a", "2024-01-01", "null"],
            "results": "12",  # of the first level, whose type Snakemake has found
            "files": {"edits": "7"},  # overridden by what was read afterwards
        },
    )
    assert config == {
        "seeds": [0, 1],
        "editors": {"grace": {"lr": 0.5, "replay": True}, "rome": {"revision": "12"}},
        "texts": ["", "a: b", "a: b: c", "[a", "2024-01-01", None],
        "results": "12",
        "files": {"edits": "later"},
    }


def test_every_mistake_is_named_at_once():
    with pytest.raises(ConfigError) as caught:
        complete({"seed": 1, "evaluation": {"edits": 0}, "tracking": {"experiment": ""}})
    assert len(str(caught.value).splitlines()) == 3


def test_what_is_written_is_left_as_it_is():
    written = {"editors": {"grace": {"lr": 1}}, "data": {"mine": {"edits": "a.csv"}}}
    made = complete(written)
    assert made["editors"] == written["editors"] and made["data"]["mine"] == {"edits": "a.csv"}
    assert complete(made) == made
    override = {"evaluation": {"datasets": {"zsre": {"edits": 5}}}}
    assert complete(override)["evaluation"]["datasets"] == {"zsre": {"edits": 5}}


MADE = {"default": "make run", "smoke": "make smoke"}
SHIPPED = ("default", "smoke", "settings", "paper", "modern", "gpu", "instructedit", "instructedit-real")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_config_opens_with_its_command_and_is_valid(project: Path, name: str):
    text = (project / f"config/{name}.yaml").read_text(encoding="utf-8")
    assert MADE.get(name, f"snakemake --configfile config/{name}.yaml") in text.split("results:")[0]
    plan.check(complete(yaml.safe_load(text)))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_editor_of_a_shipped_config_takes_its_options(project: Path, name: str):
    config = complete(yaml.safe_load((project / f"config/{name}.yaml").read_text(encoding="utf-8")))
    for model, described in config["models"].items():
        build_options(PretrainOptions, described["pretrain"], name)
        for editor in config["editors"]:
            where = f"{name}: {editor} on {model}"
            dataset = (described["datasets"] or config["datasets"])[0]
            build_options(editor_class(editor).Config, plan.options(config, dataset, model, editor), where)
    for study in STUDIES:
        for path, point in study_points(config, study).items():
            if point.editor in config["editors"]:
                values = study_job(config, study, point).options
                build_options(editor_class(point.editor).Config, values, f"{name}: {path}")


def test_published_settings_are_those_of_the_paper(project: Path):
    config = complete(yaml.safe_load((project / "config/paper.yaml").read_text(encoding="utf-8")))
    assert plan.pairs(config) == [
        *((dataset, model) for dataset in ("zsre", "hallucination") for model in ("llama-2-7b", "mistral-7b")),
        ("temporal", "gpt-j-6b"),
    ]
    assert [plan.layer(config, "zsre", model, "wise-merge") for model in config["models"]] == [27, 27, 21]
    assert plan.layer(config, "temporal", "gpt-j-6b", "rome") == 5
    made = build_options(WiseConfig, plan.options(config, "temporal", "gpt-j-6b", "wise-merge"), "wise-merge")
    assert (made.alpha, made.beta, made.gamma, made.units) == (15.0, 40.0, 20.0, "absolute")
    assert plan.options(config, "zsre", "llama-2-7b", "wise-merge")["alpha"] == 5.0
    grid = plan.evaluation(config, "zsre")["grid"]
    assert {int(T): chunks for T, chunks in grid.items()} == {1: 1000, 10: 100, 100: 10, 1000: 1}


def test_an_empty_config_is_the_default_comparison(project: Path):
    values = complete({})
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
        ("models.factlm.chat", True, "no chat template"),
        ("models.factlm.device", "spread", "lies on one device"),
        ("models.factlm.datasets", ["factworld-ood"], "models.factlm.datasets"),
        ("models.factlm.editors", {"romee": {}}, "models.factlm.editors.*Did you mean 'rome'"),
        ("ablations.dataset", "factworld-ood", "ablations.dataset"),
        ("ablations.model", "other", "ablations.model"),
        ("ablations.router.editor", "nobody", "ablations.router"),
        ("ablations.layer.edits", 100_000, "ablations.layer.edits"),
        ("ablations.generation.editors", ["nobody"], "ablations.generation"),
        ("ablations.generation.datasets", ["factworld-odd"], "ablations.generation.datasets.*factworld-ood"),
        ("ablations.switches.grid", {"1000": 1}, "ablations.switches"),
        ("ablations.generation.edits", 101, "the evaluation of factworld-qa has only 100"),
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


def test_a_study_takes_as_many_edits_as_there_are(config: dict[str, Any]):
    for study in ("layer", "generation", "grace_radius"):
        config["ablations"][study] |= {"edits": None, "grid": None}
    config["ablations"]["overhead"]["T"] = None
    assert plan.study_stream(config, "layer") == (100, {"100": 1})
    assert plan.study_stream(config, "generation") == (20, {"1": 20, "10": 2})
    assert plan.overhead_sizes(config) == [1, 10, 100]
    config["evaluation"] |= {"edits": 8, "grid": {"8": 1}}
    assert plan.study_stream(config, "layer") == (8, {"8": 1})
    assert plan.study_stream(config, "generation") == (8, {"1": 8, "8": 1})
    assert plan.overhead_sizes(config) == [1, 8]
    config["ablations"]["grace_radius"]["edits"] = 4
    assert plan.study_stream(config, "grace_radius") == (4, {"4": 1})


def test_a_model_may_be_for_some_datasets_only(config: dict[str, Any]):
    config["datasets"] = ["factworld-qa", "factworld-ood"]
    config["models"]["other"] = {**config["models"]["factlm"], "datasets": ["factworld-ood"]}
    plan.check(config)
    assert plan.pairs(config) == [("factworld-qa", "factlm"), ("factworld-ood", "factlm"), ("factworld-ood", "other")]
    config["models"]["factlm"]["datasets"] = ["factworld-ood"]
    with pytest.raises(ConfigError, match="no model is evaluated on 'factworld-qa'"):
        plan.check(config)
    config["datasets"] = ["factworld-ood", "zsre"]
    config["models"]["factlm"]["datasets"] = ["zsre"]
    with pytest.raises(ConfigError, match="'factlm' is not evaluated on 'factworld-ood'"):
        plan.check(config)


def test_options_of_a_model_override_the_editors(config: dict[str, Any]):
    config["editors"]["grace"] = {"layer": 3, "lr": 0.5, "steps": 9}
    config["models"]["other"] = {**config["models"]["factlm"], "editors": {"grace": {"layer": 5, "lr": 0.1}}}
    other, main = ("factworld-qa", "other", "grace"), ("factworld-qa", "factlm", "grace")
    assert plan.layer(config, *other) == 5 and plan.layer(config, *main) == 3
    assert plan.options(config, *other) == {"lr": 0.1, "steps": 9}
    assert plan.options(config, *other, {"lr": 0.7}) == {"lr": 0.7, "steps": 9}


def test_a_model_is_loaded_from_a_folder(config: dict[str, Any], tmp_path: Path):
    hub = {**config["models"]["factlm"], "source": "hub"}
    config["models"] |= {"far": {**hub, "path": "me/far"}, "near": {**hub, "path": str(tmp_path)}}
    assert [plan.model_path(config, name) for name in config["models"]] == [
        "results/models/factlm",
        "results/hub/far",
        str(tmp_path),
    ]


def test_settings_of_a_dataset_override_the_common_ones(config: dict[str, Any]):
    config["evaluation"]["datasets"] = {"factworld-ood": {"edits": 7}}
    assert plan.evaluation(config, "factworld-ood")["edits"] == 7
    assert plan.evaluation(config, "factworld-ood")["batch_size"] == config["evaluation"]["batch_size"]
    assert plan.evaluation(config, "factworld-qa")["edits"] == config["evaluation"]["edits"]


def datasets_of(config: dict[str, Any], study: str) -> list[str]:
    """Distinct datasets of the jobs of a study."""
    return list(dict.fromkeys(point.dataset for point in study_points(config, study).values()))


def test_variants_may_be_studied_on_datasets_outside_of_the_main_comparison(config: dict[str, Any]):
    assert datasets_of(config, "generation") == ["factworld-qa", "factworld-ood"]
    plan.check(config)
    assert datasets_of(config, "switches") == datasets_of(config, "layer") == ["factworld-qa"]


def test_every_variant_of_the_switches_is_a_configuration_of_each_editor(config: dict[str, Any]):
    asked = config["ablations"]["switches"]
    assert next(iter(asked["variants"])) == "as-configured" and "switches" not in config["ablations"]["include"]
    jobs = [study_job(config, "switches", point) for point in study_points(config, "switches").values()]
    for editor in asked["editors"]:
        once = (job for job in jobs if (job.editor, job.seed, job.records) == (editor, 0, STREAM))
        made = [build_options(WiseConfig, job.options, editor) for job in once]
        assert len(set(made)) == len(made) == len(asked["variants"]), "two variants are the same"
        assert made[0] == build_options(WiseConfig, plan.options(config, *plan.study_place(config), editor), editor)


def test_points_of_a_grid_have_their_values_as_options_or_as_layer(config: dict[str, Any]):
    config["ablations"]["shards"] |= {"k": [2], "rho": [0.5], "seeds": [0, 1], "options": {"steps": 7}}
    config["ablations"]["layer"]["layer"] = [3]
    points = study_points(config, "shards")
    assert list(points) == ["shards/k~2/rho~0.5/seed0", "shards/k~2/rho~0.5/seed1"]
    job = study_job(config, "shards", points["shards/k~2/rho~0.5/seed1"])
    own = {"shards": 2, "rho": 0.5, "steps": 7}
    assert job.seed == 1 and {name: job.options[name] for name in own} == own
    assert study_job(config, "layer", study_points(config, "layer")["layer/layer~3/seed0"]).layer == 3


def test_layer_is_not_an_option_and_an_editors_own_wins(config: dict[str, Any]):
    config["tuned"], config["editors"]["grace"] = "", {"layer": 3, "lr": 0.5}
    place = ("factworld-qa", "factlm")
    assert plan.layer(config, *place, "grace") == 3
    assert plan.layer(config, *place, "none") == config["models"]["factlm"]["layer"]
    assert plan.options(config, *place, "grace", {"steps": 4}) == {"lr": 0.5, "steps": 4}
