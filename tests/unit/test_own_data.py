"""Files of edits as people write them: every problem is named, and what is sound is edited or prepares editors."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import yaml

from wise.cli import main
from wise.code_inputs import sources
from wise.config import plan
from wise.config.model import complete
from wise.datasets import registry
from wise.datasets.own.options import OwnOptions
from wise.datasets.own.split import divide, read_own, related
from wise.edit_files import examine, read_edits
from wise.errors import ConfigError, DataError
from wise.evaluate.coverage import coverage
from wise.options import build_options
from wise.records import EditRecord, Probe, read_records

SHARES = {"train": 0.2, "development": 0.1}
PLAIN = [{"prompt": f"Question {number} is", "target": f"answer {number}"} for number in range(10)]


def written(path: Path, rows: list, end: str = "\n", before: str = "") -> Path:
    """A file of JSON lines."""
    path.write_bytes((before + "".join(json.dumps(row, ensure_ascii=False) + end for row in rows)).encode())
    return path


def test_prompt_and_target_are_enough_however_the_file_was_saved(tmp_path):
    rows = [{"prompt": "東京 is led by", "target": "李\u2028明"}, *PLAIN[:2]]
    for end, before in (("\n", ""), ("\r\n", "\ufeff"), ("\n\n", "")):
        records = read_edits(written(tmp_path / "edits.jsonl", rows, end, before))
        assert [(r.prompt, r.target) for r in records] == [(r["prompt"], r["target"]) for r in rows]
    listed = tmp_path / "edits.json"
    listed.write_text(json.dumps(rows, indent=1))
    assert [record.id for record in read_edits(listed)] == ["edit-00002", "edit-00006", "edit-00010"]
    table = tmp_path / "edits.csv"
    table.write_bytes('\ufeffprompt;target;subject\r\n"Who; when?";a;\r\n\r\n"two\nlines";b;S\r\n'.encode())
    assert [(r.id, r.prompt, r.subject) for r in read_edits(table)] == [
        ("edit-00002", "Who; when?", ""),
        ("edit-00004", "two\nlines", "S"),
    ]


def test_every_problem_is_named_by_line_and_key(tmp_path):
    probes = [{"kind": "para", "prompt": "x"}, {"kind": "paraphrase", "prompt": "x", "target": " "}]
    rows = [PLAIN[0], {"prompt": "", "target": 4, "sbject": "x"}, [1], {"prompt": "a", "target": "b", "probes": probes}]
    rows += [{"id": "one"} | PLAIN[1], {"id": "one"} | PLAIN[2]]
    path = written(tmp_path / "edits.jsonl", rows)
    path.write_text(path.read_text() + "{broken\n")
    found = examine(path)
    for start, what in [
        ("line 2", "'prompt' is empty"), ("line 2", "'target' must be a text, found int"), ("line 2", "'sbject'"),
        ("line 3", "expected a JSON object"), ("line 4", "probe 0: 'target' must be a text, found nothing"),
        ("line 4", "unknown probe kind 'para'"), ("line 4", "probe 1: 'target' is empty"),
        ("line 6", "already used on line 5"), ("line 7", "not valid JSON"),
    ]:  # fmt: skip
        assert [p for p in found.problems if p.startswith(f"{start}:") and what in p], (start, what)
    assert [record.id for record in found.records] == ["edit-00001", "one"]
    with pytest.raises(DataError) as raised:
        read_edits(path)
    assert all(problem in str(raised.value) for problem in found.problems)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl", b"", "holds no edits"),
        ("a.jsonl", b"\xff\xfea", "not UTF-8 text"),
        ("a.jsonl", b'{\n"prompt": "a",\n"target": "b"\n}', "is one JSON object over several lines"),
        ("a.json", b'[{"prompt": "a"\n "target": "b"}]', "line 2: not valid JSON"),
        ("a.csv", b"prompt,targt\na,b\n", "line 1: column 'targt' is none of id, prompt, target"),
        ("a.csv", b"prompt,target\na,b,c\nd\n", "line 2: 3 cells"),
        ("a.csv", b"prompt,target\na,b\nd\n", "line 3: 'target' must be a text, found nothing"),
    ],
)
def test_a_file_that_is_none_of_edits(tmp_path, name, content, problem):
    path = tmp_path / name
    path.write_bytes(content)
    assert any(found.startswith(problem) for found in examine(path).problems), examine(path).problems
    with pytest.raises(DataError, match="no such file"):
        examine(tmp_path / "nothing.jsonl")


def test_no_subject_or_prompt_is_both_edited_and_set_aside():
    records = [
        EditRecord(str(i), f"prompt {i % 23}", "t", subject=f"subject {i // 3}" if i < 12 else "") for i in range(40)
    ]
    for seed in range(5):
        edits, aside = divide(records, SHARES, seed)
        parts = [edits, aside["train"], aside["development"]]
        assert sum(map(len, parts)) == 40 and 1 <= len(parts[1]) <= 8 and 1 <= len(parts[2]) <= 4
        for key in ("subject", "prompt"):
            values = [{getattr(r, key) for r in part if getattr(r, key)} for part in parts]
            assert not any(one & other for one, other in itertools.combinations(values, 2))
    assert divide(records, SHARES, 0) == divide(records, SHARES, 0) != divide(records, SHARES, 1)
    assert sum(map(len, related(records))) == 40


@pytest.mark.parametrize(
    ("count", "share", "train", "development"),
    [(1, 0.2, 0, 0), (2, 0.2, 1, 0), (3, 0.2, 1, 1), (5, 0.2, 1, 1), (40, 0.2, 8, 4), (40, 0, 0, 0)],
)
def test_at_least_one_edit_is_set_aside_and_one_is_left(count, share, train, development):
    records = [EditRecord(str(i), f"prompt {i}", "t") for i in range(count)]
    edits, aside = divide(records, {"train": share, "development": share / 2}, 0)
    assert (len(aside["train"]), len(aside["development"])) == (train, development)
    assert len(edits) == count - train - development


def test_what_would_be_learned_and_asked_is_taken_out_and_said(tmp_path):
    moon = {"kind": "locality_far", "prompt": "The moon is", "target": "far away"}
    rows = [row | {"probes": [moon], "irrelevant": f"Text {i}"} for i, row in enumerate(PLAIN)]
    rows[3]["irrelevant"] = "The moon is far away"
    own = read_own(OwnOptions(str(written(tmp_path / "e.jsonl", rows))))
    assert [len(part) for part in own[:3]] == [7, 1, 2]
    assert all(record.probes for record in own.edits)
    assert not any(record.probes for record in (*own.development, *own.train))
    lacking = [record.id for part in own[:3] for record in part if not record.irrelevant]
    assert lacking == ["edit-00004"]
    assert any("one unrelated text" in note for note in own.notes) and len(own.notes) == 3
    with pytest.raises(ConfigError, match="leave no edits"):
        build_options(OwnOptions, {"edits": "x", "train_share": 0.6, "development_share": 0.4}, "data.mine")


def test_a_dataset_of_ones_own_is_made(tmp_path, caplog):
    edits, train = written(tmp_path / "e.jsonl", PLAIN), written(tmp_path / "t.jsonl", PLAIN[:1])
    arguments = ["data", "make", "--dataset", "mine", "--out", str(tmp_path), "--options"]
    assert main([*arguments, json.dumps({"edits": str(edits), "train": str(train)})]) == 0
    held = [read_records(tmp_path / f"mine/{file}.jsonl") for file in ("edits", "development")]
    assert {record.prompt for part in held for record in part} == {r["prompt"] for r in PLAIN}
    assert "train.jsonl goes without one record" in caplog.text and "train.jsonl is empty" in caplog.text
    described = json.loads((tmp_path / "mine/dataset.json").read_text())
    assert described["counts"] == {"edits": 9, "development": 1, "train": 0, "probes": {}}
    assert str(tmp_path) not in str(described) and "exempt" not in described
    assert main([*arguments, json.dumps({"edits": str(tmp_path / "none.jsonl")})]) == 2
    with pytest.raises(ConfigError, match="needs the option 'edits'"):
        registry.entry("mine", {})
    with pytest.raises(DataError, match=r"(?s)e.jsonl: cannot be used.*t.jsonl: cannot be used"):
        read_own(OwnOptions(str(written(edits, [{}])), str(written(train, [{}]))))


def test_what_is_scored_follows_from_the_probes():
    probes = {kind: Probe(kind, "p", "t") for kind in ("paraphrase", "locality_far")}
    records = [
        EditRecord("a", "p", "t"),
        EditRecord("b", "p", "t", probes=(probes["paraphrase"],)),
        EditRecord("c", "p", "t", probes=tuple(probes.values())),
    ]
    found = coverage(records)
    assert [found[name] for name in ("rel", "ppl", "gen", "loc_far", "avg", "loc_near", "port")] == [
        3,
        3,
        2,
        1,
        1,
        0,
        0,
    ]


def test_check_reports_and_says_by_its_status_whether_a_file_is_sound(project, tmp_path, capsys):
    assert main(["data", "check", str(project / "docs/examples/edits.jsonl")]) == 0
    printed = capsys.readouterr().out
    assert "paraphrase    2 of 10 edits" in printed and "scored for 2  Gen" in printed and "problem  " not in printed
    bad = written(tmp_path / "bad.jsonl", [PLAIN[0] | {"target": ""}, PLAIN[1], PLAIN[1] | {"target": "another"}])
    assert main(["data", "check", str(bad)]) == 1
    printed = capsys.readouterr().out
    assert "problem       line 1: 'target' is empty" in printed and "lines 2, 3: one prompt, other targets" in printed


def config_of(edits: Path, **changes) -> dict:
    """A configuration as a newcomer writes it, complete."""
    written = {"datasets": ["mine"], "data": {"mine": {"edits": str(edits)}}}
    return complete(yaml.safe_load(yaml.safe_dump(written | changes)))


def test_a_newcomers_configuration_takes_all_edits(tmp_path):
    edits = written(tmp_path / "edits.jsonl", PLAIN)
    config = config_of(edits)
    plan.check(config)
    asked = plan.evaluation(config, "mine")
    assert asked["edits"] == 7 and asked["grid"] == {"1": 7, "7": 1}
    assert plan.own_files(config, "mine") == [str(edits)] and "mine" in plan.streams(config)
    assert plan.evaluation(config, "factworld-qa")["grid"] == {"1": 40, "10": 8, "100": 2, "300": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation": {"edits": 9}}, "evaluation.edits is 9, but data.mine has 7 edits .*leave it out"),
        ({"evaluation": {"datasets": {"mine": {"edits": 9}}}}, "evaluation.datasets.mine.edits is 9"),
        ({"evaluation": {"grid": {"5": 2}}}, "need 10 edits"),
        ({"data": {"mine": {"edits": "nothing.jsonl"}}}, "data.mine: nothing.jsonl: no such file"),
        ({"data": {"zsree": {"limit": 3}}, "datasets": ["zsre"]}, "'zsree'. Did you mean 'zsre'.*key 'edits'"),
        ({"data": {"factworld-qa": {"edits": "x"}}, "datasets": ["factworld-qa"]}, "has this name; choose another"),
    ],
)
def test_what_does_not_fit_ones_own_data_is_refused(tmp_path, changes, message):
    edits = written(tmp_path / "edits.jsonl", PLAIN)
    with pytest.raises(ConfigError, match=message):
        plan.check(config_of(edits, **changes))


def test_a_metric_is_no_part_of_the_code_that_makes_data():
    made = sources("wise.commands.data.make", *(entry.place.partition(":")[0] for entry in registry.DATASETS.values()))
    assert "wise/datasets/factworld/build.py" in made
    assert not [file for file in made if file.startswith(("wise/evaluate", "wise/config", "wise/editors"))]
