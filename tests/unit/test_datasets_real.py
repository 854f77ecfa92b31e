"""Published raw files become edit streams, on made-up files always and on the real ones where they are."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import is_dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.unit.test_datasets_converters import (
    CONVSENT,
    COUNTERFACT,
    FACT,
    HALLUCINATION,
    TEMPORAL,
    WIKIBIGEDIT,
    WIKIBIO,
    ZSRE,
)
from wise.cli import main
from wise.datasets.files import FILES
from wise.datasets.published import counterfact, hallucination, knowedit, temporal, wikibigedit, zsre
from wise.datasets.published.options import RealOptions
from wise.datasets.registry import DATASETS, entry, folders, make, options_class, raw_form, streams
from wise.errors import ConfigError, DataError
from wise.files import read_json, sha256
from wise.options import build_options
from wise.records import EditRecord, read_records

PUBLISHED = {
    "zsre": zsre.ZSRE,
    "hallucination": hallucination.HALLUCINATION,
    "temporal": temporal.TEMPORAL,
    "counterfact": counterfact.COUNTERFACT,
    "wikibigedit": wikibigedit.WIKIBIGEDIT,
    "knowedit-recent": knowedit.RECENT,
    "knowedit-counterfact": knowedit.COUNTERFACT,
    "knowedit-convsent": knowedit.CONVSENT,
    "knowedit-wikibio": knowedit.WIKIBIO,
    "knowedit-zsre": knowedit.ZSRE,
}
ROWS = {
    "zsre": ZSRE,
    "hallucination": HALLUCINATION,
    "temporal": TEMPORAL,
    "counterfact": COUNTERFACT,
    "wikibigedit": WIKIBIGEDIT,
    "knowedit-recent": FACT,
    "knowedit-counterfact": FACT,
    "knowedit-convsent": CONVSENT,
    "knowedit-wikibio": WIKIBIO,
    "knowedit-zsre": FACT,
}


def varied(value: Any, count: int, mark: str) -> list[Any]:
    """A raw record `count` times, each with texts of its own from their first word on."""
    return [marked(value, f"{mark}{index}") for index in range(count)]


def marked(value: Any, mark: str) -> Any:
    if isinstance(value, str):
        return f"{mark} {value} {mark}"
    if isinstance(value, list):
        return [marked(item, mark) for item in value]
    return {key: marked(item, mark) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.fixture
def raw(tmp_path) -> Path:
    """A folder with small files of every dataset: nine edits, eight training records; CounterFact has one file."""
    folder = tmp_path / "raw files"
    folder.mkdir()
    for name, dataset in PUBLISHED.items():
        (folder / dataset.edits.name).write_text(json.dumps(varied(ROWS[name], 9, "e")))
        if dataset.train:
            train = ZSRE if dataset.train.folder == "zsre" else ROWS[name]
            (folder / dataset.train.name).write_text(json.dumps(varied(train, 8, "t")))
    return folder


class Made(NamedTuple):
    edits: list[EditRecord]
    development: list[EditRecord]
    train: list[EditRecord]
    described: dict[str, Any]


def made(name: str, options: RealOptions, out: Path) -> Made:
    (folder,) = make(name, entry(name), options, out)
    assert folder == out / name
    return Made(*(read_records(folder / f"{file}.jsonl") for file in FILES), read_json(folder / "dataset.json"))


def far_of(record: EditRecord) -> str:
    (far,) = (probe.prompt for probe in record.probes if probe.kind == "locality_far")
    return far


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_dataset_is_made_in_one_form(name, raw, tmp_path, caplog):
    held_out = 0 if PUBLISHED[name].train else 6
    options = RealOptions(local_dir=str(raw), held_out=held_out, offline=True)
    edits, development, train, described = made(name, options, tmp_path)
    asked_of_others = PUBLISHED[name].convert is knowedit.convert or not PUBLISHED[name].train
    expected = 9 - held_out, 2, (4 if PUBLISHED[name].train else 2) if asked_of_others else 6
    assert (len(edits), len(development), len(train)) == expected
    assert [described["counts"][file] for file in FILES] == [len(edits), len(development), len(train)]
    assert described["dataset"] == name
    assert str(tmp_path) not in json.dumps(described), "no path of a machine"
    assert described["sha256"]["edits.jsonl"] == sha256(tmp_path / name / "edits.jsonl")
    everything = [*edits, *development, *train]
    assert edits[2].id == f"{name}-00002" and len({record.id for record in everything}) == len(everything)
    for record in everything:
        assert record.irrelevant.startswith(record.irrelevant_prompt) and record.irrelevant_prompt
        assert record.subject not in record.irrelevant and far_of(record)


def test_nothing_depends_on_chance_or_on_limits(raw, tmp_path):
    (raw / "counterfact-edit.json").write_text(json.dumps(varied(COUNTERFACT, 28, "e")))
    options = RealOptions(local_dir=str(raw), held_out=18)
    first = made("counterfact", options, tmp_path)
    again = made("counterfact", replace(options, limit=4), tmp_path / "again")
    assert first.edits[:4] == again.edits and first[1:3] == again[1:3]
    assert [record.id for record in first.development] == [f"counterfact-{index:05d}" for index in range(10, 16)]
    assert [record.id for record in first.train] == [f"counterfact-{index:05d}" for index in range(16, 24)]
    far = {seed: made("counterfact", replace(options, seed=seed), tmp_path / str(seed)).edits for seed in range(6)}
    assert any(far[seed] != first.edits for seed in far) and far[0] == first.edits


@pytest.mark.parametrize("name", ["counterfact", "knowedit-convsent", "knowedit-recent"])
def test_far_locality_is_asked_by_records_of_its_own(name, raw, tmp_path):
    options = RealOptions(local_dir=str(raw), held_out=7 if name == "counterfact" else 0)
    edits, development, train, described = made(name, options, tmp_path)
    learned = {probe.prompt for record in train for _, probe in record.questions()}
    learned |= {record.irrelevant_prompt for record in (*edits, *development, *train)}
    for file, records in (("edits", edits), ("development", development)):
        assert len(set(map(far_of, records))) == described["counts"]["far_questions"][file]
        for record in records:
            assert far_of(record) not in learned | {edit.prompt for edit in edits}
    assert not set(map(far_of, edits)) & set(map(far_of, development))


def test_records_that_overlap_with_the_stream_are_left_out(raw, tmp_path):
    rows = varied(ZSRE, 8, "t")
    rows[1]["subject"] = "Toko Yasuda E4"
    rows[2]["rephrase"] = "who, then: WHAT  does (x) ask?"
    rows[3]["loc"] = rows[4]["loc"]
    edits = varied(ZSRE, 9, "e")
    edits[4]["subject"], edits[5]["src"] = "Toko  Yasuda-e4", "Who then, what does x ask"
    edits[6]["loc"] = rows[5]["loc"]
    (raw / "zsre_mend_train.json").write_text(json.dumps(rows))
    (raw / "zsre_mend_edit.json").write_text(json.dumps(edits))
    stream, development, train, described = made("zsre", RealOptions(local_dir=str(raw)), tmp_path)
    assert len(stream) == 9 and described["counts"]["left_out"] == 3
    kept = [record.id for record in (*development, *train)]
    assert kept == ["zsre-train-00000", *(f"zsre-train-{index:05d}" for index in (3, 4, 6, 7))]
    assert not {record.irrelevant for record in stream} & {f"{rows[5]['loc']} {rows[5]['loc_ans']}"}


def test_a_locality_question_that_another_edit_changes_is_not_asked(raw, tmp_path):
    rows = varied(COUNTERFACT, 9, "e")
    rows[0]["locality_prompt"] = rows[1]["prompt"]
    (raw / "counterfact-edit.json").write_text(json.dumps(rows))
    edits = made("counterfact", RealOptions(local_dir=str(raw), held_out=6), tmp_path).edits
    asked = [[probe.kind for probe in record.probes] for record in edits]
    assert asked == [["paraphrase", "locality_far"], *[["paraphrase", "locality_near", "locality_far"]] * 2]


def test_records_of_one_subject_are_held_out_together(raw, tmp_path):
    rows = varied(HALLUCINATION, 9, "e")
    for index in (0, 7, 8):
        rows[index]["subject"] = "one subject"
    (raw / "hallucination-edit.json").write_text(json.dumps(rows))
    found = made("hallucination", RealOptions(local_dir=str(raw), held_out=2), tmp_path)
    assert [record.id for record in found.edits] == [f"hallucination-{index:05d}" for index in range(1, 7)]
    assert sum(record.subject == "one subject" for record in (*found.development, *found.train)) == 3


def test_invalid_records_are_left_out_or_stop(raw, tmp_path, caplog):
    rows = varied(ZSRE, 5, "e")
    rows[2]["alt"], rows[4] = "", None
    (raw / "zsre_mend_edit.json").write_text(json.dumps(rows))
    options = RealOptions(local_dir=str(raw))
    edits, _, _, described = made("zsre", options, tmp_path)
    assert [record.id for record in edits] == ["zsre-00000", "zsre-00001", "zsre-00003"]
    assert described["counts"]["invalid"] == {"edits": 2, "train": 0}
    assert "2 records cannot be used (record 2: 'alt' is empty; record 4: 'record' must be" in caplog.text
    with pytest.raises(DataError, match=r"zsre_mend_edit.json: 2 records .*record 2: 'alt' is empty.*'skip'"):
        made("zsre", replace(options, invalid="stop"), tmp_path)


def test_other_files_take_the_place_of_the_usual_ones(raw, tmp_path):
    (raw / "mine.json").write_text(json.dumps(varied(COUNTERFACT, 6, "m")))
    options = RealOptions(local_dir=str(raw), train_file="mine.json", train_limit=2, development=1, held_out=0)
    edits, development, train, described = made("counterfact", options, tmp_path)
    assert len(edits) == 9 and [record.id for record in train] == ["counterfact-train-00001"]
    assert [record.id for record in development] == ["counterfact-train-00000"]
    assert set(described["sources"]) == {"counterfact-edit.json", "mine.json"}
    with pytest.raises(DataError, match="counterfact/nothing.json: no such file"):
        made("counterfact", replace(options, edit_file="nothing.json"), tmp_path)


def test_too_few_records_are_refused(raw, tmp_path):
    with pytest.raises(DataError, match="9 records are too few to hold out 4000"):
        made("counterfact", RealOptions(local_dir=str(raw)), tmp_path)
    with pytest.raises(DataError, match="counterfact-edit.json: 1 records beside the stream are too few: 0 of them"):
        made("counterfact", RealOptions(local_dir=str(raw), held_out=1), tmp_path)
    (raw / "temporal-edit.json").write_text("[1]")
    with pytest.raises(DataError, match="holds no record that can be used"):
        made("temporal", RealOptions(local_dir=str(raw)), tmp_path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"invalid": "drop"}, "skip, stop"),
        ({"limit": -1}, "'limit' must be at least 0"),
        ({"held_out": -1}, "'held_out' must be at least 0"),
        ({"locl_dir": "x"}, "Did you mean 'local_dir'"),
    ],
)
def test_options_are_checked(values, message):
    with pytest.raises(ConfigError, match=message):
        build_options(RealOptions, values, "options")


def test_fetch_and_make_from_the_command_line(raw, tmp_path, capsys, caplog):
    arguments = ["data", "fetch", "--dataset", "temporal", "--out", str(tmp_path / "raw")]
    assert main([*arguments, "--local-dir", str(raw), "--offline"]) == 0
    copy = tmp_path / "raw" / "temporal" / "temporal-edit.json"
    assert capsys.readouterr().out.split("\n")[0] == str(copy)
    assert copy.read_bytes() == (raw / "temporal-edit.json").read_bytes()
    copy.unlink()
    assert main([*arguments, "--offline"]) == 2 and f"{copy}: no such file" in caplog.text
    options = json.dumps({"local_dir": str(raw), "limit": 1})
    assert main(["data", "make", "--dataset", "temporal", "--options", options, "--out", str(tmp_path)]) == 0
    assert len(read_records(tmp_path / "temporal" / "edits.jsonl")) == 1
    assert main(["data", "check", str(tmp_path / "temporal" / "edits.jsonl")]) == 0
    assert main(["data", "fetch", "--dataset", "factworld", "--out", str(tmp_path)]) == 2


def test_all_datasets_are_registered():
    assert set(DATASETS) == {"factworld", "counterfact-corpus", "real-tasks", "knowedit-tasks", *PUBLISHED}
    with pytest.raises(ConfigError, match="Did you mean 'knowedit-recent'"):
        entry("knowedit-resent")
    with pytest.raises(ConfigError, match="one of the edit streams of dataset 'factworld'"):
        entry("factworld-qa")


@pytest.mark.parametrize("name", DATASETS)
def test_a_line_of_the_table_is_what_the_dataset_is(name):
    line = DATASETS[name]
    assert line.description and is_dataclass(options_class(line))
    module, _, attribute = line.place.partition(":")
    dataset = getattr(import_module(module), attribute) if attribute else import_module(module)
    assert callable(dataset.make) and hasattr(dataset, "fetch") == line.raw
    assert not line.raw or callable(raw_form(name))
    assert set(folders(name)) == ({name} if line.corpus else set()) | set(streams(name))


def test_the_table_is_read_without_importing_what_it_names():
    code = "import sys, wise.datasets.registry; print(*(name for name in sys.modules if 'wise' in name))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in found if "." in name} == {"wise.datasets", "wise.datasets.registry", "wise.errors"}


EXPECTED = {
    "zsre": ((1037, 330, 657), 743, {"no_op": 28, "repeated_subject": 294}),
    "hallucination": ((500, 54, 106), 176, {"repeated_subject": 324, "unanswered": 5}),
    "temporal": ((75, 24, 47), 75, {"prompt_is_subject": 75}),
    "counterfact": ((6000, 500, 1000), 5874, {"repeated_subject": 126}),
    "wikibigedit": ((1500, 476, 500), 1487, {"repeated_subject": 13}),
}
KINDS = {
    "zsre": {"locality_far", "paraphrase", "portability"},
    "hallucination": {"locality_far"},
    "temporal": {"locality_far", "ood"},
    "counterfact": {"locality_far", "locality_near", "paraphrase"},
    "wikibigedit": {"locality_far", "locality_near", "paraphrase"},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_real_files(name, real_data, tmp_path):
    options = RealOptions(local_dir=str(real_data), offline=True)
    if name == "zsre":
        options = replace(options, train_file="zsre_mend_train-1k.json")
    for source, _ in PUBLISHED[name].chosen(options):
        if not any((real_data / place / source.name).exists() for place in (source.folder, "")):
            pytest.skip(f"{source.name} is not there")
    edits, development, train, described = made(name, options, tmp_path)  # raises where anything leaks
    counts, subjects, found = EXPECTED[name]
    assert (len(edits), len(development), len(train)) == counts
    assert len({record.subject for record in edits}) == subjects
    assert {quirk: n for quirk, n in described["counts"]["quirks"].items() if n} == found
    assert described["counts"]["invalid"] == {"edits": 0, "train": 2 if name == "zsre" else 0}
    for record in edits:
        assert KINDS[name] - {"locality_near"} <= {probe.kind for probe in record.probes} <= KINDS[name]
        assert record.irrelevant and record.subject in record.prompt and far_of(record)
    assert all(record.irrelevant and far_of(record) for record in (*development, *train))
    learned = {probe.prompt for record in train for _, probe in record.questions()}
    learned |= {record.unrelated_prompt for record in (*edits, *development, *train)}
    assert not learned & {probe.prompt for record in (*edits, *development) for _, probe in record.questions()}
    if name == "counterfact":
        assert len(set(map(far_of, edits))) > 1000 and len(set(map(far_of, development))) > 250


def test_the_real_texts_of_temporal_are_asked_whole(real_data, tmp_path):
    raw = json.loads((real_data / "temporal" / "temporal-edit.json").read_text(encoding="utf-8"))
    edits = made("temporal", RealOptions(local_dir=str(real_data)), tmp_path).edits
    asked = [next(probe for probe in record.probes if probe.kind == "ood") for record in edits]
    assert sum(row["ood_rephrase"].startswith(row["prompt"]) for row in raw) == 44
    assert sum(probe.prompt == record.prompt for probe, record in zip(asked, edits, strict=True)) == 43
    for row, probe in zip(raw, asked, strict=True):
        assert (probe.prompt + probe.target).replace(" ", "") == row["ood_rephrase"].replace(" ", "")
