"""The document of a run: it holds what was made, a command and a key for each run, and nothing that is not recorded."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.reproduction.__main__ import main
from analysis.reproduction.checklist import checklist
from analysis.reproduction.facts import Facts, read_facts
from wise.errors import DataError
from wise.files import seal, write_json, write_text
from wise.tracking.summary import content_key

RUN = {
    "dataset": "qa", "dataset_sha256": "d1", "model": "m", "model_sha256": "m1", "editor": "grace", "seed": 3,
    "slice": None, "tuned": "abc", "failed_edits": 2, "hardware": {"cpu": "a CPU", "cores": 2}, "versions": {},
    "cost": {"edit_seconds_total": 60.0, "probe_seconds_total": 6.0, "peak_memory_bytes": 2**30},
}  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    write_json(folder / "edit/qa/m/grace/seed3/run.json", RUN)
    (folder / "scores").mkdir()
    pd.DataFrame({"value": [1.0]}).to_parquet(folder / "scores/grace.parquet")
    (folder / "benchmarks/edit").mkdir(parents=True)
    write_text(folder / "benchmarks/edit/one.tsv", "s\tmax_rss\n90.0\t1\n")
    write_text(folder / "tables/main.csv", "editor,covers\ngrace,records only\n")
    write_text(folder / "tables/main.md", "## qa, m\n\n| Editor | Avg |\n| --- | ---: |\n| GRACE | .83 |\n")
    write_text(folder / "tables/claims.csv", "verdict\nholds\nnot testable here\nholds\n")
    (folder / "figures").mkdir()
    Figure(figsize=(1, 1)).savefig(folder / "figures/triangle.png")
    return folder


def words(results: Path, out: Path) -> list[str]:
    """The command that describes the run."""
    home = results / "edit/qa/m/grace/seed3/run.json", results / "scores/grace.parquet"
    made = [*(results / "tables").glob("[a-z]*"), *(results / "figures").iterdir()]
    named = ["--results", results, "--config", "my.yaml", "--runs", home[0], "--scores", home[1], "--made", *made]
    return [*map(str, named), "--out", str(out)]


def written(results: Path, suffix: str) -> str:
    out = results / f"REPRODUCTION{suffix}"
    assert main(words(results, out)) == 0
    return out.read_text(encoding="utf-8")


def test_everything_that_was_made_is_there_with_keys_and_commands(results):
    text = written(results, ".md")
    run = results / "edit/qa/m/grace/seed3/run.json"
    assert content_key([run, results / "scores/grace.parquet"])[:12] in text
    assert f"`snakemake --force {run} --configfile my.yaml`" in text
    assert "(edit/qa/m/grace/seed3/transcript.parquet)" in text and "| edit | 1 | 1.5 |" in text
    assert "| GRACE | .83 |" in text and "(figures/triangle.png)" in text and "**qa, m**" in text
    assert "2 holds, 1 not testable here" in text and "intervals cover records only (1 cells)" in text
    assert "`snakemake scaling`" in text.partition("made when asked for")[2]


def test_the_page_needs_no_other_file(results):
    page = written(results, ".html")
    assert 'src="data:image/png;base64,' in page and 'figures/triangle.png"' not in page and '<h2 id="runs">' in page


def test_a_table_that_was_damaged_is_refused(results, caplog):
    seal(table := results / "tables/claims.csv")
    table.write_text(table.read_text().replace("not testable here", "holds"))
    assert main(words(results, out := results / "REPRODUCTION.md")) == 2
    assert f"{table}: damaged" in caplog.text and not out.exists()


def test_what_the_records_do_not_say_is_left_open(results):
    text = checklist(Facts(results, "my.yaml", (), ()))
    assert "no ledger was made" in text and "for the authors to answer" in text and "not known" in text
    with pytest.raises(DataError, match="holds no run"):
        read_facts(results, "my.yaml", [], [], [])
