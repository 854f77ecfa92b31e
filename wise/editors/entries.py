"""Every editor by the name that users type, with all that is known of it without importing torch.

A new editor is its module and one line here. Other distributions add theirs by an entry point of the group
`wise.editors`, whose name is the editor's and whose object is an `Entry`, in a module that imports nothing heavy:

    [project.entry-points."wise.editors"]
    my-editor = "my_package.entry:ENTRY"
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from wise.errors import ConfigError

GROUP = "wise.editors"
"""The group of entry points of other distributions' editors."""

UNEDITED = "Unedited"
FINE_TUNING = "Fine-tuning"
REWRITING = "Rewriting weights"
TRAINED = "Trained to edit"
MEMORIES = "Memories"
WISE = "WISE"
OTHER = "Other editors"


class Entry(NamedTuple):
    """Where an editor's class lives, and how tables and figures show it.

    `label` is its name in tables (empty: the name that users type), and `family` the panel of figures with many
    editors. `artifact` names what its `prepare` makes, the same name for editors whose artifact is the same. Without
    a `colour` (such as "#0072B2") or a `marker` of matplotlib it gets ones that follow from its name. Jobs of `slow`
    editors start first, so that none of them is left alone at the end.

    `trained`: the artifact is a network that depends on the editor's options, those of `edit_options` apart, among
    them `train_seed`. Runs with other options are then given another network.
    """

    module: str
    cls: str
    label: str = ""
    family: str = OTHER
    artifact: str | None = None
    colour: str = ""
    marker: str = ""
    line: str = "-"
    slow: bool = False
    trained: bool = False
    edit_options: tuple[str, ...] = ()


EDITORS: dict[str, Entry] = {
    "none": Entry("wise.editors.none", "NoneEditor", "Unedited", UNEDITED, None, "#7F7F7F", "x", ":"),
    "ft-l": Entry("wise.editors.ft", "FineTuning", "FT-L", FINE_TUNING, None, "#E69F00", "v", "-"),
    "ft-m": Entry("wise.editors.ft_m", "MaskedFineTuning", "FT-M", FINE_TUNING, None, "#A6761D", "^", "--"),
    "ft-ewc": Entry("wise.editors.ft_ewc", "ElasticFineTuning", "FT-EWC", FINE_TUNING, None, "#F6C971", "<", "-."),
    "locft-bf": Entry("wise.editors.locft", "BreadthFirst", "LocFT-BF", FINE_TUNING, None, "#7A4B00", ">", "-."),
    "rome": Entry("wise.editors.rome", "Rome", "ROME", REWRITING, "moments", "#CC79A7", "p", "--"),
    "memit": Entry("wise.editors.memit", "Memit", "MEMIT", REWRITING, "moments", "#882255", "h", "-"),
    "memit-mass": Entry("wise.editors.memit", "MemitMass", "MEMIT-MASS", REWRITING, "moments", "#F2A7D0", "H", "-."),
    "alphaedit": Entry("wise.editors.alphaedit", "AlphaEdit", "AlphaEdit", REWRITING, "moments", "#5E3C99", "8", "--"),
    "ultraedit": Entry("wise.editors.ultraedit", "UltraEdit", "UltraEdit", REWRITING, "pilot", "#9F86D9", "X", "-."),
    "ke": Entry("wise.editors.ke.editor", "KE", "KE", TRAINED, "ke", "#88CCEE", "v", "-", trained=True),
    "mend": Entry("wise.editors.mend.editor", "Mend", "MEND", TRAINED, "mend", "#999933", "P", "--", trained=True),
    "instructedit": Entry(
        "wise.editors.instructedit.editor",
        "InstructEdit",
        "InstructEdit",
        TRAINED,
        "instructedit",
        "#EE3377",
        "o",
        "-",
        trained=True,
        edit_options=("instruction",),
    ),
    "serac": Entry("wise.editors.serac.editor", "Serac", "SERAC", TRAINED, "serac", "#4D4D00", "d", "-."),
    "calinet": Entry("wise.editors.calinet.editor", "CaliNet", "CaliNet", MEMORIES, None, "#B3DE69", "<", "-."),
    "defer": Entry("wise.editors.defer", "Defer", "DEFER", MEMORIES, None, "#66C2A5", "D", "--"),
    "grace": Entry("wise.editors.grace", "Grace", "GRACE", MEMORIES, None, "#009E73", "s", "-"),
    "memoir": Entry("wise.editors.memoir", "Memoir", "MEMOIR", MEMORIES, "background", "#00441B", "*", "-."),
    "retrieval": Entry("wise.editors.retrieval", "Retrieval", "Retrieval", MEMORIES, "retrieval", "#56B4E9", "^", "--"),
    "wise-merge": Entry("wise.editors.wise.editor", "WiseMerge", "WISE-Merge", WISE, None, "#0072B2", "o", "-", True),
    "wise-retrieve": Entry(
        "wise.editors.wise.editor", "WiseRetrieve", "WISE-Retrieve", WISE, None, "#D55E00", "D", "-", True
    ),
}
"""Every known editor, in the order of tables and legends; those of other distributions are last."""

TRAITS = {
    UNEDITED: ("the model itself", "nothing"),
    FINE_TUNING: ("the model's weights", "one matrix or layer"),
    REWRITING: ("the model's weights", "one or several matrices, in closed form"),
    TRAINED: ("the model's weights", "matrices, by a network trained for it"),
    MEMORIES: ("beside the model", "what a memory answers"),
    WISE: ("side memories", "copies of one matrix, chosen by a router"),
    OTHER: ("not described", "not described"),
    "serac": ("texts of edits", "answers of a small model, by a scope classifier"),
    "calinet": ("slots beside an FFN", "outputs of one layer, always"),
    "defer": ("a gate and a linear layer", "outputs of one layer that the gate takes"),
    "grace": ("codebook of keys and values", "outputs of one layer near a key"),
    "memoir": ("one side matrix with masks", "outputs of one matrix, by the nearest mask"),
    "retrieval": ("texts of edits", "the prompt"),
}
"""Where edits are kept and what they change: of each family, and of the editors that differ from theirs."""


def _add_others() -> None:
    """Add the editors of other distributions; raises `ConfigError` for a name that is taken, or no `Entry`."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        if point.name in EDITORS:
            taken = EDITORS[point.name].module
            raise ConfigError(f"{_described(point)}: the name is taken by {taken}; remove one of the two packages")
        EDITORS[point.name] = _loaded(point)


def _loaded(point: EntryPoint) -> Entry:
    try:
        entry = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{_described(point)} cannot be loaded from {point.value}: {error}") from error
    if not isinstance(entry, Entry):
        raise ConfigError(f"{_described(point)}: {point.value} is no Entry of wise.editors.entries")
    return entry


def _described(point: EntryPoint) -> str:
    return f"editor '{point.name}' of the package '{point.dist.name if point.dist else '?'}' (entry point {GROUP})"


_add_others()
