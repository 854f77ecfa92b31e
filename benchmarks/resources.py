"""What jobs took beside what they ask a cluster for (wise/config/resources.py), from the results of some runs.

    python benchmarks/resources.py config/default.yaml config/smoke.yaml --out benchmarks/results/resources.json

For each configuration, rule and model the largest of its jobs is shown, in MB and minutes. Time comes from Snakemake's
benchmark files, and memory too where jobs started cold (on a cluster, or with `WISE_WARM= snakemake`). Of jobs that
started warm Snakemake sees no memory: that of edits then comes from their run records, and that of others is unknown
(null).
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

import yaml

from wise.config.model import complete
from wise.config.resources import needs, parameters

RULES = {
    "pretrain": "pretrain", "knowledge": "knowledge", "preedit": "preedit", "prepare": "prepare", "edit": "edit",
    "ablations": "edit", "overhead": "measure_overhead", "tracing": "trace", "tuned": "search",
}  # fmt: skip
"""Rules by the folder of their benchmark files; those of other folders ask for the same whatever the model."""

WAITING = 50.0
"""MB that a command takes at most which handed its work over to the warm process and only waits for it."""


def measured(config: dict, results: Path) -> list[dict]:
    """The largest job of each rule and model."""
    largest: dict[tuple[str, str], dict] = {}
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        place = path.relative_to(results / "benchmarks").with_suffix("")
        if place.parts[0] not in RULES:
            continue
        model = next((part for part in place.parts if part in config["models"]), next(iter(config["models"])))
        seen = largest.setdefault((RULES[place.parts[0]], model), {"jobs": 0, "took_mb": None, "took_minutes": 0.0})
        seen["jobs"] += 1
        with path.open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        memory = [*filter(None, map(_memory, rows)), *_recorded(results / place / "run.json")]
        seen["took_mb"] = max((round(one, 1) for one in (*memory, seen["took_mb"]) if one), default=None)
        seen["took_minutes"] = round(max(seen["took_minutes"], *(float(row["s"]) / 60 for row in rows)), 2)
    found = []
    for (rule, model), took in largest.items():
        asked = needs(rule, model, config["models"][model])
        found.append({"results": config["results"], "rule": rule, "model": model,
                      "parameters": int(parameters(model, config["models"][model])),
                      **took, "asks_mb": asked["mem_mb"], "asks_minutes": asked["runtime"]})  # fmt: skip
    return found


def _memory(row: dict[str, str]) -> float | None:
    """MB that a job took by a row of its benchmark file, None where it says nothing of the job."""
    noted = 0.0 if row["max_rss"] in ("NA", "-") else float(row["max_rss"])
    return noted if noted > WAITING else None


def _recorded(run: Path) -> list[float]:
    """MB that an edit job took by its own record."""
    peak = json.loads(run.read_text(encoding="utf-8"))["cost"]["peak_memory_bytes"] if run.exists() else None
    return [] if peak is None else [peak / 2**20]


def main() -> int:
    """Read, and write; status 1 where a job took more than such jobs ask for."""
    parser = argparse.ArgumentParser(description="Compare what jobs took with what they ask for.")
    parser.add_argument("configs", type=Path, nargs="+", help="the configuration of each run")
    parser.add_argument("--results", type=Path, nargs="*", help="their results (default: as the configurations say)")
    parser.add_argument("--out", type=Path, help="file to write (JSON)")
    args = parser.parse_args()
    configs = [complete(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in args.configs]
    folders = args.results or [Path(config["results"]) for config in configs]
    found = [one for config, folder in zip(configs, folders, strict=True) for one in measured(config, folder)]
    text = json.dumps(found, indent=1) + "\n"
    sys.stdout.write(text)
    if args.out is not None:
        args.out.write_text(text, encoding="utf-8")
    return int(
        any((one["took_mb"] or 0) > one["asks_mb"] or one["took_minutes"] > one["asks_minutes"] for one in found)
    )


if __name__ == "__main__":
    sys.exit(main())
