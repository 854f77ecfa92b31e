"""From an editor's name to its class and to an editor; the table of names is `wise.editors.entries`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic.dataclasses import is_pydantic_dataclass

from wise.editors.entries import EDITORS
from wise.errors import ConfigError, unknown
from wise.options import build_options

if TYPE_CHECKING:
    from wise.editors.base import Editor
    from wise.lm.load import LanguageModel


def editor_class(name: str) -> type[Editor]:
    """The class of an editor; raises `ConfigError` for an unknown name, or a class that is not as its entry says."""
    if name not in EDITORS:
        raise unknown("editor", name, EDITORS)
    from wise.editors.base import Editor  # imports torch, which those who only ask for names need not wait for

    entry = EDITORS[name]
    try:
        kind = getattr(import_module(entry.module), entry.cls)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"editor '{name}': {entry.module}:{entry.cls} cannot be imported: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, Editor)):
        raise ConfigError(f"editor '{name}': {entry.module}:{entry.cls} is no subclass of wise.editors.base.Editor")
    if kind.name != name:
        raise ConfigError(f"editor '{name}': {entry.module}:{entry.cls} calls itself '{kind.name}'")
    if not is_pydantic_dataclass(kind.Config):
        raise ConfigError(f"editor '{name}': its Config is no pydantic dataclass, by which options are checked")
    makes = kind.make_artifact is not Editor.make_artifact
    if makes and entry.artifact is None:
        raise ConfigError(f"editor '{name}': {entry.cls} makes an artifact, which its entry has to name")
    if entry.artifact is not None and not makes:
        raise ConfigError(f"editor '{name}': its entry names the artifact '{entry.artifact}', {entry.cls} makes none")
    return kind


def make_editor(
    name: str,
    lm: LanguageModel,
    layer: int | None = None,
    options: Mapping[str, Any] | None = None,
    contexts: Sequence[str] = (),
    seed: int = 0,
) -> Editor:
    """An editor ready for `prepare`, its options checked against its config dataclass.

    Without a `layer` it edits that at the depth of its published runs.
    """
    kind = editor_class(name)
    config = build_options(kind.Config, options or {}, f"options of editor '{name}'")
    return kind(lm, config, kind.usual_layer(lm) if layer is None else layer, contexts, seed)
