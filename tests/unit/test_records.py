"""Records survive the way to disk and back; what is wrong in a file is named with line and key."""

import json
from dataclasses import asdict, replace

import pytest
from pydantic import ValidationError

from wise.errors import ConfigError, DataError
from wise.records import EditRecord, Probe, read_records, record_from_dict, row_problems, write_records

RECORD = EditRecord(
    id="a",
    prompt="The capital of Quaral Coast is",
    target="Brosan Mill",
    subject="Quaral Coast",
    irrelevant="Zhe lives in Stol – Ünder",
    probes=(Probe("paraphrase", "Quaral Coast is governed from", "Brosan Mill"), Probe("ood", "x", "y", "free text")),
    relation="capital",
    original="Stalin Gate",
)


def write_rows(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def test_round_trip(tmp_path):
    path = tmp_path / "edits.jsonl"
    write_records(path, [RECORD])
    assert read_records(path) == [RECORD]


def test_the_prompt_of_an_unrelated_text_is_its_beginning(tmp_path):
    path = tmp_path / "edits.jsonl"
    marked = replace(RECORD, irrelevant_prompt="Zhe lives in")
    assert RECORD.unrelated_prompt == RECORD.irrelevant and marked.unrelated_prompt == "Zhe lives in"
    write_records(path, [marked])
    assert read_records(path) == [marked]
    write_records(path, [RECORD])
    assert "irrelevant_prompt" not in path.read_text(), "files without it stay as they were"
    assert row_problems(asdict(RECORD) | {"irrelevant_prompt": "lives"}) == [
        "'irrelevant_prompt' must be the beginning of 'irrelevant'"
    ]


def test_questions_begin_with_the_edit_itself():
    questions = list(RECORD.questions())
    assert [index for index, _ in questions] == [-1, 0, 1]
    assert questions[0][1] == Probe("edit", RECORD.prompt, RECORD.target)


def test_blank_lines_are_skipped(tmp_path):
    row = {"id": "a", "prompt": "p", "target": "t", "subject": "s"}
    assert len(read_records(write_rows(tmp_path / "r.jsonl", row, "", row | {"id": "b"}))) == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "p", "target": "t", "subject": "s"}, "'id' must be a text, found nothing"),
        ({"id": "a", "prompt": " ", "target": "t", "subject": "s"}, "'prompt' is empty"),
        ({"id": "a", "prompt": "p", "target": 3, "subject": "s"}, "'target' must be a text, found int"),
        ({"id": "a", "prompt": "p", "target": "t", "subject": "s", "tagret": "t"}, "Did you mean 'target'"),
        ({"id": "a", "prompt": "p", "target": "t", "subject": "s", "probes": {}}, "'probes' must be a list"),
        (
            {"id": "a", "prompt": "p", "target": "t", "subject": "s", "probes": [{"kind": "parafrase"}]},
            "'prompt' must be a text",
        ),
        (
            {
                "id": "a",
                "prompt": "p",
                "target": "t",
                "subject": "s",
                "probes": [{"kind": "far", "prompt": "p", "target": "t"}],
            },
            "probe 0: unknown probe kind 'far'",
        ),
        ([1], "expected a JSON object, found list"),
        ('{"id": "a"', "not valid JSON"),
    ],
)
def test_a_faulty_line_is_named(tmp_path, row, message):
    good = {"id": "z", "prompt": "p", "target": "t", "subject": "s"}
    with pytest.raises((DataError, ConfigError), match="line 2") as caught:
        read_records(write_rows(tmp_path / "r.jsonl", good, row))
    assert message in str(caught.value)


def test_a_repeated_id_names_both_lines(tmp_path):
    row = {"id": "a", "prompt": "p", "target": "t", "subject": "s"}
    with pytest.raises(DataError, match="line 2: id 'a' was already used on line 1"):
        read_records(write_rows(tmp_path / "r.jsonl", row, row))


@pytest.mark.parametrize("name", ["absent.jsonl", "empty.jsonl"])
def test_no_records(tmp_path, name):
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(DataError, match=name):
        read_records(tmp_path / name)
    assert name == "absent.jsonl" or read_records(tmp_path / name, may_be_empty=True) == []


def test_where_opens_the_error():
    with pytest.raises(DataError, match="^here: expected"):
        record_from_dict("text", "here")


def test_every_problem_of_a_row_is_named():
    row = {"id": "a", "prompt": " ", "target": 3, "probes": [{"kind": "edit", "prompt": "p", "target": "t"}, 4], "x": 1}
    with pytest.raises(DataError, match="'prompt' is empty; 'target' must be a text, found int; probe 1: expected"):
        record_from_dict(row)
    assert [problem.split(",")[0] for problem in row_problems(row)][-1].startswith("unknown key 'x'")
    assert row_problems({"id": "a", "prompt": "p", "target": "t"}) == []


def test_an_edit_is_no_probe_of_itself():
    with pytest.raises(DataError, match="probe 0: unknown probe kind 'edit'. Valid choices: locality_far"):
        record_from_dict({"id": "a", "prompt": "p", "target": "t", "probes": [{**asdict(Probe("edit", "p", "t"))}]})


def test_a_record_made_in_code_is_checked_too():
    with pytest.raises(ValidationError, match="prompt"):
        EditRecord(id="a", prompt=3, target="t")
