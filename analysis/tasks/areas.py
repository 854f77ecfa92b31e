"""Editing areas: where the updates of edits lie, by task, for networks that were trained differently.

The vector of an edit is the mean of the transformed left factors over its tokens, of length 1 (`wise areas`); distances
are cosine. The paper draws t-SNE alone and gives no number. Here each group of edits has its silhouette by task, taken
in the whole space; so has the gradient that the network was given, since what lies apart there is no merit of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import t as student
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

from analysis.inputs import Inputs
from analysis.output import Table
from analysis.style import WIDTH, editor_style
from analysis.tasks.by_task import HELD_OUT, in_turn, task_title
from analysis.text import markdown, with_interval
from wise.errors import DataError, NothingToShow
from wise.evaluate.statistics import ALPHA

COLOURS = {"recent": "#0072B2", "counterfact": "#D55E00", "convsent": "#009E73", "questions": "#CC79A7"}
MARKERS = {"o": "●", "^": "▲", "s": "■", "D": "◆"}
"""Of the groups of a panel, as they are drawn and as they are written."""

PERPLEXITY = 30.0
"""t-SNE as scikit-learn has it by default; the paper's settings are not published."""


@dataclass(frozen=True)
class Group:
    """Edits of some tasks as one network, or several of one task each, update them; `vectors` is (n, f)."""

    name: str
    tasks: np.ndarray
    vectors: np.ndarray


@dataclass(frozen=True)
class Panel:
    """Groups that are drawn in one space."""

    title: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Network:
    """One trained network: what it was trained on, and what it makes of every edit."""

    editor: str
    trained: tuple[str, ...]
    balanced: bool
    edits: pd.DataFrame

    def group(self, tasks: Sequence[str], name: str = "", column: str = "update") -> Group:
        """Its edits of some tasks."""
        rows = self.edits[self.edits["task"].isin(tasks)]
        return Group(name or self.name, rows["task"].to_numpy(), np.stack(list(rows[column])))

    @property
    def name(self) -> str:
        """Editor and what it was trained on."""
        return f"{editor_style(self.editor).label}, {len(self.trained)} task{'s' * (len(self.trained) > 1)}"


def table(inputs: Inputs) -> Table:
    """A row for each panel and group: the silhouette of its tasks with its interval."""
    rows = []
    for panel in panels(inputs):
        for group in panel.groups:
            mean, low, high = separation(group)
            rows.append((panel.title, group.name, ", ".join(in_turn(group.tasks)), len(group.tasks), mean, low, high))
    frame = pd.DataFrame(rows, columns=["panel", "group", "tasks", "edits", "silhouette", "low", "high"])
    lines = [
        [row.panel, row.group, row.tasks, str(row.edits), with_interval(row.silhouette, row.low, row.high)]
        for row in frame.itertuples(index=False)
    ]
    intro = (
        "Silhouette by task of the edits' vectors, cosine distances in the whole space: 1 where tasks lie apart, 0 "
        "where they are mixed. 95% intervals over edits (jackknife), for one network each.\n"
    )
    header = ["Panel", "Group", "Tasks", "Edits", "Silhouette"]
    return Table(frame, f"{intro}\n{markdown(header, lines, left=3)}")


def figure(inputs: Inputs) -> Figure:
    """t-SNE above, principal components below, a column for each panel."""
    return draw(panels(inputs))


def panels(inputs: Inputs) -> list[Panel]:
    """The comparisons of the paper, as far as there are the networks."""
    networks = [_network(*area) for area in inputs.areas()]
    facts = ("recent", "counterfact", HELD_OUT)
    every = tuple(in_turn({task for network in networks for task in network.edits["task"]} - {HELD_OUT}))
    found = {(n.editor, n.trained, n.balanced): n for n in networks}

    def of(editor: str, *tasks: str, balanced: bool = True) -> Network | None:
        return found.get((editor, tasks, balanced))

    instructed, mend = of("instructedit", *every), of("mend", *every)
    single = [of("mend", task) for task in facts]
    made: list[Panel | None] = [
        _panel("InstructEdit and MEND", (instructed, mend), facts, given=True),
        _alone("MEND on one task or three", mend, single, facts),
        _panel(
            "InstructEdit by training",
            (of("instructedit", "recent"), of("instructedit", "recent", "counterfact"), instructed),
            facts,
        ),
        _panel(
            "Balance of training",
            (instructed, of("instructedit", *every, balanced=False)),
            ("recent", "convsent"),
            names=("balanced", "unbalanced"),
        ),
    ]
    shown = [panel for panel in made if panel is not None]
    if not shown:
        raise NothingToShow("no network was trained on what a panel compares")
    return shown


def separation(group: Group) -> tuple[float, float, float]:
    """The silhouette by task, cosine, with its 95% interval: jackknife over edits, Student's t."""
    mean, low, high = _jackknifed(*_silhouettes(group))
    return mean, max(low, -1.0), min(high, 1.0)


def further_apart(own: Group, other: Group) -> tuple[float, float, float]:
    """The difference of two silhouettes with its 95% interval; both groups are the same edits by two networks.

    Raises `DataError` where they are not.
    """
    if list(own.tasks) != list(other.tasks):
        raise DataError(f"the groups '{own.name}' and '{other.name}' are not of the same edits")
    (mean, without), (other_mean, other_without) = _silhouettes(own), _silhouettes(other)
    return _jackknifed(mean - other_mean, without - other_without)


def _silhouettes(group: Group) -> tuple[float, np.ndarray]:
    """That of all edits, and those (n,) without each of them."""
    distances = np.clip(1.0 - group.vectors @ group.vectors.T, 0.0, None)
    np.fill_diagonal(distances, 0.0)

    def of(kept: np.ndarray) -> float:
        return float(silhouette_score(distances[np.ix_(kept, kept)], group.tasks[kept], metric="precomputed"))

    everything = np.arange(len(group.tasks))
    return of(everything), np.array([of(np.delete(everything, place)) for place in everything])


def _jackknifed(mean: float, without: np.ndarray) -> tuple[float, float, float]:
    """A number with its 95% interval, from what it is (n,) without each observation."""
    count = len(without)
    error = np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
    reach = float(student.ppf(1 - ALPHA / 2, count - 1)) * error
    return mean, mean - reach, mean + reach


def draw(shown: Sequence[Panel]) -> Figure:
    """Colours are tasks, markers groups."""
    made = Figure(figsize=(WIDTH, 4.9), layout="constrained")
    grid = made.subplots(2, len(shown), squeeze=False)
    for column, panel in enumerate(shown):
        vectors = np.concatenate([group.vectors for group in panel.groups])
        for axes, places in zip(grid[:, column], (_tsne(vectors), _components(vectors)), strict=True):
            _scatter(axes, panel, places)
        grid[0, column].set_title(panel.title, fontsize=7.5)
        lines = [
            f"{symbol} {group.name}: {with_interval(*separation(group))}"
            for symbol, group in zip(MARKERS.values(), panel.groups, strict=False)
        ]
        grid[1, column].set_xlabel("\n".join(["silhouette by task", *lines]), fontsize=6, loc="left")
    for axes, name in zip(grid[:, 0], ("t-SNE", "principal components"), strict=True):
        axes.set_ylabel(name)
    tasks = in_turn([task for panel in shown for group in panel.groups for task in group.tasks])
    dots = {task: Line2D([], [], color=COLOURS[task], marker="o", linestyle="") for task in tasks}
    made.legend(list(dots.values()), list(map(task_title, tasks)), loc="outside lower center", ncols=len(tasks))
    return made


def _network(editor: str, options: dict[str, Any], edits: pd.DataFrame) -> Network:
    trained = tuple(options["tasks"]) or tuple(in_turn(edits["task"]))
    return Network(editor, trained, bool(options["balanced"]), edits)


def _panel(
    title: str, networks: Sequence[Network | None], tasks: Sequence[str], names: Sequence[str] = (), given: bool = False
) -> Panel | None:
    """The same edits by several networks; with `given` also the gradients that the first one is given."""
    there = [network for network in networks if network is not None]
    if len(there) < len(networks):
        return None
    groups = [network.group(tasks, name) for network, name in zip(there, names or [""] * len(there), strict=True)]
    if given:
        groups.append(there[0].group(tasks, f"gradient given to {editor_style(there[0].editor).label}", "gradient"))
    return Panel(title, tuple(groups))


def _alone(title: str, several: Network | None, single: Sequence[Network | None], tasks: Sequence[str]) -> Panel | None:
    """A network of several tasks beside networks of one task each, which are shown together."""
    parts = [network.group([task]) for network, task in zip(single, tasks, strict=True) if network is not None]
    if several is None or len(parts) < len(tasks):
        return None
    joined = Group(
        "one network a task",
        np.concatenate([part.tasks for part in parts]),
        np.concatenate([part.vectors for part in parts]),
    )
    return Panel(title, (several.group(tasks), joined))


def _scatter(axes: Axes, panel: Panel, places: np.ndarray) -> None:
    """Points (n, 2) of all groups in the order of the panel."""
    first = 0
    for group, marker in zip(panel.groups, MARKERS, strict=False):
        own = places[first : first + len(group.tasks)]
        first += len(group.tasks)
        axes.scatter(own[:, 0], own[:, 1], s=7, marker=marker, c=[COLOURS[task] for task in group.tasks],
                     linewidths=0, alpha=0.75)  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])


def _tsne(vectors: np.ndarray) -> np.ndarray:
    """(n, 2) by t-SNE from principal components, with a fixed seed."""
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    return TSNE(2, perplexity=perplexity, metric="cosine", init="pca", random_state=0).fit_transform(vectors)


def _components(vectors: np.ndarray) -> np.ndarray:
    """(n, 2): the first two principal components."""
    centred = vectors - vectors.mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    return left[:, :2] * values[:2]
