"""What code a job depends on, as one digest that its rule takes as a parameter.

Snakemake does not see that a job imports modules. Each rule therefore names the module that it runs, and gets a
digest of that file with everything of the project that it imports, directly or not. A changed figure then redraws that
figure, a changed editor repeats the edits of that editor alone, and nothing else runs. As inputs the same files would
cost more: Snakemake asks for the size of every input of every waiting job each time that a job ends.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from wise.datasets.registry import DATASETS, OWN
from wise.editors.entries import EDITORS
from wise.errors import ConfigError

DATA = {
    "wise.instructions.sentences": ("wise/instructions/sentences.yaml",),
    "wise.instructions.refinement": ("wise/instructions/drafts.yaml",),
}
"""Files of the project that a module reads, by its name."""

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("wise", "analysis")
BODIES = ("body", "orelse", "handlers", "finalbody", "cases")
"""Where statements hold others; nothing else has imports in it."""
TABLES = {"wise.editors.entries", "wise.datasets.registry"}
"""What lists editors or datasets: a line that is added for another one changes nothing for this one."""


def sources(*modules: str) -> list[str]:
    """Files of `modules` and of all project modules that they import, relative to the project, sorted.

    Imports are read from the syntax tree, those inside functions included; nothing is executed. A module
    imported by a computed name (a registry of editors, the verbs) is not seen and has to be named.
    Raises `ConfigError` for a module that the project does not have.
    """
    files = (_file(module) for module in _closure(modules))
    return sorted(file.relative_to(ROOT).as_posix() for file in files if file is not None)


def code(*modules: str, data: Iterable[str] = ()) -> str:
    """Digest of `modules` and of all project modules that they import: the parameter `code` of a rule.

    `data` are files of the project that these modules read. Of `TABLES` only those count that are among `modules`.
    """
    return _digest(_closure(modules) - (TABLES - set(modules)), data)


def editor_code(verb: str, editor: str) -> str:
    """Digest of what a job of one editor depends on: the command `verb`, such as "stream", and its own modules."""
    return code(f"wise.commands.{verb}", EDITORS[editor].module)


def dataset_code(dataset: str) -> str:
    """Digest of what the job of one dataset depends on; a name that is not registered is a file of one's own."""
    entry = DATASETS.get(dataset, OWN)
    own = (place.partition(":")[0] for place in (entry.place, entry.options))
    return code("wise.commands.data.make", *own)


def _closure(modules: Iterable[str]) -> set[str]:
    """`modules` and all that they import, directly or not."""
    found: set[str] = set()
    waiting = list(modules)
    for module in waiting:
        _file(module)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imports(module)
    return found


def _digest(modules: Iterable[str], data: Iterable[str] = ()) -> str:
    """Names and contents of modules and other files as 32 hexadecimal digits."""
    modules = list(modules)
    data = [*data, *(file for module in modules for file in DATA.get(module, ()))]
    files = {**{module: _file(module) for module in modules}, **{file: ROOT / file for file in data}}
    listed = "".join(f"{name} {_content(file)}\n" for name, file in sorted(files.items()) if file is not None)
    return hashlib.sha256(listed.encode()).hexdigest()[:32]


@cache
def _content(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Project modules that `module` imports, and the packages that it lies in."""
    file = cast(Path, _file(module))  # its caller has looked
    parents = module.split(".")[:-1]
    names = {".".join(parents[:depth]) for depth in range(1, len(parents) + 1)}
    package = module if file.name == "__init__.py" else ".".join(parents)
    names.update(_imported_names(ast.parse(file.read_text(encoding="utf-8"), filename=str(file)), package))
    return tuple(sorted(name for name in names if _find(name) is not None))


def _imported_names(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names that may be modules: for `from a import b` both `a` and `a.b`; none that are for types alone."""
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - tree.level + 1] if tree.level else []
        base = ".".join([*above, *([tree.module] if tree.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in tree.names)
    elif not (isinstance(tree, ast.If) and isinstance(tree.test, ast.Name) and tree.test.id == "TYPE_CHECKING"):
        for part in BODIES:
            for child in getattr(tree, part, ()):
                yield from _imported_names(child, package)


@cache
def _find(module: str) -> Path | None:
    """The file of a dotted module name, or None where it is neither of this project nor of another's editor."""
    top, *parts = module.split(".")
    root = _root(top)
    if root is None:
        return None
    plain = root.joinpath(top, *parts).with_suffix(".py")
    package = root.joinpath(top, *parts, "__init__.py")
    return next((file for file in (plain, package) if file.is_file()), None)


def _file(module: str) -> Path:
    """The file of a module; raises `ConfigError` for one that is neither of this project nor of another's editor."""
    file = _find(module)
    if file is None:
        raise ConfigError(f"no module '{module}' in this project")
    return file


@cache
def _root(package: str) -> Path | None:
    """The folder that holds a package; None for those of which no digest is made."""
    if package in PACKAGES:
        return ROOT
    if package not in {entry.module.split(".")[0] for entry in EDITORS.values()}:
        return None
    found = find_spec(package)
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parents[1 if found.submodule_search_locations else 0]
