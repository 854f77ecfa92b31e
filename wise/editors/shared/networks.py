"""Networks whose parameters come from a file, compared with it before one number of them is allocated."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from wise.errors import ConfigError


def require_fitting(
    build: Callable[[], nn.Module], tensors: Mapping[str, Tensor], whose: str, tied: bool = False
) -> None:
    """Raise `ConfigError`, naming both, for tensors that the network which `build` makes could not be filled with.

    `build` is called where tensors have shapes and no memory, so that options such as a width of a billion cost
    nothing. With `tied` some tensors may be missing, since they are those of others.
    """
    with torch.device("meta"):
        wanted = {name: list(tensor.shape) for name, tensor in build().state_dict().items()}
    found = {name: list(tensor.shape) for name, tensor in tensors.items()}
    wrong = [
        f"'{name}' is {found.get(name, 'missing')}, expected {wanted.get(name, 'nothing')}"
        for name in sorted(wanted | found)
        if found.get(name) != wanted.get(name) and not (tied and name in wanted and name not in found)
    ]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise ConfigError(f"{whose} does not fit the options and the model: {'; '.join(wrong[:5])}{more}")
