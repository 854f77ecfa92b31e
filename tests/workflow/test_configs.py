"""Every configuration is accepted, and a mistake in one is named before any job starts."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.thorough import some, thorough
from tests.workflow.conftest import Workspace, copy_project, job_counts
from wise.config import plan
from wise.config.check import uses
from wise.config.model import complete
from wise.config.studies import STUDIES


@pytest.mark.parametrize("config", some(["default", "smoke", "tiny"], ["default"]))
def test_a_dry_run_plans_every_stage(copied: Workspace, config: str):
    jobs = job_counts(copied.dry_run(config=f"config/{config}.yaml"))
    assert {"factworld", "pretrain", "preedit", "edit", "score", "main_table", "triangle", "layer", "track"} <= set(
        jobs
    )


EMBEDDED = {"factworld", "pretrain"}
PUBLISHED = {"fetch_model", "download", "convert"}


@pytest.mark.parametrize(
    ("config", "there", "absent"),
    [
        ("settings", EMBEDDED, PUBLISHED),
        pytest.param("gpu", EMBEDDED, PUBLISHED, marks=thorough),
        ("paper", PUBLISHED, EMBEDDED),
        pytest.param("modern", PUBLISHED, EMBEDDED, marks=thorough),
        ("real", {"download", "convert", "convert_model"}, EMBEDDED | {"fetch_model"}),
        *(
            pytest.param(name, {"download", "convert", "convert_model"}, EMBEDDED | {"fetch_model"}, marks=thorough)
            for name in ("real-short", "real-long")
        ),
        ("instructedit-real", {"download", "convert", "convert_model", "transfer"}, EMBEDDED | {"fetch_model"}),
        ("counterfact-small", {"download", "counterfact_corpus", "pretrain"}, {"fetch_model", "convert", "factworld"}),
    ],
)
def test_a_dry_run_needs_neither_network_nor_weights_nor_gpu(
    copied: Workspace, config: str, there: set[str], absent: set[str]
):
    jobs = job_counts(copied.dry_run("--profile", "profiles/gpu", config=f"config/{config}.yaml"))
    assert there | {"contexts", "preedit", "prepare", "edit", "score", "main_table", "track"} <= set(jobs)
    assert not absent & set(jobs)


def test_models_are_fetched_by_local_jobs_and_everything_else_is_offline(copied: Workspace):
    printed = copied.dry_run("--profile", "profiles/gpu", config="config/paper.yaml")
    commands = [line for line in printed.splitlines() if "python -m wise " in line]
    fetching = [line for line in commands if "HF_HUB_OFFLINE=0" in line]
    assert len(fetching) == 3 and all("wise fetch --model" in line for line in fetching)
    using = [line for line in commands if "wise stream" in line]
    assert all("--model results-paper/hub/" in line and "--dtype float32" in line for line in using)
    temporal = [line for line in using if "--dataset temporal" in line]
    assert temporal and all("--model-name gpt-j-6b" in line for line in temporal)


def test_default_is_what_a_plain_command_runs(copied: Workspace):
    assert "results/tables/main.csv" in copied.dry_run(config="config/default.yaml")


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ("evaluation:", "evaluaton:", "evaluaton"),
        ("  layer: {layer: [1]", "  layer: {layers: [1]", "layers"),
        ("  grace:", "  grase:", "Did you mean 'grace'?"),
        ("[factworld-qa]", "[factworld]", "factworld-qa"),
        ('"4": 1', '"4": 2', "need 8 edits"),
    ],
)
def test_a_mistake_is_refused_with_its_name(copied: Workspace, right: str, wrong: str, named: str):
    config = copied.folder / "config/wrong.yaml"
    text = (copied.folder / "config/tiny.yaml").read_text()
    assert right in text
    config.write_text(text.replace(right, wrong))
    run = copied.snakemake("--dry-run", config="config/wrong.yaml")
    assert run.returncode != 0
    assert named in run.stdout


def test_a_mistyped_option_stops_a_run_before_its_first_job(project: Path, tmp_path: Path):
    workspace = copy_project(project, tmp_path)
    config = tmp_path / "config/tiny.yaml"
    mistyped = "  switches: {variants: {last: {positons: last}}, "
    config.write_text(config.read_text().replace("  switches: {", mistyped))
    run = workspace.snakemake("--printshellcmds", "switches")
    assert run.returncode != 0
    assert (
        "ablations.switches.variants.last.positons: unknown option 'positons'. Did you mean 'positions'?" in run.stdout
    )
    assert "Traceback" not in run.stdout
    assert not workspace.results.exists(), "a job has run"
    assert not any((tmp_path / ".snakemake").glob("locks/*"))


def test_what_is_checked_before_the_first_job_is_what_jobs_are_told(copied: Workspace):
    config = complete(yaml.safe_load((copied.folder / "config/default.yaml").read_text()))
    dataset, _ = plan.study_place(config)
    made = {
        name: study
        for name, study in STUDIES.items()
        if all(point.editor in config["editors"] for point in study.points(config, dataset))
    }
    assert {"switches", "parts", "merging", "anchors", "replay"} < set(made), "those of training compare other editors"
    checked = {(use.editor, json.dumps(use.options, sort_keys=True), use.layer) for use in uses(config, made)}
    asked = [name for name, study in made.items() if study.is_edited]
    run = copied.snakemake("--dry-run", "--printshellcmds", "all", *asked, config="config/default.yaml")
    told = set()
    for line in re.findall(r"python -m wise (?:prepare|stream|overhead) .*", run.stdout):
        words = shlex.split(line)
        value = {name: words[words.index(name) + 1] for name in ("--editor", "--editors", "--options") if name in words}
        editors = json.loads(value.get("--editors", "{}")) or {value["--editor"]: json.loads(value["--options"])}
        layer = int(words[words.index("--layer") + 1])
        told |= {(editor, json.dumps(options, sort_keys=True), layer) for editor, options in editors.items()}
    assert told == checked and len(told) > 60


def test_runs_of_every_study_reach_mlflow(copied: Workspace):
    config = yaml.safe_load((copied.folder / "config/smoke.yaml").read_text())
    config["ablations"]["include"] = list(STUDIES)
    config["editors"]["instructedit"] = {}  # which studies of training compare
    (copied.folder / "config/every.yaml").write_text(yaml.safe_dump(config))
    printed = copied.snakemake("--dry-run", "--printshellcmds", config="config/every.yaml").stdout
    tracked = re.findall(r"/ablations/(\w+)/\S+/run\.json", re.findall(r"python -m wise track .*", printed)[0])
    assert set(tracked) == {name for name, study in STUDIES.items() if study.is_edited}
    made = set(re.findall(r"-m wise stream .* --out \S+/ablations/(\S+)", printed))
    assert len(made) == len(tracked)


def test_the_command_line_gives_values_of_every_type(copied: Workspace):
    options = "editors={wise-retrieve: {lr: 0.25, whiten: 1, until: always}}"
    given = ["--config", "seeds=[3, 5]", "evaluation={batch_size: 7}", options]
    run = copied.snakemake("--dry-run", "--printshellcmds", *given)
    assert run.returncode == 0, run.stdout
    commands = [
        shlex.split(line) for line in re.findall(r"python -m wise stream .*/edit/.*/wise-retrieve/.*", run.stdout)
    ]
    assert sorted(words[words.index("--seed") + 1] for words in commands) == ["3", "5"]
    for words in commands:
        told = json.loads(words[words.index("--options") + 1])
        assert {"lr": 0.25, "whiten": 1, "until": "always"}.items() <= told.items()
        assert words[words.index("--batch-size") + 1] == "7"


def test_a_study_of_an_editor_that_is_not_compared_is_refused(copied: Workspace):
    run = copied.snakemake("--dry-run", "transfer", config="config/default.yaml")
    assert run.returncode != 0 and "'transfer' compares 'instructedit', which is not under 'editors'" in run.stdout


def test_many_tasks_are_one_target_whatever_the_configuration(copied: Workspace):
    """Their own configuration makes everything; another one starts it."""
    jobs = copied.planned("instructedit", config="config/instructedit.yaml")
    assert {"tasks_paired", "transfer", "areas", "claims", "track", "instructedit"} <= set(jobs)
    printed = copied.snakemake("--dry-run", "--printshellcmds", "instructedit").stdout
    assert job_counts(printed) == {"instructedit": 1}
    assert "-m snakemake --snakefile" in printed and "--configfile config/instructedit.yaml" in printed


def test_a_point_that_a_study_does_not_have_is_refused(copied: Workspace):
    run = copied.snakemake("--dry-run", "results-tiny/ablations/layer/layer~7/seed0/run.json")
    assert run.returncode != 0 and "point of a study 'layer/layer~7/seed0'" in run.stdout


@pytest.fixture
def with_development(project: Path, tmp_path: Path) -> Workspace:
    """A copy in which development edits are there, whoever makes them."""
    workspace = copy_project(project, tmp_path)
    for folder in (workspace.results, tmp_path / "results-smoke"):
        file = folder / "data/factworld-qa/development.jsonl"
        file.parent.mkdir(parents=True)
        file.touch()
    return workspace


def test_options_are_searched_when_asked_for_and_never_in_a_plain_run(with_development: Workspace):
    plain = with_development.planned(config="config/smoke.yaml")
    assert plain["edit"] == 18 and not {"search", "tune", "tuning"} & set(plain)
    asked = with_development.planned("tune", config="config/smoke.yaml")
    assert asked["search"] == 17 and asked["tune"] == asked["tuning"] == asked["tuning_trials"] == 1
    assert not {"edit", "score", "prepare", "main_table"} & set(asked)


def test_a_run_takes_tuned_options_and_searches_nothing(with_development: Workspace):
    folder = with_development.folder
    search = {"trials": 2}
    entry = dict(options={"radius": 0.7}, score=0.5, default=None, sensitivity=0.1, trials=2, seconds=1.0,
                 digest="0123456789abcdef", search=search)  # fmt: skip
    (folder / "config/tuned").mkdir(exist_ok=True)
    (folder / "config/tuned/tiny.yaml").write_text(yaml.safe_dump({"factworld-qa": {"tiny": {"grace": entry}}}))
    text = (folder / "config/tiny.yaml").read_text().replace(", radius: 1.0, lr: 1.0}", ", lr: 1.0}")
    (folder / "config/with.yaml").write_text(f"tuned: config/tuned/tiny.yaml\n{text}")
    printed = with_development.snakemake("--dry-run", "--printshellcmds", config="config/with.yaml").stdout
    (grace,) = re.findall(r"python -m wise stream .*--editor grace .*/edit/.*", printed)
    assert '"radius": 0.7' in grace and '"steps": 2' in grace and "--tuned 0123456789abcdef" in grace
    (other,) = re.findall(r"python -m wise stream .*--editor wise-retrieve .*/edit/.*", printed)
    assert "--tuned" not in other and "wise tune" not in printed
    asked = with_development.snakemake("--dry-run", "--printshellcmds", "tune", config="config/with.yaml").stdout
    (search_of_grace,) = re.findall(r"python -m wise tune .*--editor grace .*", asked)
    assert "0.7" not in search_of_grace, "a search does not start from what an earlier one found"
    assert "wise adopt" in asked and "--out config/tuned/tiny.yaml" in asked


def test_a_study_on_development_edits_reads_them_and_their_own_answers(with_development: Workspace):
    folder = with_development.folder
    text = (folder / "config/tiny.yaml").read_text()
    (folder / "config/both.yaml").write_text(text.replace("switches: {", "switches: {records: [development, stream], "))
    printed = with_development.snakemake("--dry-run", "--printshellcmds", "switches", config="config/both.yaml").stdout
    jobs = re.findall(r"python -m wise stream .*", printed)
    development = [job for job in jobs if "--kind development" in job]
    assert len(development) == len(jobs) / 2 and all("/ablations/switches/development/" in job for job in development)
    assert all("factworld-qa/development.jsonl" in job and "development-seed0.parquet" in job for job in development)
    assert len(re.findall(r"python -m wise preedit .*", printed)) == 2
