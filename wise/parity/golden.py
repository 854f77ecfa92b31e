"""Golden folders: what one run of the released code was given, and every number that it computed.

`inputs.json` has hyperparameters and token ids, `arrays.npz` the tensors, `trace.json` the decisions. The
unedited model lies in the folder itself or in its sibling `model/`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from wise.errors import DataError
from wise.lm.batch import Batch

if TYPE_CHECKING:
    from wise.lm.load import CausalModel

TOLERANCES = {"float64": 1e-9, "float32": 1e-5}
"""Largest deviation that counts as the same number, by the precision of the run."""

ATTENTION = {"float64": "sdpa", "float32": "eager"}
"""Attention implementation that the runs used, by precision."""

SECTIONS = {
    "inputs.json": ("hparams", "edits", "tokens"),
    "trace.json": ("dtype", "per_edit", "saves", "probes", "generation"),
}
"""What the documents must have."""

UNLABELLED = -100


@dataclass(frozen=True)
class Golden:
    """One golden folder."""

    folder: Path
    inputs: dict[str, Any]
    trace: dict[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> Golden:
        """Read a folder; raises `DataError` naming what is missing or of an unknown precision."""
        folder = Path(folder)
        for name in (*SECTIONS, "arrays.npz"):
            if not (folder / name).is_file():
                raise DataError(f"{folder}: not a golden folder, it has no {name}")
        golden = cls(folder, *(_document(folder / name, sections) for name, sections in SECTIONS.items()))
        if golden.dtype not in TOLERANCES:
            raise DataError(f"{folder / 'trace.json'}: dtype '{golden.dtype}', expected one of {', '.join(TOLERANCES)}")
        return golden

    @property
    def dtype(self) -> str:
        """Precision of the run, "float64" or "float32"."""
        return str(self.trace["dtype"]).removeprefix("torch.")

    @property
    def tolerance(self) -> float:
        """Largest deviation that counts as the same number."""
        return TOLERANCES[self.dtype]

    @property
    def hparams(self) -> dict[str, Any]:
        """Hyperparameters under the names of the released code."""
        return self.inputs["hparams"]

    @cached_property
    def arrays(self) -> Any:
        """The tensors by name."""
        return np.load(self.folder / "arrays.npz", allow_pickle=False)

    def array(self, name: str) -> Tensor:
        """One tensor; raises `DataError` when the folder lacks it."""
        if name not in self.arrays:
            raise DataError(f"{self.folder / 'arrays.npz'}: has no array '{name}'")
        return torch.from_numpy(self.arrays[name])

    def has(self, name: str) -> bool:
        """Whether a tensor is there."""
        return name in self.arrays

    @property
    def edits(self) -> int:
        """Number of edits."""
        return len(self.inputs["edits"])

    def batch(self, edit: int) -> Batch:
        """The rows of an edit as they were fed, padded on the left; the last is the irrelevant text."""
        tokens = self.inputs["tokens"][str(edit)]
        ids, mask, labels = (torch.tensor(tokens[key]) for key in ("input_ids", "attention_mask", "labels"))
        start = (labels != UNLABELLED).long().argmax(1)
        return Batch(ids, mask, start, torch.full_like(start, ids.shape[1]))

    def spans(self, edit: int) -> tuple[Tensor, Tensor] | None:
        """In-scope and out-of-scope positions of the edit's rows in subject mode, (B - 1, L) each; else None."""
        tokens = self.inputs["tokens"][str(edit)]
        if tokens.get("act_mask") is None:
            return None
        return torch.tensor(tokens["act_mask"]).bool(), torch.tensor(tokens["deact_mask"]).bool()

    def model(self) -> CausalModel:
        """The unedited model in the precision of the run."""
        place = next((p for p in (self.folder, self.folder.parent / "model") if (p / "model.npz").is_file()), None)
        if place is None:
            raise DataError(f"{self.folder}: no model.npz in it nor in {self.folder.parent / 'model'}")
        config = AutoConfig.for_model(**json.loads((place / "model_config.json").read_text(encoding="utf-8")))
        model = AutoModelForCausalLM.from_config(
            config, dtype=getattr(torch, self.dtype), attn_implementation=ATTENTION[self.dtype]
        )
        with np.load(place / "model.npz", allow_pickle=False) as weights:
            state = {name: torch.from_numpy(weights[name]).to(getattr(torch, self.dtype)) for name in weights}
        missing, unexpected = model.load_state_dict(state, strict=False)
        absent = [name for name in missing if name not in getattr(model, "_tied_weights_keys", {})]
        if absent or unexpected:
            raise DataError(f"{place / 'model.npz'}: lacks {absent}, has unknown {unexpected}")
        return cast("CausalModel", model.eval().requires_grad_(False))


def _document(path: Path, sections: Sequence[str]) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: not JSON ({error})") from error
    for section in sections:
        if section not in document:
            raise DataError(f"{path}: has no '{section}'")
    return document
