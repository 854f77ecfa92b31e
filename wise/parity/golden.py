"""Golden folders: what one run of WISE in the released convention was given, and every number that it computed.

`inputs.json` has hyperparameters and token ids, `arrays.safetensors` (or `.npz`) the tensors, `trace.json` the
decisions. The unedited model, `model.safetensors` (or `.npz`) and `model_config.json`, lies in the folder itself or in
its sibling `model/`. Where `digests.json` lies beside the folder, files have to be as it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from wise.documents import read_object
from wise.errors import DataError, refusing, shown
from wise.files import sha256
from wise.lm.batch import Batch
from wise.lm.model_folder import require_count, require_finite, require_size
from wise.lm.tensor_file import read_tensors

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

ARRAYS, MODEL, DIGESTS = "arrays", "model", "digests.json"
FORMATS = (".safetensors", ".npz")

LARGEST = 2**30
"""Bytes of a document."""

MOST_STEPS = 10_000
"""Steps of an edit, beyond which a file is taken for a mistake; the released code takes 70 at most."""

UNLABELLED = -100

SHIPPED = Path(__file__).parent / "runs"
"""Golden runs of the project's own, see `tests/golden/make.py`."""


def shipped() -> list[Path]:
    """The folders of the golden runs that are part of the project."""
    return sorted(path.parent for path in SHIPPED.glob("*/inputs.json"))


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
        for name in SECTIONS:
            if not (folder / name).is_file():
                raise DataError(f"{folder}: not a golden folder, it has no {name}")
        if _tensor_file(folder, ARRAYS) is None:
            raise DataError(f"{folder}: not a golden folder, it has no {ARRAYS}.safetensors nor {ARRAYS}.npz")
        _check_digests(folder)
        golden = cls(folder, *(_document(folder / name, sections) for name, sections in SECTIONS.items()))
        steps = golden.hparams.get("n_iter") if isinstance(golden.hparams, dict) else None
        if type(steps) is not int or not 1 <= steps <= MOST_STEPS:
            path = folder / "inputs.json"
            raise DataError(f"{path}: hparams.n_iter must be from 1 to {MOST_STEPS}, found {shown(steps)}")
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
    def arrays(self) -> Mapping[str, Tensor]:
        """The tensors by name."""
        path = _tensor_file(self.folder, ARRAYS)
        assert path is not None, "checked when the folder was opened"
        return _tensors(path)

    def array(self, name: str) -> Tensor:
        """One tensor; raises `DataError` when the folder lacks it."""
        if name not in self.arrays:
            raise DataError(f"{_tensor_file(self.folder, ARRAYS)}: has no array '{name}'")
        return self.arrays[name]

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
        path = _tensor_file(self.folder, MODEL) or _tensor_file(self.folder.parent / MODEL, MODEL)
        if path is None:
            raise DataError(
                f"{self.folder}: no model.safetensors nor model.npz in it nor in {self.folder.parent / MODEL}"
            )
        state = {name: tensor.to(getattr(torch, self.dtype)) for name, tensor in _tensors(path).items()}
        described = path.parent / "model_config.json"
        given = read_object(described, ["model_type"])
        require_count(described, given, len(state))
        with refusing(f"{described}: describes no model", DataError):
            config = AutoConfig.for_model(**given)
        require_size(described, given, config, sum(tensor.numel() for tensor in state.values()))
        model = AutoModelForCausalLM.from_config(
            config, dtype=getattr(torch, self.dtype), attn_implementation=ATTENTION[self.dtype]
        )
        missing, unexpected = model.load_state_dict(state, strict=False)
        absent = [name for name in missing if name not in getattr(model, "_tied_weights_keys", {})]
        if absent or unexpected:
            raise DataError(f"{path}: lacks {absent}, has unknown {unexpected}")
        require_finite(model, path)
        return cast("CausalModel", model.eval().requires_grad_(False))


def _tensor_file(folder: Path, name: str) -> Path | None:
    """The file of tensors called `name`, in either format."""
    return next((path for suffix in FORMATS if (path := folder / f"{name}{suffix}").is_file()), None)


def _tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return read_tensors(path)
    with np.load(path, allow_pickle=False) as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored}


def _check_digests(folder: Path) -> None:
    """Raise `DataError` where a file of the folder or of the model beside it is not as the list of digests says."""
    if not (folder.parent / DIGESTS).is_file():
        return
    for name, digest in read_object(folder.parent / DIGESTS).items():
        path = folder.parent / name
        if path.parent.name in (folder.name, MODEL) and (not path.is_file() or sha256(path) != digest):
            raise DataError(f"{path}: missing or changed since it was made, by its sha256 in {folder.parent / DIGESTS}")


def _document(path: Path, sections: Sequence[str]) -> dict[str, Any]:
    return read_object(path, sections, LARGEST)
