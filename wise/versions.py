"""Versions of packages, as records and memories state them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

NOT_INSTALLED = "not installed"
"""The version of a package that Python finds and that no installer put there, such as a checkout on `PYTHONPATH`."""


def versions_of(*packages: str) -> dict[str, str]:
    """The installed version of each package, `NOT_INSTALLED` for one without; no package is imported."""
    return {package: _version(package) for package in packages}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return NOT_INSTALLED
