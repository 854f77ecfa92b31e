"""The document in Markdown, and as one HTML page with its figures inside."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

from markdown_it import MarkdownIt

from analysis.artifacts import ARTIFACTS, MAIN, STUDY, TUNING, Artifact
from analysis.landing import commit
from analysis.reproduction.checklist import checklist
from analysis.reproduction.facts import Facts
from analysis.text import markdown, number

LONGEST = 80
"""Lines of a table that is shown whole; a longer one is a link."""
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Reproduction</title><style>
body {{ font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; font-size: 13px; }}
td, th {{ border: 1px solid #ddd; padding: .2em .5em; }} img {{ max-width: 100%; }}
</style><body>{body}</body></html>
"""


def written(facts: Facts, home: Path) -> str:
    """The whole document; links are relative to the folder `home`, in which it lies."""
    parts = [
        "# Reproduction",
        f"Made from the records of {len(facts.runs)} runs in `{facts.results}`; no number here was typed by hand. "
        f"Everything again: `snakemake --configfile {facts.config}`, by {commit()}.",
        "[Claims](#claims) · [Made of](#made-of) · [Compute](#compute) · [Checklist](#checklist) · "
        "[Tables and figures](#tables-and-figures) · [Runs](#runs)",
        "## Claims",
        _shown(facts, ARTIFACTS["claims"], home) or "The ledger was not made: `snakemake claims`.",
        "## Made of",
        *_made_of(facts),
        "## Compute",
        _compute(facts),
        "## Checklist",
        "The questions of the NeurIPS checklist that are about experiments.",
        checklist(facts),
        "## Tables and figures",
        *_artifacts(facts, home),
        "## Runs",
        _runs(facts, home),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def as_page(text: str, home: Path) -> str:
    """The document as HTML that needs no other file: figures are part of it, links to files are plain text."""
    body = MarkdownIt("commonmark").enable("table").render(text)

    def embedded(found: re.Match[str]) -> str:
        picture = base64.b64encode((home / found["file"]).read_bytes()).decode()
        return f'src="data:image/png;base64,{picture}"'

    body = re.sub(r'src="(?P<file>[^"]+\.png)"', embedded, body)
    body = re.sub(r'<a href="(?!#|https?:)[^"]*">(.*?)</a>', r"<code>\1</code>", body)
    named = re.sub(r"<h2>(.*?)</h2>", lambda m: f'<h2 id="{m[1].lower().replace(" ", "-")}">{m[1]}</h2>', body)
    return PAGE.format(body=named)


def _made_of(facts: Facts) -> list[str]:
    kinds = {
        "Data": ("dataset", "dataset_sha256"),
        "Models": ("model", "model_sha256"),
        "Machines": ("hardware.cpu", "hardware.cores", "hardware.threads", "hardware.device"),
        "Versions": ("versions.python", "versions.torch", "versions.transformers", "versions.wise"),
    }
    parts = []
    for title, keys in kinds.items():
        rows = [[*values, str(count)] for values, count in sorted(facts.counted(*keys).items())]
        header = [key.rpartition(".")[2].replace("_", " ") for key in keys]
        parts.append(f"{title}:\n\n" + markdown([*header, "Runs"], rows, left=len(keys)))
    return parts


def _compute(facts: Facts) -> str:
    rows = [[rule, str(count), number(seconds / 60, 1)] for rule, (count, seconds) in facts.jobs.items()]
    total = sum(seconds for _, seconds in facts.jobs.values())
    rows.append(["all", str(sum(count for count, _ in facts.jobs.values())), number(total / 60, 1)])
    note = "Time of the jobs that Snakemake timed, by kind; jobs beside each other count each.\n\n"
    return note + markdown(["Jobs", "Number", "Minutes"], rows)


def _artifacts(facts: Facts, home: Path) -> list[str]:
    """Every table and figure that was made, in the order of the report."""
    parts = []
    for category in (MAIN, STUDY, TUNING):
        shown = [
            part
            for artifact in ARTIFACTS.values()
            if artifact.category == category and (part := _shown(facts, artifact, home))
        ]
        parts += [f"### {category}", *shown] if shown else []
    missing = [f"`snakemake {name}`" for name, artifact in ARTIFACTS.items() if not _files(facts, artifact)]
    return [*parts, f"Not in this run, and made when asked for: {', '.join(missing)}." if missing else ""]


def _files(facts: Facts, artifact: Artifact) -> list[Path]:
    suffixes = [f".{suffix}" for suffix in artifact.tables] + [".pdf", ".png"] * artifact.figure
    return [path for suffix in suffixes if (path := facts.shown(artifact.stem, suffix))]


def _shown(facts: Facts, artifact: Artifact, home: Path) -> str:
    """Heading, command, files, figure and table of one artifact; empty where it was not made."""
    files = _files(facts, artifact)
    if not files:
        return ""
    links = " · ".join(f"[{path.name}]({_link(path, home)})" for path in files)
    title = artifact.description[0].upper() + artifact.description[1:]
    parts = [f"#### {title}", f"`snakemake {artifact.name}`: {links}"]
    for path in files:
        if path.suffix == ".png":
            parts.append(f"![{artifact.description}]({_link(path, home)})")
        if path.suffix == ".md":
            text = path.read_text(encoding="utf-8").strip()
            if text.count("\n") < LONGEST:
                parts.append(re.sub(r"^#+ (.*)$", r"**\1**", text, flags=re.MULTILINE))
    return "\n\n".join(parts)


def _runs(facts: Facts, home: Path) -> str:
    """A row for each run: its key in MLflow, its transcript and the command that makes it again."""
    header = ["Key", "Study", "Dataset", "Model", "Editor", "Seed", "Seconds", "Peak, MiB", "Transcript", "Again"]
    rows = []
    for run in facts.runs:
        peak = run.record["cost"].get("peak_memory_bytes")
        transcript = run.path.with_name("transcript.parquet")
        rows.append([
            f"`{run.key[:12]}`", run.study, *(str(run.record[key]) for key in ("dataset", "model", "editor", "seed")),
            number(run.seconds, 1), number(peak / 2**20 if peak else float("nan"), 0),
            f"[transcript]({_link(transcript, home)})", f"`snakemake --force {run.path} --configfile {facts.config}`",
        ])  # fmt: skip
    note = (
        "In MLflow (`make ui`) a run is found by `tags.content_key LIKE 'KEY%'`. A key is the digest of its record and "
        "scores: a repetition with the same results has another one, since its record holds its times.\n\n"
    )
    return note + markdown(header, rows, left=len(header))


def _link(path: Path, home: Path) -> str:
    return Path(os.path.relpath(path, home)).as_posix()
