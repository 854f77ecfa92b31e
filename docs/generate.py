"""Writes the parts of the documentation that are derived from the code: `python docs/generate.py`.

    docs/api.md       the Python interface, from signatures and docstrings
    docs/metrics.md   the table of metrics, between two comments
    docs/extending/   the examples, which are files that tests run
    README.md         the main comparison, as committed in docs/results/default, between two comments

A test compares them with the code, so that they cannot go stale.
"""

from __future__ import annotations

import ast
import csv
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

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
    "Metrics": (("wise/evaluate/metrics.py", "Metric"),),
}
"""Headings of docs/api.md with the module and the name of each class and function below them, in order."""

NOTES = {"property": "property", "class method": "classmethod", "provided by a subclass": "abstractmethod"}
"""What is said of a method with a decorator."""

WIDTH = 118

FILE_BLOCK = r"(?P<comment><!-- file: (?P<file>\S+) -->)\n```(?P<language>\w*)\n.*?```\n"
"""A code block whose text is that of a file."""

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


def metrics_table() -> str:
    """A row for each registered metric."""
    from wise.evaluate.metrics import METRICS, Derived, Measured

    lines = ["| metric | heading | definition | from | better | bounds | version |", "|---|---|---|---|---|---|---:|"]
    for metric in METRICS.values():
        source = f"questions `{metric.kind}`" if isinstance(metric, Measured) else ""
        if isinstance(metric, Derived):
            source = ", ".join(f"`{part}`" for part in metric.parts)
        bounds = " to ".join(f"{bound:g}".replace("inf", "∞") for bound in metric.bounds)
        cells = (f"`{metric.name}`", metric.title, metric.description, source, metric.direction, bounds, metric.version)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def results_table() -> str:
    """The main comparison as committed in docs/results/default: averages by T, then what is kept at the largest T."""
    from wise.editors.entries import EDITORS

    def rows(name: str) -> list[dict[str, str]]:
        with (ROOT / f"docs/results/default/tables/{name}.csv").open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    cells = {(row["editor"], int(row["T"]), row["metric"]): float(row["mean"]) for row in rows("main")}
    seconds = {row["editor"]: row["edit_seconds"] for row in rows("cost")}
    times = sorted({T for _, T, _ in cells})
    columns = [(f"T={T} Avg", T, "avg") for T in times[:-1]]
    kept = {"Rel": "rel", "Gen": "gen", "Loc": "loc_far", "Avg": "avg", "exact": "rel_exact"}
    columns += [(f"T={times[-1]} {title}", times[-1], metric) for title, metric in kept.items()]
    lines = [f"| Editor | {' | '.join(title for title, _, _ in columns)} | s an edit |", "|---" + "|---:" * 9 + "|"]
    for editor in dict.fromkeys(editor for editor, _, _ in cells):
        numbers = [f"{cells[editor, T, metric]:.2f}" for _, T, metric in columns]
        cost = f"{float(seconds[editor]):.3f}" if editor != "none" else ""
        lines.append(f"| {EDITORS[editor].label} | {' | '.join(numbers)} | {cost} |")
    return "\n".join(lines)


def with_part(text: str, name: str, part: str) -> str:
    """`text` with `part` between the comments that begin and end the part called `name`."""
    begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"docs/generate.py: the comments of part '{name}' are missing")
    return f"{before}{begin}{part}\n{found}{after}"


def with_files(text: str) -> str:
    """`text` with the content of a file in each code block below a comment that names it: `<!-- file: PATH -->`."""

    def filled(found: re.Match[str]) -> str:
        code = (ROOT / found["file"]).read_text(encoding="utf-8").rstrip("\n")
        return f"{found['comment']}\n```{found['language']}\n{code}\n```\n"

    return re.sub(FILE_BLOCK, filled, text, flags=re.DOTALL)


def documents() -> dict[Path, str]:
    """Every derived document with the text that it should have."""
    parts = {"README.md": ("results", results_table), "docs/metrics.md": ("metrics", metrics_table)}
    made = {ROOT / "docs/api.md": api()}
    for file, (name, write) in parts.items():
        path = ROOT / file
        made[path] = with_part(path.read_text(encoding="utf-8"), name, write())
    for path in sorted((ROOT / "docs/extending").glob("*.md")):
        made[path] = with_files(path.read_text(encoding="utf-8"))
    return made


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    for path, text in documents().items():
        path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
