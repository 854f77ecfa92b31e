# What all rules share: the checked configuration, names of folders, and input functions.
import json
import os
import re
import shlex
import sys
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from analysis.artifacts import ARTIFACTS, INSTRUCTING, MAIN, TUNING
from wise import warm
from wise.config import jobs, overrides, plan, resources
from wise.config.levels import level
from wise.config.model import complete
from wise.config.studies import STUDIES as KNOWN_STUDIES
from wise.config.study_kinds import RECORDS, STREAM, MainRuns, Networks
from wise.config.text import check_text
from wise.datasets import registry
from wise.datasets.files import FILES
from wise.editors.entries import EDITORS as KNOWN_EDITORS
from wise.errors import unknown
from wise.code_inputs import code, dataset_code, editor_code

# Snakemake reads numbers inside of `--config KEY='[...]'` as texts.
overrides.retype(config, dict(workflow.config_settings.config))
config.update(complete(config))
plan.check(config)

R = config["results"]
MODELS = list(config["models"])
EDITORS = list(config["editors"])
PRETRAINED = [name for name, model in config["models"].items() if model["source"] == "pretrain"]
CONVERTED = [name for name, model in config["models"].items() if model["source"] == "gguf"]
FETCHED = [name for name in MODELS if plan.is_fetched(config, name)]
STUDIES = config["ablations"]
STUDY_DATASET, STUDY_MODEL = plan.study_place(config)
MAIN_RUN = "{dataset}/{model}/{editor}/seed{seed}"

# Only `fetch_model` asks the network for a model.
ENVIRONMENT = "export HF_HUB_OFFLINE=1"
# `.venv/bin/snakemake` does not put its own folder on PATH, and jobs would start another python.
deployed = bool(workflow.deployment_settings.deployment_method)
if not deployed:
    ENVIRONMENT += f" PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
shell.prefix(f"{ENVIRONMENT}; ")


onstart:
    # Each look for jobs to start sets a timer for one more, so that after n jobs n timers a second look at the inputs of
    # all that are ready. On one machine nothing has to be limited.
    if not workflow.non_local_exec:
        workflow.scheduler.job_rate_limiter = None
    # To import torch takes longer than many a job: here it is done once, see wise/warm.py.
    if not workflow.non_local_exec and not deployed and warm.wanted(len(workflow.dag.jobs)):
        address = warm.start()
        if address:
            os.environ[warm.VARIABLE] = address
    # Editors know their options, and import torch: too slow to ask in every job, which parses these rules too. With
    # `--sdm conda` only jobs may have it.
    if find_spec("torch"):
        from wise.config.check import check_options

        rules_and_studies = {job.rule.name for job in workflow.dag.jobs} | {
            job.wildcards.study for job in workflow.dag.jobs if "study" in job.wildcards.keys()
        }
        check_options(config, rules_and_studies)
    for file in workflow.configfiles:
        check_text(file)


wildcard_constraints:
    dataset="|".join(map(re.escape, plan.streams(config))),
    model="|".join(MODELS),
    editor="|".join(EDITORS),
    seed=r"\d+",
    artifact=r"[a-z]+(-[0-9a-f]{8})?",
    records=r"(development-)?(shared|seed\d+)",
    study="|".join(name for name, study in KNOWN_STUDIES.items() if study.is_edited),
    point=r".+/seed\d+",


def model_input(model):
    """The model's folder as an input where the workflow makes it; nothing for a folder that the user has."""
    return plan.model_path(config, model) if model in (*PRETRAINED, *CONVERTED, *FETCHED) else []


def model_folder(wildcards):
    """`model_input` of the job's model."""
    return model_input(wildcards.model)


def model_options(model):
    """How the verbs are told which model to load, and how."""
    described = config["models"][model]
    folder, device = shlex.quote(plan.model_path(config, model)), shlex.quote(described["device"])
    chat = " --chat" if described["chat"] else ""
    return f"--model {folder} --dtype {described['dtype']} --device {device}{chat}"


def gguf_options(described):
    """How the verb `convert` is told which file to convert, and to what."""
    source = (
        f"--package {shlex.quote(described['package'])}"
        if described["package"]
        else f"--gguf {shlex.quote(described['path'])}"
    )
    digest = f" --sha256 {shlex.quote(described['sha256'])}" if described["sha256"] else ""
    return f"{source}{digest} --dtype {described['dtype']}"


def layer_option(layer):
    """Which layer is edited, for the verbs; without it they take the editor's published depth."""
    return "" if layer is None else f" --layer {layer}"


def slice_option(part):
    """Which slice of the records is edited, for the verbs; nothing where all seeds edit the same."""
    return "" if part is None else f" --slice {part.index} --slice-size {part.size}"


def records_asked(wildcards):
    """Which of a dataset's edits the wildcard `records` names, a key of `RECORDS`, and of which seed, or `shared`."""
    kind, _, seed = wildcards.records.rpartition("-")
    return kind or STREAM, seed


def slice_asked(wildcards):
    """The slice of those edits, None where all seeds edit the same."""
    kind, seed = records_asked(wildcards)
    if seed == "shared":
        return None
    return plan.records_of_seed(config, wildcards.dataset, int(seed.removeprefix("seed")), kind)


def needs(rule):
    """Resources of a rule's jobs: functions of their wildcards and of the attempt, see wise/config/resources.py."""

    def of(resource):
        def asked(wildcards, attempt):
            name = model_asked(wildcards)
            return resources.needs(rule, name, config["models"][name], attempt)[resource]

        return asked

    return {resource: of(resource) for resource in ("mem_mb", "runtime", "gpu")}


def model_asked(wildcards):
    """The model of a job; jobs that name none, such as those of studies, have the model of the studies."""
    return getattr(wildcards, "model", STUDY_MODEL)


def dataset_files(dataset):
    """What a dataset is made from: the mark of its downloads, files of one's own, or nothing."""
    return f"{R}/downloads/{dataset}.done" if dataset in registry.RAW else plan.own_files(config, dataset)


def main_runs(pattern, **chosen):
    """A path of every run of the main comparison, or of those with the `chosen` wildcard values."""
    wanted = dict(dataset=config["datasets"], model=MODELS, editor=EDITORS, seed=config["seeds"]) | chosen
    asked = expand("{dataset}/{model}", **wanted)
    return [
        path
        for dataset, model in plan.pairs(config)
        if f"{dataset}/{model}" in asked
        for path in expand(pattern, **{**wanted, "dataset": dataset, "model": model})
    ]


def runs_of(study):
    """Folders of the runs that an artifact is made from: those of a study of its own, or the main ones."""
    if study in KNOWN_STUDIES and KNOWN_STUDIES[study].is_edited:
        return [f"{R}/ablations/{path}" for path in jobs.study_points(config, study)]
    editor = ARTIFACTS[study].editor
    if study in KNOWN_STUDIES and isinstance(KNOWN_STUDIES[study].runs, MainRuns):
        editor = STUDIES[study]["editor"]
    return main_runs(f"{R}/edit/{MAIN_RUN}", **({"editor": editor} if editor in EDITORS else {}))


def searches():
    """Outcomes of the searches of all editors that have options."""
    return main_runs(f"{R}/tuned/{{dataset}}/{{model}}/{{editor}}.json", editor=[e for e in EDITORS if e != "none"])


def chosen_sentences():
    """Rounds of the choice of sentences, on every dataset and model."""
    return [f"{R}/instructions/{dataset}/{model}/rounds.json" for dataset, model in plan.pairs(config)]


def search_options(wildcards):
    """What a search is told beside its files: its budget, and the options that it leaves alone."""
    job = jobs.search_job(config, wildcards.model, wildcards.editor)
    return (
        f"{model_options(wildcards.model)} --dataset {wildcards.dataset} --model-name {wildcards.model}"
        f" --editor {wildcards.editor} --options {shlex.quote(json.dumps(job.options))}{layer_option(job.layer)}"
        f" --tuning {shlex.quote(json.dumps(config['tuning']))}"
        f" --batch-size {plan.evaluation(config, wildcards.dataset)['batch_size']}"
    )


def instruct_options(wildcards):
    """What a choice of sentences is told beside its files: the editor's options as they are written, and the budget."""
    asked = config["instructing"]
    job = jobs.search_job(config, wildcards.model, "instructedit")
    options = {**job.options, "iterations": asked["iterations"]}
    drafter = f" --drafter {shlex.quote(asked['drafter'])}" if asked["drafter"] else ""
    budget = " ".join(f"--{name} {asked[name]}" for name in ("rounds", "replaced", "edits", "seed"))
    return (
        f"{model_options(wildcards.model)}{layer_option(job.layer)} --options {shlex.quote(json.dumps(options))}"
        f" {budget}{drafter}"
    )


def scores_of(folder):
    """The file of scores of a run in that folder."""
    main = f"{R}/edit/"
    return f"{R}/scores/{folder.removeprefix(main)}.parquet" if folder.startswith(main) else f"{folder}/scores.parquet"


def tracked(pattern):
    """A function of a rule's inputs: a file of every run, those of studies that are included among them."""
    edited = [study for study in STUDIES["include"] if KNOWN_STUDIES[study].is_edited]

    def files(wildcards):
        return [pattern(folder) for folder in main_runs(f"{R}/edit/{MAIN_RUN}") + [*chain(*map(runs_of, edited))]]

    return files
