"""Which raw files make which dataset, and the options that all datasets of raw files share."""

from __future__ import annotations

from dataclasses import dataclass

from wise.datasets.published import counterfact, hallucination, knowedit, temporal, zsre
from wise.datasets.published.raw_files import SOURCES, Source
from wise.datasets.published.raw_rows import Convert
from wise.options import require

INVALID = ("skip", "stop")

CONVERTERS: dict[str, Convert] = {
    "zsre": zsre.convert,
    "hallucination": hallucination.convert,
    "temporal": temporal.convert,
    "counterfact": counterfact.convert,
    "knowedit": knowedit.convert,
}
"""By the folder of the raw files that they read."""


@dataclass(frozen=True)
class Setting:
    """The files of one dataset; without `train`, the last edits are held out as training records."""

    description: str
    edit: str
    train: str = ""
    train_limit: int = 0


SETTINGS = {
    "zsre": Setting(
        "ZsRE: 1037 questions with paraphrases and one-hop consequences.",
        "zsre_mend_edit.json",
        "zsre_mend_train.json",
        2000,
    ),
    "hallucination": Setting(
        "SelfCheckGPT: 600 true sentences after passages that were made up in part.",
        "hallucination-edit.json",
        "hallucination-train.json",
    ),
    "temporal": Setting(
        "Temporal: 75 paragraphs on recent things, asked for in Wikipedia's words.",
        "temporal-edit.json",
        "temporal-train.json",
    ),
    "counterfact": Setting("CounterFact: 9000 false facts of one token, 1000 held out.", "counterfact-edit.json"),
    "knowedit-recent": Setting(
        "KnowEdit, WikiData recent: facts since July 2022.", "recent_test.json", "recent_train.json"
    ),
    "knowedit-counterfact": Setting("KnowEdit, WikiData counterfact: false facts.", "test_cf.json", "train_cf.json"),
    "knowedit-convsent": Setting("KnowEdit, ConvSent: opinions on topics.", "blender_test.json", "blender_train.json"),
    "knowedit-wikibio": Setting(
        "KnowEdit, WikiBio: true sentences of biographies.", "wikibio-test-all.json", "wikibio-train-all.json"
    ),
    "knowedit-zsre": Setting(
        "KnowEdit, ZsRE: questions with consequences.", "ZsRE-test-all.json", "zsre_mend_train.json", 2000
    ),
}


@dataclass(frozen=True)
class RealOptions:
    """Where the raw files are and how much of them is used; an impossible value raises ValueError.

    `files` is the folder of downloads (empty: `raw` beside the made datasets), `local_dir` one that goes before it.
    `edit_file` and `train_file` are other files in place of the usual ones. A `limit` of 0 takes all edits, a
    `train_limit` of 0 the dataset's own number of training records. `held_out` counts for a dataset without a file
    of training records. `seed` draws far locality where the file has none.
    """

    files: str = ""
    local_dir: str = ""
    offline: bool = False
    invalid: str = "skip"
    edit_file: str = ""
    train_file: str = ""
    limit: int = 0
    train_limit: int = 0
    held_out: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.invalid in INVALID, f"invalid must be one of {', '.join(INVALID)}, found {self.invalid!r}")
        for name in ("limit", "train_limit"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, found {getattr(self, name)}")
        require(self.held_out >= 1, f"held_out must be at least 1, found {self.held_out}")


def sources(name: str, options: RealOptions) -> list[Source]:
    """The raw files of a dataset: its edits, then its training records if they have a file of their own."""
    setting = SETTINGS[name]
    files = [options.edit_file or setting.edit, options.train_file or setting.train]
    usual = [setting.edit, setting.train or setting.edit]
    return [
        SOURCES.get(file) or Source(file, SOURCES[other].folder)
        for file, other in zip(files, usual, strict=True)
        if file
    ]
