"""Files of tuned options: what `wise tune` found, committed with the configurations that use it.

Such a file maps dataset, model and editor to options, each with what the search behind them was. The key `tuned` of a
configuration names it. Its options lie below those that the configuration itself sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from wise.config.keys import Section
from wise.config.text import check_text
from wise.editors.entries import EDITORS
from wise.errors import ConfigError, refusing, unknown
from wise.files import write_text
from wise.options import AtLeastOne, places

WIDTH = 120

HEAD = """\
# Options found by searches on development edits, never on those that are reported (docs/tuning.md). Written by
#     snakemake tune          or          python -m wise adopt
# dataset -> model -> editor. score: mean of Avg at the T of `grid`; default: that of the editor's own defaults;
# sensitivity: how far the ten best trials lie apart.
"""

BASES = ("convention", "constants")
"""Options that others start from. Where a configuration or a study sets one, tuned options are out of place, since they
would stand in the way of what it stands for."""


class Entry(Section):
    """What one search chose."""

    options: dict[str, Any]
    """Options of the editor, and perhaps its `layer`."""
    score: float
    """Objective of these options."""
    default: float | None
    """Objective of the editor's own defaults; null where they failed."""
    sensitivity: float
    """The best objective less the tenth best."""
    trials: AtLeastOne
    """Options that were tried."""
    seconds: float
    """Time of all trials."""
    digest: str = Field(pattern="^[0-9a-f]{16}$")
    """Digest of `search`."""
    search: dict[str, Any]
    """All that the search depended on."""


Chosen = dict[str, dict[str, dict[str, Entry]]]

_FILE = TypeAdapter(Chosen)


def read_tuned(path: str | Path) -> Mapping[str, Mapping[str, Mapping[str, Entry]]]:
    """Dataset -> model -> editor -> `Entry`; raises `ConfigError`, naming file and key, for what is not of this form.

    An editor that does not exist is refused; whether datasets and models do is for `wise.config.plan.check` to say.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError(f'tuned: there is no file {path}; with tuned: "", `snakemake tune` writes a first one')
    return _read(file, file.stat().st_mtime_ns)


@cache
def _read(file: Path, changed: int) -> Chosen:
    """Rules ask for every job; `changed` tells a file that was written anew from what was read of it before."""
    check_text(file)
    with refusing(f"{file}: not valid YAML", ConfigError):
        written = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    try:
        found = _FILE.validate_python(written)
    except ValidationError as error:
        raise ConfigError(f"{file}: {'; '.join(places(error))}") from error
    for dataset, models in found.items():
        for model, editors in models.items():
            for editor in editors:
                if editor not in EDITORS:
                    raise ConfigError(f"{file}: {dataset}.{model}: {unknown('editor', editor, EDITORS)}")
    return found


def write_tuned(path: str | Path, chosen: Chosen) -> None:
    """Write such a file, atomically, in the order of datasets and models and then of tables."""
    rank = list(EDITORS)
    plain = {
        dataset: {
            model: {name: editors[name].model_dump() for name in sorted(editors, key=rank.index)}
            for model, editors in sorted(models.items())
        }
        for dataset, models in sorted(chosen.items())
    }
    text = yaml.dump(plain, sort_keys=False, width=WIDTH, default_flow_style=None, allow_unicode=True)
    write_text(path, HEAD + text)


def entry_of(config: Mapping[str, Any], dataset: str, model: str, editor: str) -> Entry | None:
    """What was chosen for an editor there; None where the configuration names no file, or the file nothing for it."""
    if not config["tuned"]:
        return None
    return read_tuned(config["tuned"]).get(dataset, {}).get(model, {}).get(editor)
