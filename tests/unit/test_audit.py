"""What an audit says of packages: what could not be looked up is not counted as sound."""

from __future__ import annotations

from benchmarks.audit import report

OWN = {"name": "wise-editing", "skip_reason": "not on PyPI"}
SOUND = {"name": "numpy", "version": "2.0", "vulns": []}
UNKNOWN = {"name": "odd", "skip_reason": "not found"}
FLAWED = {"name": "old", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}


def test_all_packages_have_to_be_looked_up_and_none_vulnerable():
    assert report([OWN, SOUND]) == (["1 of 1 packages were looked up", "0 packages with known vulnerabilities"], True)
    lines, sound = report([OWN, SOUND, UNKNOWN])
    assert not sound and "not known to the service: odd" in lines
    lines, sound = report([SOUND, FLAWED])
    assert not sound and "old 1.0: CVE-1, mended in 1.1" in lines
