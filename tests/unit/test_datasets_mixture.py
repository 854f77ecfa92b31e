"""Several published datasets as one stream of tasks, on made-up records and on the real files where they are."""

from dataclasses import replace

import pytest

from wise.datasets.leaks import find_leaks
from wise.datasets.published.mixture import REAL_TASKS, apart, in_turns
from wise.datasets.published.options import RealOptions
from wise.datasets.stream_folder import read_stream
from wise.errors import DataError
from wise.records import EditRecord, Probe


def record(name: str, subject: str, file: str) -> EditRecord:
    return EditRecord(f"{file}-{name}", f"In {name} lives {subject}, who is", "x", subject)


def test_of_records_that_must_not_meet_the_training_record_goes():
    files = {
        "edits": [record("a", "Ada", "edits"), record("b", "Bo", "edits")],
        "development": [record("c", "Bo", "development"), record("d", "Di", "development")],
        "train": [record("e", "Ada", "train"), record("f", "Di", "train"), record("g", "Fay", "train")],
    }
    kept = apart(files)
    assert {file: [r.subject for r in records] for file, records in kept.items()} == {
        "edits": ["Ada", "Bo"],
        "development": ["Di"],
        "train": ["Fay"],
    }
    assert find_leaks(kept) == []


def test_a_question_that_an_edit_of_another_task_changes_is_not_asked():
    one, other = record("a", "Ada", "edits"), record("b", "Bo", "edits")
    one = replace(one, probes=(Probe("locality_far", other.prompt, "y"), Probe("locality_far", "Where is Rome?", "z")))
    kept = apart({"edits": [one, other], "development": [], "train": []})
    assert [probe.prompt for probe in kept["edits"][0].probes] == ["Where is Rome?"]


def test_tasks_take_turns_as_far_as_the_shortest_goes():
    parts = [[record(str(i), f"S{i}", task) for i in range(count)] for task, count in (("a", 3), ("b", 2))]
    assert [r.id for r in in_turns(parts)] == ["a-0", "b-0", "a-1", "b-1"]


def test_a_file_for_all_tasks_is_refused(tmp_path):
    with pytest.raises(DataError, match="'edit_file' does not say of which of its tasks"):
        REAL_TASKS.make("real-tasks", RealOptions(edit_file="mine.json"), tmp_path)


def test_real_files_of_three_tasks(real_data, tmp_path):
    options = RealOptions(local_dir=str(real_data), offline=True, train_limit=60, development=30)
    for part in REAL_TASKS.parts.values():
        for source, _ in part.source.chosen(part.options(options)):
            if not any((real_data / place / source.name).exists() for place in (source.folder, "")):
                pytest.skip(f"{source.name} is not there")
    [folder] = REAL_TASKS.make("real-tasks", options, tmp_path)
    files = read_stream(folder)
    assert find_leaks(files) == []
    tasks = [r.task for r in files["edits"]]
    assert tasks[:3] == list(REAL_TASKS.parts) and len(tasks) >= 1500
    assert any(p.kind == "portability" for r in files["edits"] if r.task == "questions" for p in r.probes)
    assert {r.task for r in files["train"]} == set(REAL_TASKS.parts)
