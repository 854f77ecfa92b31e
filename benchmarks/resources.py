"""What jobs took beside what they ask a cluster for (wise/config/resources.py), from the benchmark files of a run.

    python benchmarks/resources.py config/smoke.yaml --out benchmarks/results/resources.json

Jobs that start warm take nothing that Snakemake could see: run with `WISE_WARM= snakemake`, or on a cluster. For each
rule and model the largest of its jobs is shown, in MB and minutes.
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
    "ablations": "edit", "overhead": "measure_overhead", "tuned": "search",
}  # fmt: skip
"""Rules by the folder of their benchmark files."""


def measured(config: dict, results: Path) -> list[dict]:
    """The largest job of each rule and model."""
    largest: dict[tuple[str, str], dict] = {}
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        parts = path.relative_to(results / "benchmarks").with_suffix("").parts
        model = next((part for part in parts if part in config["models"]), next(iter(config["models"])))
        with path.open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        place = largest.setdefault((RULES[parts[0]], model), {"jobs": 0, "took_mb": 0.0, "took_minutes": 0.0})
        place["jobs"] += 1
        for row in rows:
            memory = 0.0 if row["max_rss"] in ("NA", "-") else float(row["max_rss"])
            place["took_mb"] = round(max(place["took_mb"], memory), 1)
            place["took_minutes"] = round(max(place["took_minutes"], float(row["s"]) / 60), 2)
    found = []
    for (rule, model), took in largest.items():
        asked = needs(rule, model, config["models"][model])
        found.append({"rule": rule, "model": model, "parameters": int(parameters(model, config["models"][model])),
                      **took, "asks_mb": asked["mem_mb"], "asks_minutes": asked["runtime"]})  # fmt: skip
    return found


def main() -> int:
    """Read, and write; status 1 where a job took more than such jobs ask for."""
    parser = argparse.ArgumentParser(description="Compare what jobs took with what they ask for.")
    parser.add_argument("config", type=Path, help="the configuration of the run")
    parser.add_argument("--results", type=Path, help="its results (default: as the configuration says)")
    parser.add_argument("--out", type=Path, help="file to write (JSON)")
    args = parser.parse_args()
    config = complete(yaml.safe_load(args.config.read_text(encoding="utf-8")))
    found = measured(config, args.results or Path(config["results"]))
    text = json.dumps(found, indent=1) + "\n"
    sys.stdout.write(text)
    if args.out is not None:
        args.out.write_text(text, encoding="utf-8")
    return int(any(one["took_mb"] > one["asks_mb"] or one["took_minutes"] > one["asks_minutes"] for one in found))


if __name__ == "__main__":
    sys.exit(main())
