"""What editors learn from is not asked: every rule finds what breaks it, and no dataset with a leak is made."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from wise.cli import main
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.files import FILES
from wise.datasets.leaks import RULES, Leak, clear_of, find_leaks, leak_lines, plain, require_no_leak
from wise.datasets.registry import DATASETS, Entry, make, streams
from wise.datasets.stream_folder import exemptions, require_sound
from wise.errors import DataError
from wise.files import write_json
from wise.records import EditRecord, Probe, write_records


def record(name: str, **changes) -> EditRecord:
    """A record that has nothing in common with any other."""
    other = name.replace(" ", "")
    probes = (
        Probe("paraphrase", f"{name} is led by", "Ada", f"wording {name}"),
        Probe("locality_near", f"The mayor of near{other} is", "Bo"),
        Probe("locality_far", f"The river of far{other} is", "Tay"),
    )
    unrelated = f"The colour of beside{other} is"
    given = {
        "id": name.lower(),
        "prompt": f"The mayor of {name} is",
        "target": "Ada",
        "subject": name,
        "irrelevant": f"{unrelated} red",
        "irrelevant_prompt": unrelated,
        "probes": probes,
    }
    return EditRecord(**given | changes)


def dataset(count: int = 3) -> dict[str, list[EditRecord]]:
    return {file: [record(f"{file.title()} town {index}x") for index in range(count)] for file in FILES}


def broken(files: dict[str, list[EditRecord]]) -> list[tuple[str, str]]:
    """The rules that are broken, with the texts."""
    return [(leak.rule, leak.text) for leak in find_leaks(files)]


def with_first(file: str, **changes) -> dict[str, list[EditRecord]]:
    files = dataset()
    return files | {file: [replace(files[file][0], **changes), *files[file][1:]]}


def test_a_sound_dataset_breaks_no_rule():
    assert find_leaks(dataset()) == [] and find_leaks({"edits": dataset()["edits"]}) == []


PARAPHRASE = Probe("paraphrase", "Edits town 0x IS  led by", "Ada")
FAR = Probe("locality_far", "the river of farEditstown1x is ...", "Tay")


@pytest.mark.parametrize(
    ("file", "changes", "found"),
    [
        ("train", {"subject": "edits TOWN-0x"}, ("subject", "edits town 0x")),
        ("development", {"subject": "Edits town 0x"}, ("subject", "edits town 0x")),
        ("train", {"prompt": "The mayor of Edits town 0x is"}, ("question", "the mayor of edits town 0x is")),
        ("train", {"probes": (PARAPHRASE,)}, ("question", "edits town 0x is led by")),
        ("train", {"probes": (FAR,)}, ("question", "the river of fareditstown1x is")),
        ("development", {"probes": (FAR,)}, ("question", "the river of fareditstown1x is")),
        ("train", {"prompt": "Who wed Edits town 2x"}, ("named", "who wed edits town 2x")),
        (
            "edits",
            {"probes": (Probe("locality_far", "Who wed Train town 2x?", "t"),)},
            ("named", "who wed train town 2x"),
        ),
        (
            "edits",
            {"irrelevant": "The river of farEditstown2x is Tay", "irrelevant_prompt": ""},
            ("unrelated", "the river of fareditstown2x is"),
        ),
        (
            "train",
            {"irrelevant": "Edits town 0x is led by Bo", "irrelevant_prompt": "Edits town 0x is led by"},
            ("unrelated", "edits town 0x is led by"),
        ),
        (
            "edits",
            {"irrelevant": "Who wed Edits town 1x: Bo", "irrelevant_prompt": "Who wed Edits town 1x:"},
            ("unrelated", "who wed edits town 1x"),
        ),
        (
            "train",
            {"probes": (Probe("paraphrase", "p", "t", "wording Edits town 0x"),)},
            ("wording", "wording Edits town 0x"),
        ),
        (
            "edits",
            {"probes": (Probe("locality_near", "the mayor of Edits town 1x is", "t"),)},
            ("changed", "the mayor of edits town 1x is"),
        ),
    ],
)
def test_every_rule_finds_what_breaks_it(file, changes, found):
    assert found in broken(with_first(file, **changes))
    with pytest.raises(DataError, match=rf"dataset 'd': editors would learn.*\n.*  {found[0]} \(.*\): \d x, '"):
        require_no_leak(with_first(file, **changes), "d")
    require_no_leak(with_first(file, **changes), "d", exempt=RULES)


def test_what_is_no_leak():
    passage = "Edits town 0x has a mayor. She was born in Edits town 1x."
    assert not find_leaks(with_first("train", prompt=passage)), "a passage that goes on may mention anybody"
    assert not find_leaks(with_first("train", prompt="It rained in Edits town 0x today. The mayor is"))
    assert find_leaks(with_first("train", prompt="It rained. The mayor of Edits town 0x is"))
    unmarked = {"irrelevant": "The founder of all is Edits town 0x", "irrelevant_prompt": ""}
    assert not find_leaks(with_first("train", **unmarked)), "the name may be the answer"
    assert not find_leaks(with_first("train", probes=(Probe("paraphrase", "p", "t", "reworded"),)))
    again = {
        "prompt": "The mayor of Edits town 0x is",
        "probes": (Probe("locality_near", "The mayor of Edits town 0x is", "t"),),
    }
    assert not find_leaks(with_first("edits", **again)), "of its own record"


def test_places_are_named_with_their_counts():
    files = dataset(6)
    files["train"] = [
        replace(one, probes=other.probes) for one, other in zip(files["train"], files["edits"], strict=True)
    ]
    lines = leak_lines(find_leaks(files))
    assert [line.split(" (")[0] for line in lines] == ["question", "named", "wording"]
    assert (
        "): 18 x, 'edits town 0x is led by': edits 'edits town 0x' (paraphrase) and train 'train town 0x'" in lines[0]
    )
    assert lines[0].count("' and ") + lines[0].count(") and ") == 3 and lines[0].endswith("; ...")
    leak = next(leak for leak in find_leaks(files) if leak.rule == "question")
    assert isinstance(leak, Leak) and (leak.first[0].probe, leak.second[0].file) == (0, "train")


def test_candidates_that_overlap_are_left_out():
    files = dataset()
    overlapping = replace(files["train"][1], prompt="Who wed Edits town 2x")
    kept = clear_of([files["train"][0], overlapping, files["train"][2]], files["edits"], files["development"])
    assert kept == [files["train"][0], files["train"][2]]


def test_texts_are_compared_by_their_words():
    assert plain(" The\tMAYOR,  of\n(Köln)... ") == plain("the mayor of köln") == "the mayor of köln"


def test_a_large_dataset_takes_seconds():
    files = {file: [record(f"{file} town {index}x") for index in range(3000)] for file in FILES}
    started = time.process_time()
    assert find_leaks(files) == []
    assert time.process_time() - started < 10


def write_folder(folder: Path, files: dict[str, list[EditRecord]], **described) -> Path:
    for file, records in files.items():
        write_records(folder / f"{file}.jsonl", records)
    write_json(folder / "dataset.json", described)
    return folder


def test_a_folder_is_checked_from_the_command_line(tmp_path, capsys):
    sound = write_folder(tmp_path / "sound", dataset())
    assert main(["data", "check", str(sound)]) == 0
    assert "edits, development, train together: nothing that is learned from is asked" in capsys.readouterr().out
    leaking = write_folder(tmp_path / "leaking", with_first("train", subject="Edits town 0x"))
    assert main(["data", "check", str(leaking)]) == 1
    printed = capsys.readouterr().out
    assert "  leak          subject (a subject is edited in two files): 1 x, 'edits town 0x'" in printed
    two = [str(leaking / f"{file}.jsonl") for file in ("edits", "train")]
    assert main(["data", "check", *two]) == 1 and "edits, train together: leaks" in capsys.readouterr().out
    assert main(["data", "check", two[0]]) == 0 and "together" not in capsys.readouterr().out


def test_a_rule_that_cannot_be_held_is_named_with_its_reason(tmp_path, capsys):
    files = with_first("train", subject="Edits town 0x")
    folder = write_folder(tmp_path / "d", files, exempt={"subject": "both are one town"})
    require_sound(folder)
    assert main(["data", "check", str(folder)]) == 0
    assert "exempt        subject: both are one town (1 x)" in capsys.readouterr().out
    require_sound(
        write_folder(tmp_path / "e", files | {"development": []}, exempt={"subject": "x", "development": "few"})
    )
    with pytest.raises(DataError, match=r"development.jsonl: holds no records.*\"exempt\""):
        require_sound(write_folder(tmp_path / "f", dataset() | {"development": []}))
    with pytest.raises(DataError, match="unknown rule 'subjct'. Did you mean 'subject'"):
        exemptions(write_folder(tmp_path / "g", {}, exempt={"subjct": "x"}))
    for wrong in ({"subject": " "}, ["subject"]):
        with pytest.raises(DataError, match="dataset.json"):
            exemptions(write_folder(tmp_path / "h", {}, exempt=wrong))


class Leaking:
    """A dataset as a plug-in may make it."""

    @staticmethod
    def make(name: str, options: FactWorldOptions, out: Path) -> list[Path]:
        return [write_folder(Path(out) / name, with_first("train", subject="Edits town 0x"))]


def test_no_dataset_with_a_leak_is_made(tmp_path):
    line = Entry("tests.unit.test_leaks:Leaking", "wise.datasets.factworld.options:FactWorldOptions", "Leaks.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, "leaking", line)
        with pytest.raises(DataError, match="dataset 'leaking': editors would learn from what is scored"):
            make("leaking", line, FactWorldOptions(), tmp_path)


def test_factworld_says_what_it_cannot_hold_to(tmp_path):
    small = FactWorldOptions(people=20, cities=14, countries=6, organisations=8, works=8)
    folders = {folder.name: folder for folder in make("factworld", DATASETS["factworld"], small, tmp_path)}
    for stream in streams("factworld"):
        described = json.loads((folders[stream] / "dataset.json").read_text())
        assert set(described.get("exempt", {})) <= {"development", "wording"}
