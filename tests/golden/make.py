"""Writes the golden runs that are part of the project: `python -m tests.golden.make` from its root.

The literal WISE of this folder makes them, which shares no code with the editor that `wise parity` replays them with.
Logits are kept for the edits' own prompts alone, so that the files stay small.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from tests.golden.run import write_golden
from wise.files import sha256, write_json
from wise.parity.golden import DIGESTS, SHIPPED

RUNS: dict[str, dict[str, Any]] = {
    "retrieve": {
        "edits": 4,
        "replay": True,
        "save_freq": 1,
        "merge_freq": 2,
        "n_iter": 8,
        "mask_ratio": 0.5,
        "edit_lr": 2.0,
    },
    "merge": {"retrieve": False},
    "dare-ties": {"edits": 4, "retrieve": False, "merge_alg": "dare_ties", "dtype": "float32", "edit_lr": 0.3},
}
"""Options of each run: memories side by side with replay, one merged memory, and a random merging rule in float32."""

LEFT_OUT = re.compile(r"probe/\d+/(rephrase|locality)/logits")


def make(place: Path) -> None:
    """Write all runs, the model that they share, and the digests of all files below `place`."""
    shutil.rmtree(place, ignore_errors=True)
    for name, options in RUNS.items():
        write_golden(place / name, beside=True, **options)
        path = place / name / "arrays.safetensors"
        save_file({key: array for key, array in load_file(path).items() if not LEFT_OUT.fullmatch(key)}, path)
    files = sorted(path for path in place.rglob("*") if path.is_file())
    write_json(place / DIGESTS, {path.relative_to(place).as_posix(): sha256(path) for path in files})


if __name__ == "__main__":
    make(SHIPPED)
