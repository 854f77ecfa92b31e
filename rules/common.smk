# What all rules share: the checked configuration, names of folders, and input functions.
import itertools
import json
import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
from snakemake.utils import Paramspace, validate

from wise.config import plan
from wise.datasets import registry
from wise.editors.entries import EDITORS as EDITORS_KNOWN
from wise.code_inputs import code, dataset_code, editor_code

validate(config, "../config/schema.yaml")
plan.check(config)

R = config["results"]
MODELS = list(config["models"])
EDITORS = list(config["editors"])
PRETRAINED = [name for name, model in config["models"].items() if model["source"] == "pretrain"]
FETCHED = [name for name in MODELS if plan.is_fetched(config, name)]
STUDIES = config["ablations"]
STUDY_DATASET, STUDY_MODEL = plan.study_place(config)

# Only `fetch_model` asks the network for a model.
ENVIRONMENT = "export HF_HUB_OFFLINE=1"
# `.venv/bin/snakemake` does not put its own folder on PATH, and jobs would start another python.
if not workflow.deployment_settings.deployment_method:
    ENVIRONMENT += f" PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
shell.prefix(f"{ENVIRONMENT}; ")


onstart:
    # Editors know their options, and import torch: too slow to ask in every job, which parses these rules too. With
    # `--sdm conda` only jobs may have it.
    if find_spec("torch"):
        from wise.config.check import check_options

        check_options(config, {job.rule.name for job in workflow.dag.jobs})


wildcard_constraints:
    dataset="|".join(map(re.escape, plan.streams(config))),
    model="|".join(MODELS),
    editor="|".join(EDITORS),
    seed=r"\d+",
    artifact=r"[a-z]+",


def model_input(model):
    """The model's folder as an input where the workflow makes it; nothing for a folder that the user has."""
    return plan.model_path(config, model) if model in (*PRETRAINED, *FETCHED) else []


def model_folder(wildcards):
    """`model_input` of the job's model."""
    return model_input(wildcards.model)


def model_options(model):
    """How the verbs are told which model to load, and how."""
    described = config["models"][model]
    folder, device = shlex.quote(plan.model_path(config, model)), shlex.quote(described["device"])
    chat = " --chat" if described["chat"] else ""
    return f"--model {folder} --dtype {described['dtype']} --device {device}{chat}"


def generate_flag(dataset):
    """Whether the model also answers freely, as an option of the verbs."""
    return "--generate" if plan.evaluation(config, dataset)["generate"] else ""


def checkpoint_options(wildcards, output):
    """Where the job writes checkpoints, and what it does with an edit that fails."""
    asked = plan.evaluation(config, wildcards.get("dataset", STUDY_DATASET))
    folder = Path(R, "checkpoints", Path(output.run).parent.relative_to(R))
    where = f"--checkpoint {folder} --checkpoint-every {asked['checkpoint']} " if asked["checkpoint"] else ""
    return f"{where}--on-nan {asked['on_nan']}"


def dataset_files(dataset):
    """What a dataset is made from: the mark of its downloads, files of one's own, or nothing."""
    return f"{R}/downloads/{dataset}.done" if dataset in registry.RAW else plan.own_files(config, dataset)


def artifact_file(editor, dataset, model):
    """What an editor has to be prepared with; nothing for most."""
    artifact = EDITORS_KNOWN[editor].artifact
    return f"{R}/prepared/{dataset}/{model}/{artifact}.safetensors" if artifact else []


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


def study_space(study, *keys):
    """Every combination of the values that a study lists under `keys`."""
    points = itertools.product(*(STUDIES[study][key] for key in keys))
    return Paramspace(pd.DataFrame(points, columns=list(keys)))


def study_runs(study, space):
    """Folders of all runs of a study."""
    pattern = f"{R}/ablations/{study}/{{point}}/seed{{seed}}"
    return expand(pattern, point=space.instance_patterns, seed=STUDIES[study]["seeds"])


def variant_runs(study, pattern):
    """Folders of all runs of a study of named variants."""
    wildcards = {key: STUDIES[study][f"{key}s"] for key in ("editor", "variant", "seed")}
    return expand(f"{R}/ablations/{pattern}", study=study, dataset=plan.study_datasets(config, study), **wildcards)


def figure(name, category):
    """The two files of a figure: the report shows the PNG, papers take the PDF."""
    shown = report(f"{R}/figures/{name}.png", caption=f"../report/{name}.rst", category=category)
    return [f"{R}/figures/{name}.pdf", shown]


def table(name, category, *others):
    """A table as CSV, which the report shows, and in the `others` among md and tex."""
    shown = report(f"{R}/tables/{name}.csv", caption=f"../report/{name}.rst", category=category)
    return [shown, *(f"{R}/tables/{name}.{suffix}" for suffix in others)]
