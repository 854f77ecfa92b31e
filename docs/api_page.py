"""docs/api.md: the Python interface, from signatures and docstrings."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator

from docs.pages import ROOT

API: dict[str, tuple[tuple[str, str], ...]] = {
    "Editing a model": (
        ("wise/api.py", "attach"),
        ("wise/api.py", "load"),
        ("wise/edited.py", "EditedModel"),
        ("wise/editors/base.py", "EditOutcome"),
        ("wise/edited.py", "FreeAnswer"),
    ),
    "Edits and questions": (("wise/records.py", "EditRecord"), ("wise/records.py", "Probe")),
    "Writing an editor": (
        ("wise/editors/base.py", "Editor"),
        ("wise/editors/entries.py", "Entry"),
        ("wise/editors/decision.py", "Routing"),
        ("wise/editors/decision.py", "Reading"),
    ),
    "Metrics": (("wise/evaluate/metric_registry.py", "Metric"),),
}
"""Headings of docs/api.md with the module and the name of each class and function below them, in order."""

NOTES = {"property": "property", "class method": "classmethod", "provided by a subclass": "abstractmethod"}
"""What is said of a method with a decorator."""

WIDTH = 118

HEAD = """# Python interface

Made from the docstrings by `python docs/generate.py`; a test fails when it is stale. Shapes: B texts of L tokens, f
inputs and d outputs of the edited matrix, V words of the vocabulary. Errors are subclasses of `wise.errors.WiseError`:
`ConfigError` for a bad option or name, `DataError` for bad data, `EditError` for an edit that failed.
"""


def api() -> str:
    """The text of docs/api.md."""
    parts = [HEAD]
    for heading, members in API.items():
        parts.append("\n".join(f"* [`{name}`](#{name.lower()})" for _, name in members))
        parts[-1] = f"## {heading}\n\n{parts[-1]}\n"
        parts += [_section(path, name) for path, name in members]
    return "\n".join(parts)


def _section(path: str, name: str) -> str:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = [node for node in tree.body if getattr(node, "name", None) == name]
    if not found:
        raise SystemExit(f"docs/generate.py: {path} has no class or function {name}")
    node = found[-1]
    where = f"`{path.removesuffix('.py').replace('/', '.')}`"
    if isinstance(node, ast.FunctionDef):
        return f"### `{name}`\n\n{where}\n\n{_code(_signature(node))}\n{_text(node)}"
    assert isinstance(node, ast.ClassDef)
    return f"### `{name}`\n\n{where}\n\n{_text(node)}{_attributes(node)}{''.join(_methods(node))}"


def _methods(node: ast.ClassDef) -> Iterator[str]:
    """Public methods and the abstract ones that a subclass provides; an overloaded one with all its signatures."""
    functions = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    for name in dict.fromkeys(part.name for part in functions):
        forms = [part for part in functions if part.name == name]
        marks = {ast.unparse(mark) for part in forms for mark in part.decorator_list}
        if name.startswith("_") and "abstractmethod" not in marks:
            continue
        overloads = [part for part in forms if "overload" in map(ast.unparse, part.decorator_list)]
        code = _code("\n".join(_signature(part) for part in overloads or forms[-1:]))
        notes = [word for word, mark in NOTES.items() if mark in marks]
        note = f"*{', '.join(notes)}*\n\n" if notes else ""
        yield f"#### `{node.name}.{name}`\n\n{note}{code}\n{_text(forms[-1])}"


def _attributes(node: ast.ClassDef) -> str:
    """Public fields with their defaults, and what their own docstring or description says."""
    rows = []
    for part, after in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(part, ast.AnnAssign) or ast.unparse(part.target).startswith("_"):
            continue
        default, said = _default(part.value)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            said = str(after.value.value)
        kind = ast.unparse(part.annotation).replace("|", "\\|")
        shown = f"`{default}`" if default else ""
        rows.append(f"| `{ast.unparse(part.target)}` | `{kind}` | {shown} | {' '.join(said.split())} |")
    return "\n".join(["| field | type | default | |", "|---|---|---|---|", *rows, "", ""]) if rows else ""


def _default(value: ast.expr | None) -> tuple[str, str]:
    """A field's default value and, for one that is described like `Field(default, description="...")`, what it says."""
    if not isinstance(value, ast.Call):
        return "" if value is None else ast.unparse(value), ""
    given = {word.arg: word.value for word in value.keywords}
    default = value.args[0] if value.args else given.get("default")
    said = ast.literal_eval(given["description"]) if "description" in given else ""
    return "" if default is None else ast.unparse(default), said


def _signature(node: ast.FunctionDef) -> str:
    arguments, returns = _arguments(node.args), f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{node.name}({', '.join(arguments)}){returns}"
    if len(line) <= WIDTH:
        return line
    return f"{node.name}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){returns}"


def _arguments(args: ast.arguments) -> list[str]:
    """Every argument but `self` and `cls` as it is written in a signature."""
    plain = [*args.posonlyargs, *args.args]
    defaults = [*[None] * (len(plain) - len(args.defaults)), *args.defaults]
    found = [_argument(*pair) for pair in zip(plain, defaults, strict=True) if pair[0].arg not in ("self", "cls")]
    if args.vararg or args.kwonlyargs:
        found.append(f"*{_argument(args.vararg, None) if args.vararg else ''}")
    found += [_argument(*pair) for pair in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    return [*found, f"**{_argument(args.kwarg, None)}"] if args.kwarg else found


def _argument(arg: ast.arg, default: ast.expr | None) -> str:
    kind = f": {ast.unparse(arg.annotation)}" if arg.annotation else ""
    equals = " = " if kind else "="
    return f"{arg.arg}{kind}{'' if default is None else equals + ast.unparse(default)}"


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _text(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The docstring as paragraphs, its indented parts as code."""
    found = ast.get_docstring(node)
    if not found:
        return ""
    parts = found.split("\n\n")
    return "".join(f"{part if part.startswith('    ') else _filled(part)}\n\n" for part in parts)


def _filled(paragraph: str) -> str:
    return textwrap.fill(" ".join(paragraph.split()), WIDTH, break_on_hyphens=False)
