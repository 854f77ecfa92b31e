"""Every editor by the name that users type. A new editor is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from wise.errors import unknown
from wise.options import build_options

if TYPE_CHECKING:
    from wise.editors.base import Editor
    from wise.lm.load import LanguageModel


class Entry(NamedTuple):
    """Where an editor's class lives, and the name of the artifact that its `prepare` makes, if it makes one."""

    module: str
    cls: str
    artifact: str | None = None


EDITORS = {
    "none": Entry("wise.editors.none", "NoneEditor"),
    "ft-l": Entry("wise.editors.ft", "FineTuning"),
    "ft-m": Entry("wise.editors.ft_m", "MaskedFineTuning"),
    "ft-ewc": Entry("wise.editors.ft_ewc", "ElasticFineTuning"),
    "defer": Entry("wise.editors.defer", "Defer"),
    "grace": Entry("wise.editors.grace", "Grace"),
    "memoir": Entry("wise.editors.memoir", "Memoir", "background"),
    "serac": Entry("wise.editors.serac.editor", "Serac", "serac"),
    "retrieval": Entry("wise.editors.retrieval", "Retrieval", "retrieval"),
    "rome": Entry("wise.editors.rome", "Rome", "moments"),
    "memit": Entry("wise.editors.memit", "Memit", "moments"),
    "memit-mass": Entry("wise.editors.memit", "MemitMass", "moments"),
    "alphaedit": Entry("wise.editors.alphaedit", "AlphaEdit", "moments"),
    "mend": Entry("wise.editors.mend.editor", "Mend", "mend"),
    "wise-merge": Entry("wise.editors.wise.editor", "WiseMerge"),
    "wise-retrieve": Entry("wise.editors.wise.editor", "WiseRetrieve"),
    "ultraedit": Entry("wise.editors.ultraedit", "UltraEdit", "pilot"),
    "locft-bf": Entry("wise.editors.locft", "BreadthFirst"),
}


def editor_class(name: str) -> type[Editor]:
    """The class of an editor; raises `ConfigError` that lists the names for an unknown one."""
    if name not in EDITORS:
        raise unknown("editor", name, EDITORS)
    entry = EDITORS[name]
    return getattr(import_module(entry.module), entry.cls)


def make_editor(
    name: str,
    lm: LanguageModel,
    layer: int,
    options: Mapping[str, Any] | None = None,
    contexts: Sequence[str] = (),
    seed: int = 0,
) -> Editor:
    """An editor ready for `prepare`, its options checked against its config dataclass."""
    kind = editor_class(name)
    config = build_options(kind.Config, options or {}, f"options of editor '{name}'")
    return kind(lm, config, layer, contexts, seed)
