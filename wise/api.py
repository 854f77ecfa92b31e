"""`wise.attach` and `wise.load`: an editor on anybody's model, or a saved memory back on its base model.

    with wise.attach("a folder or hub name", "wise-retrieve") as editor:
        editor.edit("The mayor of Port Hill is", "Ada Lorimer")
        editor.ask("The mayor of Port Hill is")
        editor.save_pretrained("memory")

What they return is described in `wise.edited`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from wise.edited import EditedModel, busy_with
from wise.editors.registry import editor_class
from wise.editors.shared.own_texts import training_records
from wise.errors import ConfigError
from wise.lm.contexts import write_samples
from wise.lm.load import LanguageModel, load_language_model, text_digest, wrap
from wise.lm.modes import gradients, learning
from wise.lm.pseudo_edits import pseudo_edits
from wise.lm.text_cache import TextCache, cache_folder
from wise.memory.artifact import use_artifact_file
from wise.memory.folder import CONFIG, read_config
from wise.memory.store import load_into
from wise.options import build_options
from wise.records import EditRecord

LOG = logging.getLogger(__name__)

Model = str | Path | LanguageModel | tuple[PreTrainedModel, PreTrainedTokenizerBase]

Train = Sequence[EditRecord] | Sequence[str]
"""Records of edits, or plain texts; none of them are edits to be made."""

CONTEXT_TOKENS = 10
"""Length of a random prefix (WISE, appendix A)."""


@gradients()
def attach(
    model: Model,
    editor: str = "wise-retrieve",
    *,
    layer: int | None = None,
    seed: int = 0,
    train: Train | None = None,
    artifact: str | Path | None = None,
    contexts: Sequence[str] | None = None,
    revision: str | None = None,
    device: str = "auto",
    dtype: str | torch.dtype = "float32",
    chat: bool = False,
    cache: bool = True,
    **options: Any,
) -> EditedModel:
    """An editor on a model, ready for the first edit.

    `model` is a folder, a hub name, or an own pair `(model, tokenizer)`, which is set to evaluation mode and
    frozen; `revision`, `device` ("spread" for all GPUs together) and `dtype` are for the first two. `chat` asks every
    prompt as a question in the tokenizer's chat template. `layer` is the one whose down-projection is edited, by
    default at the depth of the published runs. `options` are those of the editor.

    Many editors learn something of the model before their first edit: statistics, scales, a small network. They
    learn it here, from `train`: records of other edits (`wise.records.EditRecord`) or plain texts that have nothing
    to do with the edits; by default, or where these are too few, from samples of the model itself and from general
    questions (`wise.lm.questions`). Questions like those that the model will be asked serve best. What took long is
    kept by `EditedModel.save_artifact` and given back as `artifact`. `contexts` are the prefixes that augment prompts,
    by default the model's own, too. What a model on a CPU writes itself is kept in a folder of caches for the next
    time (`$WISE_CACHE`, else `~/.cache/wise-editing`), unless `cache` is False or the variable `off`.

    Raises `ConfigError` for names, options, layers and artifacts that do not exist or fit and for a model of an
    unknown family.
    """
    kind = editor_class(editor)
    config = build_options(kind.Config, options, f"options of editor '{editor}'")
    if layer is not None and (isinstance(layer, bool) or not hasattr(layer, "__index__")):
        raise ConfigError(f"layer is the number of a layer, counted from 0, not {layer!r}")
    if isinstance(contexts, str):
        raise ConfigError("contexts is a list of texts, not one text")
    lm = _language_model(model, revision, device, dtype, chat)
    if cache and lm.device.type == "cpu" and cache_folder() is not None:
        lm = replace(lm, texts=TextCache.of(text_digest(lm)))
    with learning(lm.model):
        if contexts is None:
            count = getattr(config, "context_prefixes", 0)
            contexts = write_samples(lm, count, CONTEXT_TOKENS, seed) if count else ()
        attached = kind(lm, config, kind.usual_layer(lm) if layer is None else layer, contexts, seed)
        if artifact is not None:
            use_artifact_file(attached, artifact)
        if attached.learns_from_records():
            started = time.perf_counter()
            attached.prepare(training_records(lm, _records(train), seed))
            seconds = time.perf_counter() - started
            LOG.info("%s learned what it needs before its edits in %.1f s; save_artifact keeps it", editor, seconds)
    return EditedModel(attached)


@gradients()
def load(
    folder: str | Path, model: Model | None = None, *, device: str = "auto", dtype: str | torch.dtype = ""
) -> EditedModel:
    """A memory that `save_pretrained` wrote, on its base model; it can be asked, continued and undone.

    `model` as for `attach`, by default the base that the memory names; `dtype` by default as it was made.
    Raises `ConfigError` for another base model than the memory's own, and `DataError` for a folder that is
    not whole.
    """
    config = read_config(folder)
    base = config["base"]
    chat = base.get("chat", False)  # folders of models that are not asked by a template do not say
    try:
        lm = _language_model(base["name"] if model is None else model, None, device, dtype or base["dtype"], chat)
    except ConfigError as error:
        if model is not None or Path(base["name"]).is_dir():
            raise
        raise ConfigError(
            f"{error}; if its base model is not at '{base['name']}' any more, name it (--model)"
        ) from error
    kind = editor_class(config["editor"])
    where = f"{Path(folder) / CONFIG}: options of editor '{config['editor']}'"
    options = build_options(kind.Config, config["options"], where)
    with learning(lm.model):
        editor = kind(lm, options, config["layer"], config["contexts"], config["seed"])
        load_into(editor, folder)
    return EditedModel(editor)


def _language_model(
    model: Model, revision: str | None, device: str, dtype: str | torch.dtype, chat: bool
) -> LanguageModel:
    if isinstance(model, str | Path):
        return load_language_model(model, revision, device, dtype, chat)
    if isinstance(model, LanguageModel):
        lm = model
    elif _is_pair(model):
        lm = wrap(*model, model[0].config.name_or_path or model[0].config.model_type, chat)
    else:
        found = ", ".join(type(part).__name__ for part in model) if isinstance(model, tuple) else type(model).__name__
        raise ConfigError(f"a model is a folder, a hub name or a pair (model, tokenizer), not {found}")
    owner = busy_with(lm.model)
    if owner is not None:
        raise ConfigError(f"the model has an editor already ({owner}); close() that one, or leave its with block")
    return lm


def _is_pair(model: Any) -> TypeGuard[tuple[PreTrainedModel, PreTrainedTokenizerBase]]:
    """Whether it is a model, however it is wrapped, and its tokenizer."""
    return (
        isinstance(model, tuple)
        and len(model) == 2
        and isinstance(model[0], nn.Module)
        and isinstance(model[1], PreTrainedTokenizerBase)
    )


def _records(train: Train | None) -> list[EditRecord]:
    """What was given to learn from, as records."""
    if train is None:
        return []
    given = [train] if isinstance(train, str) else list(train)
    if isinstance(train, str) or not all(isinstance(item, str | EditRecord) for item in given):
        raise ConfigError("train is a list of records (wise.records.EditRecord) or of texts")
    texts = [item for item in given if isinstance(item, str) and item.strip()]
    records = [item for item in given if isinstance(item, EditRecord)]
    if given and not texts and not records:
        raise ConfigError("train holds no text that is more than white space")
    asked = [text for text in texts if text.rstrip().endswith("?")]  # cut in two, they would be no questions
    return [*records, *pseudo_edits(texts, asked)] if texts else records
