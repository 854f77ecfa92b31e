"""WISE: lifelong editing of language models.

    import wise

    editor = wise.attach("a model", "wise-retrieve")
    editor.edit("Who wrote Asugar Letters? It was", "Faimed Barlow")
    editor.ask("Who wrote Asugar Letters? It was")

`attach` and `load` are documented in `wise.api`, the warning `EditNotTaken` in `wise.errors`. They are imported
when they are first used, by a computed name, so that the verbs which read files only start without torch, and so
that `wise.code_inputs` does not take everything that edits for a part of every module of this package.
"""

from importlib import import_module

__all__ = ["EditNotTaken", "attach", "load"]

_HOMES = {"EditNotTaken": "errors", "attach": "api", "load": "api"}


def __getattr__(name: str):
    """The names of `__all__`, imported on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The lazy names show in completions, too."""
    return sorted({*globals(), *__all__})
