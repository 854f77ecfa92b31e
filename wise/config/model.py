"""The configuration of the workflow: every key with its type, default and meaning.

`complete` checks what people write and puts the defaults in; `config/schema.yaml` is made from the same classes. What
concerns several keys at once, such as names that have to exist, is asked by `wise.config.plan.check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Le
from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from wise.config.explain import explained
from wise.config.keys import (
    Chunks,
    Folder,
    Name,
    OptionsOf,
    Package,
    Section,
    Seed,
    Seeds,
    Text,
    Title,
    Unique,
    default,
    made_section,
)
from wise.config.studies import STUDIES
from wise.config.text import require_plain
from wise.datasets.own.options import OwnOptions
from wise.datasets.published.options import Invalid
from wise.datasets.registry import DATASETS, options_class
from wise.errors import ConfigError, unknown
from wise.options import LARGE, AtLeastOne, Count, OneOf, Positive
from wise.pretraining.recipe import PretrainOptions

AnyOptions = dict[str, Any]
"""Options of an editor, which are checked where editors can be imported (`wise.config.check`)."""


class DataFiles(Section):
    """Where the files of published datasets come from."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[Name, Annotated[AnyOptions, OptionsOf(OwnOptions)]]

    local_dir: str = ""
    """Folder with copies of published files, which are then not downloaded (docs/datasets.md); empty for none."""
    offline: bool = False
    """Never download a published file; a missing one is an error that says where to put it."""
    invalid: Invalid = "skip"
    """What a faulty published record does: `stop` names it, `skip` counts it and leaves it out."""

    @model_validator(mode="before")
    @classmethod
    def _names_are_known(cls, data: Any) -> Any:
        for name, values in data.items() if isinstance(data, dict) else ():
            if name not in cls.model_fields and isinstance(values, dict) and "edits" not in values:
                text = f"{unknown('key', str(name), cls.model_fields)}. Data of your own need the key 'edits'"
                raise PydanticCustomError("options", "{text}", {"text": text})
        return data


_DATASETS: dict[str, Any] = {
    name: (
        Annotated[AnyOptions, OptionsOf(options_class(entry))],
        Field({}, description=f"Options of the dataset: {entry.description}"),
    )
    for name, entry in DATASETS.items()
}
Data = made_section("Data", DataFiles, DataFiles.__doc__, _DATASETS)


class Model(Section):
    """One base model."""

    source: Literal["pretrain", "hub", "gguf"] = "pretrain"
    """`pretrain` trains the model on `corpus` in the workflow, `hub` takes the one that `path` names, `gguf` converts a
    file in GGUF format, which `path` or `package` names."""
    corpus: str = "factworld"
    """Dataset whose texts a pretrained model learns, and whose facts it is asked."""
    path: str = ""
    """Of a `hub` model: a folder is used as it is, a hub name is fetched into the results first. Of a `gguf` model:
    the file."""
    package: Package = ""
    """Of a `gguf` model, in place of `path`: an installed Python package that brings the file by a function
    `assemble(path)`."""
    sha256: str = ""
    """Digest that the file of a `gguf` model must have; empty means any, of a package the one that it knows."""
    revision: str = ""
    """Commit or tag of a hub model; empty means the newest."""
    seed: Seed = 0
    """Seed of the initial weights and of the order of training."""
    layer: Count | None = None
    """Layer that editors change unless they name one themselves, counted from 0; null means each editor's published
    depth, such as 27 of 32."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of the weights; a pretrained model is stored in float32 whatever it is used in, a converted one in
    this."""
    device: Text = "auto"
    """`auto` is a GPU where there is one; else cpu, cuda, cuda:1, ... A model that does not fit on one GPU is shared
    among all of a job's with `spread`, or among some, such as `cuda:0,cuda:1`."""
    gpu_memory: Positive = 80.0
    """GiB of one GPU of the machines that jobs run on: how many GPUs a job asks for follows from it where `device` is
    `spread`."""
    chat: bool = False
    """Ask every prompt as a question in the tokenizer's chat template; targets are the assistant's text."""
    datasets: Unique[str] = []
    """Datasets that this model is evaluated on; empty means all."""
    editors: dict[Name, AnyOptions] = {}
    """Options of editors, and their `layer`, where they differ on this model, by the editors' names."""
    pretrain: Annotated[AnyOptions, OptionsOf(PretrainOptions)] = {}
    """Architecture and training of a pretrained model."""


class Contexts(Section):
    """Random texts that the unedited model writes, and that the prompt of an edit is learned behind."""

    count: Annotated[Count, Le(LARGE)] = 10
    """Number of texts."""
    length: Annotated[AtLeastOne, Le(LARGE)] = 10
    """Tokens of a text."""
    seed: Seed = 0
    """Seed of the sampling."""


class Asked(Section):
    """How many edits a stream has, and what is asked along it."""

    edits: AtLeastOne | None = None
    """Edits of the stream; null means 300, and of your own data all."""
    grid: Chunks | None = None
    """T (in quotes) to the number of chunks of T edits: after each chunk all its edits are asked about, then the model
    is rolled back. Null means 1, 10, 100, ... and all edits, up to 40, 8, 2, 1 chunks."""
    generate: bool = True
    """Also let the model answer freely."""
    fluency: Literal["none", "opinions", "edits"] = "opinions"
    """Edits behind whose prompts the model writes 100 tokens, whose n-gram entropy is the metric `fluency`: none, those
    that are asked for opinions (ConvSent), or all. In the main comparison only."""
    batch_size: AtLeastOne = 64
    """Questions in one forward pass; results do not depend on it."""
    checkpoint: Count = 50
    """Most edits between checkpoints, from which a killed job goes on; fewer where edits are slow. 0 for none."""
    records: Literal["per_seed", "shared"] = "per_seed"
    """`per_seed`: each seed edits other records, as far as the dataset goes: the first seed the first `edits` of them,
    the second the next, and from the first record again where they end. `shared`: all seeds edit the first ones."""
    training: Literal["shared", "per_seed"] = "shared"
    """`shared`: editors that train a network train one for all seeds. `per_seed`: each seed trains its own, so that
    intervals over seeds hold the training as well; editors with the option `train_seed` do so."""
    on_nan: Literal["fail", "skip"] = "fail"
    """An edit whose loss is not finite fails the job or is skipped."""


class DatasetEvaluation(Asked):
    """What differs for one dataset; a key that is not written is that of all datasets."""

    @model_serializer(mode="wrap")
    def _only_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}


class Evaluation(Asked):
    """The stream of edits, and what is asked along it."""

    datasets: dict[str, DatasetEvaluation] = {}
    """What differs for a dataset, by its name."""


class Tuning(Section):
    """The search of every editor's options on development edits (`snakemake tune`): one budget for all of them."""

    trials: AtLeastOne = 20
    """Options that are tried for each editor."""
    edits: AtLeastOne = 100
    """Development edits of a trial."""
    grid: Chunks = {"10": 2, "100": 1}
    """T (in quotes) to the number of chunks of T edits. What is searched for is the mean over T of the average score;
    a trial that is poor at a small T is not carried on."""
    seed: Seed = 0
    """Seed of the search, of the order of edits and of the editors."""
    layers: Unique[Count] = []
    """Layers to try beside the other options; empty means that every editor keeps its layer."""
    tasks: Unique[str] = []
    """Tasks whose development edits trials are made on, so that one which is held out has no say in the options; empty
    means all edits."""


class Instructing(Section):
    """The choice of InstructEdit's sentences on development edits (`snakemake instruct`)."""

    iterations: AtLeastOne = 250
    """Training edits of a trial editor."""
    rounds: Count = 3
    """Rounds at most, behind the one that scores the sentences as they are."""
    replaced: AtLeastOne = 3
    """Sentences of a task that a round replaces, the weakest ones."""
    edits: AtLeastOne = 5
    """Development edits of a task that score each sentence."""
    seed: Seed = 0
    """Seed of the trial editors, and of a drafting model."""
    drafter: str = ""
    """Folder or hub name of a language model that drafts sentences; empty: the project's own drafts alone."""


class StudyChoice(Section):
    """Which studies are made, and where."""

    include: Unique[Annotated[str, OneOf(STUDIES)]] = []
    """Studies that belong to a complete run; the others are made only when asked for."""
    dataset: str = ""
    """Dataset of all studies that choose none; empty means the first."""
    model: str = ""
    """Model of all studies; empty means the first."""


_SECTIONS: dict[str, Any] = {
    name: (study.section, Field({}, description=study.question)) for name, study in STUDIES.items()
}
Ablations = made_section("Ablations", StudyChoice, StudyChoice.__doc__, _SECTIONS)


class Tracking(Section):
    """MLflow: a copy of the results for people; no rule reads it back."""

    uri: str = ""
    """Tracking store; empty means `mlflow.db` in the results folder."""
    experiment: Title = "wise"
    """Name of the MLflow experiment."""


class Configuration(Section):
    """Every key with its meaning and default. A key that is not listed here is refused."""

    results: Folder = "results"
    """Folder of everything that the workflow makes."""
    seeds: Seeds = [0, 1, 2]
    """One run of every editor for each seed, which decides the order of edits, masks and random texts."""
    datasets: Annotated[Unique[Name], Field(min_length=1)] = ["factworld-qa"]
    """Streams of edits to evaluate on: those that `python -m wise ls datasets` lists, and your own of `data`."""
    data: Data = default({})  # pyright: ignore[reportInvalidTypeForm]
    """Options of the datasets, by name. Any other name is one of your own, with the files of edits it stands for."""
    models: Annotated[dict[Name, Model], Field(min_length=1)] = default({"factlm": {}})
    """Base models by name; every editor is run on every model."""
    contexts: Contexts = default({})
    """Random texts that the unedited model writes, and that the prompt of an edit is learned behind."""
    evaluation: Evaluation = default({})
    """The stream of edits, and what is asked along it."""
    editors: Annotated[dict[Name, AnyOptions], Field(min_length=1)] = {
        name: {} for name in ("none", "ft-l", "grace", "wise-merge", "wise-retrieve")
    }
    """Editors to compare, each with its options (`python -m wise ls editors NAME`) and, where it differs from the
    model's, its `layer`."""
    tuned: str = ""
    """File of options that `snakemake tune` found, such as `config/tuned/default.yaml`; `editors` win over them. Empty
    for none."""
    tuning: Tuning = default({})
    """How `snakemake tune` searches the options of editors."""
    instructing: Instructing = default({})
    """How `snakemake instruct` chooses the sentences in front of InstructEdit's edits."""
    ablations: Ablations = default({})  # pyright: ignore[reportInvalidTypeForm]
    """Studies beside the main comparison, each a target of its own."""
    tracking: Tracking = default({})
    """MLflow: a copy of the results for people; no rule reads it back."""


def complete(written: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as people write it, with all defaults.

    Raises `ConfigError` that names every mistake by its key: unknown keys with the valid ones, values of another type
    or out of their range.
    """
    require_plain(written)
    try:
        return Configuration.model_validate(dict(written)).model_dump(by_alias=True)
    except ValidationError as error:
        raise ConfigError(explained(error, Configuration)) from error
