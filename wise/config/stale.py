"""Whether a file of tuned options is still what the searches of a configuration would be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wise.config import plan
from wise.config.jobs import search_job
from wise.config.tuned import Entry, entry_of
from wise.editors.registry import editor_class
from wise.editors.space import space
from wise.files import sha256
from wise.tuning.identity import identity, short
from wise.tuning.outcome import Budget


def stale(config: Mapping[str, Any]) -> list[str]:
    """A sentence for each editor whose options nobody has searched, or were searched for in another way than now.

    Files of records are compared where they have been made. Neither model nor code is looked at: that would need the
    weights, and every change of a comment would be told.
    """
    if not config["tuned"]:
        return []
    used = [(*pair, editor) for pair in plan.pairs(config) for editor in config["editors"]]
    return [sentence for place in used if (sentence := _stale(config, *place))]


def _stale(config: Mapping[str, Any], dataset: str, model: str, editor: str) -> str:
    """The sentence about one editor; empty where its options are those of a search."""
    if not space(editor_class(editor).Config):
        return ""
    where, entry = f"{editor} on {dataset}, {model}", entry_of(config, dataset, model, editor)
    if entry is None:
        return f"{config['tuned']} has nothing for {where}; `snakemake tune` searches it"
    parts = _differing(config, dataset, model, editor, entry)
    return (
        f"{config['tuned']}: {where} was searched with other {', '.join(parts)}; run `snakemake tune`" if parts else ""
    )


def _differing(config: Mapping[str, Any], dataset: str, model: str, editor: str, entry: Entry) -> list[str]:
    """What a search would have otherwise than the one behind `entry`."""
    job = search_job(config, model, editor)
    now = {"tasks": None, **identity(Budget.of(config["tuning"]), editor_class(editor).Config, job.options, job.layer)}
    for name in ("development", "train"):
        file = Path(config["results"], "data", dataset, f"{name}.jsonl")
        if file.is_file():
            now[name] = short(sha256(file))
    return [name for name, value in now.items() if entry.search.get(name) != value]
