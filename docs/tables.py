"""Tables of the documentation that are made from the registries and from committed results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from textwrap import fill

from docs import machine_tables
from docs.sources import file_of, table

LEVEL = 0.05
"""Corrected p-values below it are shown as a difference."""


def metrics_table() -> str:
    """A row for each registered metric."""
    from wise.evaluate.metrics import METRICS, Derived, Measured

    rows = []
    for metric in METRICS.values():
        source = f"questions `{metric.kind}`" if isinstance(metric, Measured) else ""
        if isinstance(metric, Derived):
            source = ", ".join(f"`{part}`" for part in metric.parts)
        bounds = " to ".join(f"{bound:g}".replace("inf", "∞") for bound in metric.bounds)
        rows.append([f"`{metric.name}`", metric.title, metric.description, source, metric.direction, bounds,
                     str(metric.version)])  # fmt: skip
    header = ["metric", "heading", "definition", "from", "better", "bounds", "version"]
    return _markdown(header, rows, words=len(header) - 1)


def results_table() -> str:
    """The main comparison of the default run: averages by T, then what is kept at the largest T."""
    cells, seconds = means("default"), by_editor("default/cost", "edit_seconds")
    times = sorted({count for _, count, _ in cells})
    columns = [(f"T={count} Avg", count, "avg") for count in times[:-1]]
    kept = {"Rel": "rel", "Gen": "gen", "Loc": "loc_far", "Avg": "avg", "exact": "rel_exact"}
    columns += [(f"T={times[-1]} {title}", times[-1], metric) for title, metric in kept.items()]
    rows = []
    for editor in editors_of(cells):
        numbers = [f"{cells[editor, count, metric]:.2f}" for _, count, metric in columns]
        rows.append([label(editor), *numbers, f"{seconds[editor]:.3f}" if editor != "none" else ""])
    return _markdown(["Editor", *(title for title, _, _ in columns), "s an edit"], rows)


def real_table() -> str:
    """The comparison on a pretrained model with real edits, at its largest T: what is kept, for each dataset."""
    columns = {"Rel": "rel", "Gen": "gen", "Loc": "loc_far", "near": "loc_near", "Avg": "avg"}
    datasets = {"ZsRE": means("real", "zsre"), "CounterFact": means("real", "counterfact")}
    largest = max(count for cells in datasets.values() for _, count, _ in cells)
    shown = [
        (f"{name} {title}", cells, metric)
        for name, cells in datasets.items()
        for title, metric in columns.items()
        if any(found == metric for _, _, found in cells)
    ]
    rows = []
    for editor in editors_of(datasets["ZsRE"]):
        numbers = (cells.get((editor, largest, metric)) for _, cells, metric in shown)
        rows.append([label(editor), *("" if value is None else f"{value:.2f}" for value in numbers)])
    return _markdown(["Editor", *(title for title, _, _ in shown)], rows)


def taught_table() -> str:
    """CounterFact on the model that was taught its facts: the averages on the way, and what is kept in the end."""
    cells = means("counterfact-small")
    *before, largest = sorted({count for _, count, _ in cells})
    kept = {f"T={largest} Rel": "rel", "Gen": "gen", "Loc far": "loc_far", "Loc near": "loc_near", "Avg": "avg"}
    kept |= {"exact": "rel_exact", "generated": "rel_generated"}
    columns = [(f"T={count} Avg", count, "avg") for count in before]
    columns += [(title, largest, metric) for title, metric in kept.items()]
    rows = [
        [label(editor), *(f"{cells[editor, count, metric]:.2f}" for _, count, metric in columns)]
        for editor in editors_of(cells)
    ]
    return _markdown(["Editor", *(title for title, _, _ in columns)], rows)


def editors_table() -> str:
    """Rel/Gen/far Loc of every editor at each T of the default run, its cost, and its published Rel/Gen/Loc."""
    cells = means("default")
    near, cost = (
        {key[:2]: value for key, value in cells.items() if key[2] == "loc_near"},
        table(file_of("default/cost")),
    )
    times = sorted({count for _, count, _ in cells})
    published = {
        (row["editor"], int(row["T"]), row["metric"]): float(row["value"])
        for row in table(file_of("published"))
        if row["dataset"] == "zsre" and row["model"] == "LLaMA-2-7B"
    }
    rows = []
    for row in cost:
        editor = row["editor"]
        shown = [_triple(cells, editor, count, "loc_far") for count in times]
        paper = [_triple(published, editor, count, "loc") for count in (1, 100, 1000)]
        spent = [f"{float(row['edit_seconds']):.3f}",
                 f"{int(float(row['extra_parameters'])):,} ({float(row['extra_parameters_ratio']):.1%})"]  # fmt: skip
        spent = spent if editor != "none" else ["", ""]
        rows.append([editor, *shown, f"{near[editor, times[-1]]:.2f}", *spent, *paper])
    header = [*(f"T={count}" for count in times), f"T={times[-1]} near", "s an edit", "extra parameters"]
    header[0] += " Rel/Gen/far"
    return _markdown(["editor", *header, "published T=1", "T=100", "T=1000"], rows)


def answers_table() -> str:
    """Targets predicted exactly when teacher forced, and free answers that equal the target, at the largest T."""
    found = {folder: means(folder) for folder in ("default", "counterfact-small")}
    largest = {folder: max(count for _, count, _ in cells) for folder, cells in found.items()}
    header = ["editor"]
    for folder, count in largest.items():
        header += [f"{folder}, T={count}: exact", "freely given"]
    rows = []
    for editor in editors_of(found["default"]):
        numbers = []
        for folder, cells in found.items():
            values = (cells.get((editor, largest[folder], metric)) for metric in ("rel_exact", "rel_generated"))
            numbers += ["" if value is None else short(value) for value in values]
        if editor != "none":
            rows.append([label(editor), *numbers])
    return _markdown(header, rows)


def reproduced_table() -> str:
    """The published cells of WISE that a reproduction is held against; the better variant where both are printed."""
    wanted = [("LLaMA-2-7B", count) for count in (1, 10, 100, 1000)] + [("Mistral-7B", 1000)]
    rows = []
    for model, count in wanted:
        cells = {
            row["metric"]: float(row["value"])
            for row in table(file_of("published"))
            if (row["dataset"], row["model"], row["editor"], row["T"]) == ("zsre", model, "wise-merge", str(count))
        }
        rows.append([f"WISE, {model}, ZsRE, T={count}", *(short(cells[name]) for name in ("rel", "gen", "loc", "avg"))])
    return _markdown(["", "Rel", "Gen", "Loc", "Avg"], rows)


def switches_table() -> str:
    """Differences of every variant to the default, by editor, records and T; the default's own score on top."""
    rows = table(file_of("default/switches"))
    columns = [
        (editor, count, records)
        for editor in sorted({row["editor"] for row in rows}, reverse=True)
        for count in sorted({int(row["T"]) for row in rows}, reverse=True)
        for records in dict.fromkeys(map(records_of, rows))
    ]
    largest = max(count for _, count, _ in columns)
    cells = {(row["variant"], (row["editor"], int(row["T"]), records_of(row))): row for row in rows}
    header = [f"{label(editor)}, {records}, T={count}" for editor, count, records in columns]
    first, *others = dict.fromkeys(row["variant"] for row in rows)
    scores = [f"{float(cells[first, column]['avg']):.3f}" for column in columns]
    shown = [
        [variant, *(_difference(cells.get((variant, column)), column[1] == largest) for column in columns)]
        for variant in others
    ]
    return _markdown(["Variant", *header], [[f"{first}: Avg", *scores], *shown])


def switches_verdicts() -> str:
    """Variants that differ from the default, by the development edits where the table has them."""
    rows = [row for row in table(file_of("default/switches")) if row["p_holm"]]
    chosen = "development" if any(records_of(row) == "development" for row in rows) else "stream"
    signs: dict[str, set[bool]] = {}
    for row in rows:
        if records_of(row) == chosen:
            told_apart = float(row["p_holm"]) < LEVEL
            signs.setdefault(row["variant"], set()).update({float(row["difference"]) > 0} if told_apart else ())
    kinds = {"Worse": {False}, "Better": {True}, "Both": {True, False}, "Not told apart": set()}
    lines = []
    for kind, wanted in kinds.items():
        names = [f"`{variant}`" for variant, found in signs.items() if found == wanted]
        line = f"{kind}, by {chosen} edits: {'; '.join(names) or 'none'}."
        lines.append(fill(line, 118, initial_indent="* ", subsequent_indent="  ", break_on_hyphens=False))
    return "\n".join(lines)


def records_of(row: dict[str, str]) -> str:
    """Which edits a row of a study is about."""
    return row.get("records", "stream")


def _difference(row: dict[str, str] | None, with_interval: bool) -> str:
    if row is None:
        return ""
    text = f"{float(row['difference']):+.3f}"
    text = f"**{text}**" if float(row["p_holm"]) < LEVEL else text
    return f"{text} [{float(row['low']):+.3f}, {float(row['high']):+.3f}]" if with_interval else text


def means(folder: str, dataset: str = "") -> dict[tuple[str, int, str], float]:
    """Every mean of a committed main table by editor, T and metric; of one `dataset` where there are several."""
    rows = [row for row in table(file_of(f"{folder}/main")) if dataset in ("", row["dataset"])]
    return {(row["editor"], int(row["T"]), row["metric"]): float(row["mean"]) for row in rows}


def by_editor(place: str, column: str) -> dict[str, float]:
    """One column of a table with a row for each editor."""
    return {row["editor"]: float(row[column]) for row in table(file_of(place))}


def spaces_table() -> str:
    """A row for each option that a search of options looks at, by editor."""
    from wise.editors.entries import EDITORS
    from wise.editors.registry import editor_class
    from wise.editors.space import described_space, in_words

    rows = [
        [entry.label, f"`{option}`", in_words(plain)]
        for name, entry in EDITORS.items()
        if entry.module.startswith("wise.")  # other packages may add some
        for option, plain in described_space(editor_class(name).Config).items()
    ]
    return _markdown(["Editor", "option", "searched"], rows, words=3)


def editors_of(cells: Iterable[tuple[str, int, str]]) -> list[str]:
    """Editors in the order of a table."""
    return list(dict.fromkeys(editor for editor, _, _ in cells))


def label(editor: str) -> str:
    """How an editor is named in tables."""
    from wise.editors.entries import EDITORS

    return EDITORS[editor].label


def short(value: float) -> str:
    """A share with two decimals, without the zero in front."""
    return f"{value:.2f}".removeprefix("0")


def _triple(cells: dict[tuple[str, int, str], float], editor: str, count: int, locality: str) -> str:
    values = [cells.get((editor, count, metric)) for metric in ("rel", "gen", locality)]
    texts = [short(value) for value in values if value is not None]
    return "/".join({"1.00": "1", ".00": "0"}.get(text, text) for text in texts) if len(texts) == 3 else ""


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table whose columns behind the first `words` are aligned to the right."""
    rule = "|" + "---|" * words + "---:|" * (len(header) - words)
    return "\n".join([f"| {' | '.join(header)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])


def faults_table() -> str:
    """How each kind of fault ended."""
    header, rows = machine_tables.faults()
    return _markdown(header, rows, words=2)


def resources_table() -> str:
    """What jobs took, and what they ask for."""
    return _markdown(*machine_tables.resources())


PARTS: dict[str, tuple[tuple[str, Callable[[], str]], ...]] = {
    "README.md": (("real", real_table), ("results", results_table)),
    "docs/metrics.md": (("metrics", metrics_table),),
    "docs/editors.md": (("editors", editors_table), ("answers", answers_table)),
    "docs/tuning.md": (("spaces", spaces_table),),
    "docs/conventions.md": (("switches", switches_table), ("verdicts", switches_verdicts)),
    "docs/reproduce-paper.md": (("reproduced", reproduced_table),),
    "docs/cluster.md": (("faults", faults_table),),
    "docs/results/counterfact-small/README.md": (("taught", taught_table),),
    "benchmarks/README.md": (("resources", resources_table),),
}
"""Generated parts of each page: their names and what writes them."""
