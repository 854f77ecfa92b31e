"""The reproducibility checklist of NeurIPS, answered from the records of a run; what they do not say is left open."""

from __future__ import annotations

from collections import Counter

from analysis.reproduction.facts import Facts
from analysis.text import markdown

OPEN = "not in the records: for the authors to answer"


def checklist(facts: Facts) -> str:
    """A row for each question that is about experiments, with where its answer comes from."""
    rows = [[question, *answer] for question, answer in _answers(facts).items()]
    return markdown(["Question", "Answer", "From"], rows, left=3)


def _answers(facts: Facts) -> dict[str, tuple[str, str]]:
    seeds = sorted({run.record["seed"] for run in facts.runs})
    slices = Counter("shared" if run.record.get("slice") is None else "own" for run in facts.runs)
    verdicts = Counter(row["verdict"] for row in facts.table("claims"))
    tuned = sum(bool(run.record.get("tuned")) for run in facts.runs)
    failed = sum(run.record.get("failed_edits", 0) for run in facts.runs)
    covers = Counter(row["covers"] for row in facts.table("main"))
    hours = sum(seconds for _, seconds in facts.jobs.values()) / 3600
    shards = facts.table("shards")
    return {
        "Claims: do the results support what is claimed?": (
            ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()) or "no ledger was made",
            "tables/claims.csv",
        ),
        "Limitations: are they discussed?": (
            f"{sum(count for verdict, count in verdicts.items() if verdict.startswith('not'))} claims are not decided "
            f"or not testable here, with reasons; {failed} edits failed",
            "tables/claims.csv, run records",
        ),
        "Theory: is it checked?": (
            f"overlap of masks simulated for {len({(row['k'], row['rho']) for row in shards})} pairs of k and rho"
            if shards
            else "not in this run: made by `snakemake shards`",
            "tables/shards.csv",
        ),
        "Reproducibility: what is needed to repeat it?": (
            f"one configuration ({facts.config}), {len(facts.counted('dataset_sha256'))} digests of data, "
            f"{len(facts.counted('model_sha256'))} of models, a command for each of {len(facts.runs)} runs",
            "run records, section Runs",
        ),
        "Open access to data and code?": (
            "code: this project; data and models by digest, section Made of",
            "run records",
        ),
        "Details: are options and their choice given?": (
            f"all options are in each run record; {tuned} of {len(facts.runs)} runs have options that a search on "
            "development edits chose, by its digest",
            "run records",
        ),
        "Significance: are there intervals, and what do they cover?": (
            f"seeds {', '.join(map(str, seeds))}; edits of a seed: "
            + ", ".join(f"{kind} in {count} runs" for kind, count in slices.items())
            + f"; intervals cover {', '.join(f'{name} ({count} cells)' for name, count in covers.items())}",
            "tables/main.csv",
        ),
        "Compute: which machines, how long, how much memory?": (
            f"{hours:.2f} hours of timed jobs; most memory of an edit job {_peak(facts)}",
            "benchmarks, run records",
        ),
        "Ethics, broader impact, safeguards, licences, crowdsourcing, human subjects, language models": (
            OPEN,
            "–",
        ),
    }


def _peak(facts: Facts) -> str:
    peaks = [run.record["cost"].get("peak_memory_bytes") for run in facts.runs]
    known = [peak for peak in peaks if peak]
    return f"{max(known) / 2**30:.2f} GiB" if known else "not known"
