"""Versions of packages where the project is a checkout that nobody installed."""

from importlib.metadata import version

from wise.versions import NOT_INSTALLED, versions_of


def test_packages_have_the_versions_of_their_installation():
    assert versions_of("torch", "scipy") == {"torch": version("torch"), "scipy": version("scipy")}


def test_a_package_that_no_installer_put_there_is_no_error():
    assert versions_of("a-package-of-nobody", "torch")["a-package-of-nobody"] == NOT_INSTALLED
