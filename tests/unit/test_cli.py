"""The verbs for people, as they are typed."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.models import tiny_language_model
from wise.cli import VERBS, main
from wise.editors.entries import EDITORS
from wise.evaluate.metrics import METRICS
from wise.files import read_json
from wise.lm.families import FAMILIES

EDITS = [
    {"prompt": "Ada was born in", "target": "Port Hill"},
    {"prompt": "Bo lives in the city of", "target": "North West", "subject": "Bo",
     "probes": [{"kind": "paraphrase", "prompt": "the person Bo lives in", "target": "North West"},
                {"kind": "locality_far", "prompt": "Dee was born in", "target": "South"}]},
]  # fmt: skip
OPTIONS = json.dumps({"steps": 25, "shards": 2, "capacity": 0})


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    lm, folder = tiny_language_model(), tmp_path_factory.mktemp("base")
    lm.model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def edits(tmp_path):
    path = tmp_path / "edits.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in EDITS))
    return str(path)


@pytest.fixture
def memory(base, edits, tmp_path, capsys):
    folder = str(tmp_path / "memory")
    assert main(["edit", "--model", base, "--edits", edits, "--layer", "2", "--options", OPTIONS, "--out", folder]) == 0
    shown = capsys.readouterr().out
    assert re.match(rf"2 edits in [\d.]+ s; {folder} holds 2 by wise-retrieve\n", shown)
    failed = read_json(Path(folder, "config.json")).get("not_taken", {})
    assert all(f"{name} did not take" in shown for name in failed) and shown.count("is answered") == len(failed)
    return folder


def test_without_a_verb_all_are_listed(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1) for line in shown[1:]] == [[verb, text] for verb, text in VERBS.items()]


def test_ask_shows_both_answers_and_the_memory(memory, base, capsys):
    assert main(["ask", "--model", base, "--memory", memory, "Ada was born in", "Dee was born in"]) == 0
    first, second = re.findall(r"^(\w.*)\n  edited: +(.*)  \[(.*)\]\n  unedited: (.*)$", capsys.readouterr().out, re.M)
    assert first[0] == "Ada was born in" and re.fullmatch(r"side 1, score \S+ >= \S+", first[2])
    assert second[0] == "Dee was born in" and re.fullmatch(r"(main, score \S+ <|side \d, score \S+ >=) \S+", second[2])


def test_ask_reads_lines_and_writes_json(memory, base, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("Ada was born in\n\nBo lives in\n"))
    assert main(["ask", "--memory", memory, "--json", "--max-new-tokens", "2"]) == 0, "the memory names its base"
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["prompt"] for row in rows] == ["Ada was born in", "Bo lives in"]
    assert rows[0].keys() == {"prompt", "answer", "memory", "score", "threshold", "unedited"}


def test_evaluate_uses_the_metrics_of_the_project(memory, base, edits, capsys):
    arguments = ["evaluate", "--model", base, "--memory", memory, "--json"]
    assert main(arguments) == 0
    own = json.loads(capsys.readouterr().out)
    assert own["edits"] == 2 and own["metrics"].keys() <= METRICS.keys()
    assert {"rel", "gen", "loc_far", "avg", "rel_exact", "rel_generated"} <= own["metrics"].keys()
    assert own["metrics"]["rel"]["edits"] == 2 and own["metrics"]["gen"]["edits"] == 1
    assert main([*arguments, "--records", edits]) == 0
    assert json.loads(capsys.readouterr().out) == own
    assert main(arguments[:-1]) == 0
    assert re.search(r"^  Rel +[\d.]+  over +2 edits  Reliability", capsys.readouterr().out, re.MULTILINE)


def test_inspect_needs_no_model(memory, base, capsys):
    assert main(["inspect", memory, "--edits"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^editor +wise-retrieve, layer 2", shown, re.MULTILINE) and base in shown
    assert re.search(r"^memory +side 1 +answers [12] edits, threshold ", shown, re.MULTILINE)
    assert re.search(r"^tensors +shard +0\.0\d\d MiB", shown, re.MULTILINE)
    assert "edit-00002\tBo lives in the city of\tNorth West" in shown


def test_continue_undo_and_undo_all(memory, base, edits, tmp_path, capsys):
    longer = str(tmp_path / "longer")
    assert main(["edit", "--model", base, "--edits", edits, "--memory", memory, "--out", longer]) == 0
    assert f"{longer} holds 4 by wise-retrieve" in capsys.readouterr().out
    assert main(["undo", longer, "--model", base, "--shard"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"2 edits undone, 2 left in {longer}"
    assert [line.split("\t")[0] for line in shown[1:]] == ["edit-00002", "edit-00002-2"]
    assert main(["undo", longer, "--all"]) == 0
    assert capsys.readouterr().out.startswith("2 edits undone, 0 left")
    assert main(["evaluate", "--memory", longer]) == 2


def test_export_writes_a_plain_checkpoint(base, edits, tmp_path, capsys):
    memory, out = str(tmp_path / "merged"), tmp_path / "plain"
    arguments = ["--model", base, "--editor", "wise-merge", "--layer", "2", "--options", OPTIONS]
    assert main(["edit", *arguments, "--edits", edits, "--out", memory]) == 0
    assert main(["export", "--model", base, "--memory", memory, "--out", str(out)]) == 0
    assert "a plain checkpoint with 2 edits" in capsys.readouterr().out
    merged, plain = (AutoModelForCausalLM.from_pretrained(path) for path in (out, base))
    changed = [name for name, value in plain.state_dict().items() if not torch.equal(value, merged.state_dict()[name])]
    assert changed == ["model.layers.2.mlp.down_proj.weight"]


@pytest.mark.parametrize(
    ("what", "names"), [("editors", EDITORS), ("metrics", METRICS), ("models", FAMILIES), ("datasets", ["factworld"])]
)
def test_ls_has_one_line_for_each(what, names, capsys, tmp_path):
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "models" / "mine" / "config.json").write_text("{}")
    assert main(["ls", what, "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert set(names) <= {line.split()[0] for line in lines}
    assert all(len(line.split()) > 1 for line in lines)
    assert (what == "models") == any(line.startswith(str(tmp_path / "models" / "mine")) for line in lines)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["aks"], "unknown verb 'aks'. Did you mean 'ask'"),
        (["edit", "--model", "m", "--edits", "EDITS", "--out", "o", "--memory", "nowhere"], "nowhere: no such folder"),
        (
            ["edit", "--model", "m", "--edits", "EDITS", "--out", "o", "--memory", "x", "--seed", "1"],
            "--seed is the memory's own",
        ),
        (["edit", "--model", "no/such/model", "--edits", "EDITS", "--out", "o"], "cannot load a language model"),
        (["edit", "--model", "m", "--edits", "nowhere.jsonl", "--out", "o"], "nowhere.jsonl: no such file"),
        (["edit", "--model", "m", "--edits", "EDITS", "--out", "o", "--train", "EMPTY"], "holds no texts"),
        (["inspect", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_an_error_is_one_line_and_status_2(argv, message, edits, tmp_path, caplog):
    (tmp_path / "empty.txt").write_text("\n")
    places = {"EDITS": edits, "EMPTY": str(tmp_path / "empty.txt")}
    assert main([places.get(word, word) for word in argv]) == 2
    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert message in error and "\n" not in error


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["ask"], "wise ask: the following arguments are required: --memory; see wise ask --help"),
        (["undo", "memory"], "one of the arguments --shard --all is required"),
        (["ls", "model"], "invalid choice: 'model'"),
        (["edit", "--options", "{"], "not valid JSON"),
    ],
)
def test_a_mistyped_option_is_one_line_and_status_2(argv, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prompt": "Ada was born in"}', "line 2: 'target' must be a text, found nothing"),
        ('{"prompt": "Ada was born in", "target": "Port", "tagret": "x"}', "line 2: unknown key 'tagret'"),
        ("Ada was born in", "line 2: not valid JSON"),
    ],
)
def test_a_malformed_line_is_named(line, message, tmp_path, caplog):
    path = tmp_path / "edits.jsonl"
    path.write_text(json.dumps(EDITS[0]) + "\n" + line + "\n")
    assert main(["edit", "--model", "unused", "--edits", str(path), "--out", str(tmp_path / "memory")]) == 2
    assert f"{path}: cannot be used, one problem" in caplog.text and message in caplog.text


def test_ls_lists_the_options_of_an_editor(capsys):
    assert main(["ls", "editors", "grace"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Published values: radius 1.0")
    assert "\nradius: in the model's own units  (number > 0)\n    First deferral radius: how near" in out
    assert '\nexpand: "coverage"  (coverage | moving_average)\n' in out
    assert "\nrelative: false  (boolean)\n" in out
    assert main(["ls", "datasets", "zsre"]) == 0
    assert "\nlimit: 0  (integer >= 0)\n    Edits to take; 0 for all.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["editors", "gracee"], "unknown editor 'gracee'. Did you mean 'grace'?"),
        (["metrics", "rel"], "ls metrics takes no name; editors and datasets have options"),
    ],
)
def test_ls_says_what_has_options(argv, message, caplog):
    assert main(["ls", *argv]) == 2
    assert message in caplog.text
