"""Which files of this project a module is made of, so that a rule can declare its code as input.

Snakemake does not see that a job imports modules. Each rule therefore names the module that it runs, and
gets back that file with everything of the project that it imports, directly or not. A changed figure
then redraws that figure, a changed editor repeats the edits of that editor alone, and nothing else runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from wise.datasets.registry import DATASETS, OWN
from wise.editors.registry import EDITORS
from wise.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("wise", "analysis")


def sources(*modules: str) -> list[str]:
    """Files of `modules` and of all project modules that they import, relative to the project, sorted.

    Imports are read from the syntax tree, those inside functions included; nothing is executed. A module
    imported by a computed name (a registry of editors, the verbs) is not seen and has to be named.
    Raises `ConfigError` for a module that the project does not have.
    """
    for module in modules:
        if _file(module) is None:
            raise ConfigError(f"no module '{module}' in this project")
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imports(module)
    return sorted(_file(module).relative_to(ROOT).as_posix() for module in found)


def editor_sources(editor: str) -> list[str]:
    """Files that an edit job of one editor depends on: what all editors share, and the editor's own modules.

    The registry is left out: a line added there for another editor changes nothing for this one.
    """
    files = sources("wise.commands.stream", EDITORS[editor].module)
    return [file for file in files if file != "wise/editors/registry.py"]


def artifact_sources(editor: str) -> list[str]:
    """Files that an editor's artifact depends on."""
    files = sources("wise.commands.prepare", EDITORS[editor].module)
    return [file for file in files if file != "wise/editors/registry.py"]


def dataset_sources(dataset: str) -> list[str]:
    """Files that the job of one dataset depends on; a name that is not registered is a file of one's own."""
    entry = DATASETS.get(dataset, OWN)
    files = sources("wise.commands.data", *(place.partition(":")[0] for place in (entry.place, entry.options)))
    return [file for file in files if file != "wise/datasets/registry.py"]


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Project modules that `module` imports, and the packages that it lies in."""
    file = _file(module)
    parents = module.split(".")[:-1]
    names = {".".join(parents[:depth]) for depth in range(1, len(parents) + 1)}
    package = module if file.name == "__init__.py" else ".".join(parents)
    names.update(_imported_names(ast.parse(file.read_text(encoding="utf-8"), filename=str(file)), package))
    return tuple(sorted(name for name in names if _file(name) is not None))


def _imported_names(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names that may be modules: for `from a import b` both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def _file(module: str) -> Path | None:
    """The file of a dotted module name, or None where it is not a module of this project."""
    parts = module.split(".")
    if parts[0] not in PACKAGES:
        return None
    plain = ROOT.joinpath(*parts).with_suffix(".py")
    package = ROOT.joinpath(*parts, "__init__.py")
    return next((file for file in (plain, package) if file.is_file()), None)
