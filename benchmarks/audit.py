"""`python -m benchmarks.audit`: known vulnerabilities of the installed packages, and what could not be looked up.

pip-audit counts a package that its service does not know as no vulnerability, so that without a network nothing would
seem to be wrong. Here it is said, and the status is 1 unless every package was looked up and none is vulnerable.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

OWN = ("wise-editing",)
"""Packages that no service can know."""

TIMEOUT = 20
"""Seconds that the service has for one package."""


def main() -> int:
    """Ask, print, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="JSON file of pip-audit's findings")
    parser.add_argument("--path", help="folder of installed packages (default: those of this Python)")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.unlink(missing_ok=True)
    where = ["--path", args.path] if args.path else []
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--timeout", str(TIMEOUT), *where]
    done = subprocess.run([*command, "--format", "json", "--output", str(args.out)], capture_output=True, text=True)
    if not args.out.is_file():  # no network at all, for one
        sys.stderr.write(f"pip-audit failed: {done.stderr.strip().splitlines()[-1:]}\n")
        return 1
    lines, sound = report(json.loads(args.out.read_text(encoding="utf-8"))["dependencies"])
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if sound else 1


def report(found: list[dict[str, Any]]) -> tuple[list[str], bool]:
    """Lines for people from pip-audit's list of packages, and whether all were looked up and none is vulnerable."""
    asked = [package for package in found if package["name"] not in OWN]
    unknown = [package["name"] for package in asked if "vulns" not in package]
    lines = [f"{len(asked) - len(unknown)} of {len(asked)} packages were looked up"]
    if unknown:
        lines.append(f"not known to the service: {', '.join(unknown[:10])}{', ...' if len(unknown) > 10 else ''}")
    for package in asked:
        for flaw in package.get("vulns", ()):
            mended = ", ".join(flaw["fix_versions"]) or "no version yet"
            lines.append(f"{package['name']} {package['version']}: {flaw['id']}, mended in {mended}")
    vulnerable = sum(bool(package.get("vulns")) for package in asked)
    lines.append(f"{vulnerable} packages with known vulnerabilities")
    return lines, not unknown and not vulnerable


if __name__ == "__main__":
    raise SystemExit(main())
