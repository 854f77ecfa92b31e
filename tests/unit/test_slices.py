"""Which records a seed edits: slices of the file one after the other, and what happens where it ends."""

from __future__ import annotations

import logging

import pyarrow.parquet as pq
import pytest

from tests.models import tiny_language_model
from wise.cli import main
from wise.config import jobs, plan
from wise.config.model import complete
from wise.errors import ConfigError
from wise.files import read_json, write_json
from wise.records import EditRecord, write_records
from wise.slices import Slice, taken

RECORDS = list("abcdefgh")


def test_slices_share_nothing_while_the_file_lasts(caplog):
    with caplog.at_level(logging.WARNING):
        assert [taken(RECORDS, Slice(index, 3)) for index in range(2)] == [["a", "b", "c"], ["d", "e", "f"]]
    assert not caplog.records
    assert [Slice(index, 4).reused(8) for index in range(2)] == [0, 0]


def test_where_the_file_ends_it_begins_anew_and_says_so(caplog):
    assert taken(RECORDS, Slice(2, 3)) == ["g", "h", "a"]
    assert "1 of the 3 records of slice 2 are in earlier slices too" in caplog.text
    assert "have 8" not in caplog.text and "need 9" in caplog.text
    assert [Slice(index, 8).reused(8) for index in range(3)] == [0, 8, 8]
    assert Slice(2, 3).described(8) == {"index": 2, "size": 3, "available": 8, "reused": 1}


@pytest.mark.parametrize("available", [5, 8, 11, 20])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_reused_counts_what_earlier_slices_hold(available, size):
    records, seen = list(range(available)), set()
    for index in range(6):
        held = Slice(index, size).of(records)
        assert len(set(held)) == size
        assert Slice(index, size).reused(available) == len(seen & set(held))
        seen |= set(held)


def test_without_a_slice_all_records_are_there():
    assert taken(RECORDS, None) == RECORDS


def test_a_slice_larger_than_the_dataset_is_refused():
    with pytest.raises(ConfigError, match=r"a slice has 9 records \(evaluation.edits\), the dataset only 8"):
        Slice(0, 9).of(RECORDS)


def config(**evaluation):
    study = {"include": ["switches"], "switches": {"seeds": [2, 7], "edits": 10}}
    written = {"seeds": [1, 0, 2], "evaluation": {"edits": 20, **evaluation}, "ablations": study}
    return complete(written)


def test_each_seed_has_a_slice_in_the_order_of_the_seeds():
    slices = [plan.records_of_seed(config(), "factworld-qa", seed) for seed in (1, 0, 2, 7)]
    assert slices == [Slice(index, 20) for index in range(4)], "a seed that only a study names comes last"


def test_a_study_edits_a_part_of_what_the_main_run_of_its_seed_edits():
    made = config()
    main = jobs.main_job(made, "factworld-qa", "factlm", "grace", 2)
    points = jobs.study_points(made, "switches").values()
    study = next(jobs.study_job(made, "switches", point) for point in points if point.seed == 2)
    assert (main.part, main.edits) == (Slice(2, 20), 20)
    assert (study.part, study.edits) == (Slice(2, 20), 10)


def test_shared_records_have_no_slices():
    assert plan.records_of_seed(config(records="shared"), "factworld-qa", 0) is None
    own = config(datasets={"factworld-qa": {"records": "shared"}})
    assert plan.records_of_seed(own, "factworld-qa", 0) is None
    assert plan.records_of_seed(own, "factworld-ood", 0) == Slice(1, 20)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Files of a job that edits nothing: a tiny model and twelve records."""
    lm, folder = tiny_language_model(), tmp_path_factory.mktemp("job")
    lm.model.save_pretrained(folder / "model")
    lm.tokenizer.save_pretrained(folder / "model")
    write_records(folder / "edits.jsonl", [EditRecord(f"edit-{i}", "Ada lives in", "North") for i in range(12)])
    write_json(folder / "contexts.json", {"contexts": []})
    return folder


def carried_out(job, out, *part, edits=4):
    """Run record and transcript of a job on some slice, with the unedited model's answers about it."""
    records = ["--model", job / "model", "--records", job / "edits.jsonl", "--edits", edits, *part]
    assert main([str(word) for word in ("preedit", *records, "--out", out / "before.parquet")]) == 0
    files = ["--train", job / "edits.jsonl", "--contexts", job / "contexts.json", "--preedit", out / "before.parquet"]
    what = ["--editor", "none", "--grid", f'{{"{edits}": 1}}', "--dataset", "d", "--model-name", "m", "--layer", 2]
    status = main([str(word) for word in ("stream", *records, *files, *what, "--out", out)])
    return status, read_json(out / "run.json"), pq.read_table(out / "transcript.parquet").to_pandas()


def test_a_job_edits_its_slice_and_says_so(job, tmp_path):
    _, run, rows = carried_out(job, tmp_path, "--slice", "2", "--slice-size", "5", edits=4)
    assert run["slice"] == {"index": 2, "size": 5, "available": 12, "reused": 3}
    assert set(rows["record"]) == {"edit-10", "edit-11", "edit-0", "edit-1"}


def test_a_job_without_a_slice_edits_the_first_records(job, tmp_path):
    _, run, rows = carried_out(job, tmp_path)
    assert run["slice"] is None
    assert set(rows["record"]) == {f"edit-{i}" for i in range(4)}


def test_half_a_slice_is_refused(job, tmp_path, caplog):
    asked = ["--model", job / "model", "--records", job / "edits.jsonl", "--edits", 4, "--slice", 1]
    assert main([str(word) for word in ("preedit", *asked, "--out", tmp_path / "before.parquet")]) == 2
    assert "--slice (from 0) and --slice-size (from 1) belong together" in caplog.text
