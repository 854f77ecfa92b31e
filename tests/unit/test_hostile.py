"""Input that is made to do harm: nothing is run, written elsewhere or allocated because a file says so."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import struct
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import wise
from tests.bad_input import sound
from tests.bad_input.damage import ARCHIVES
from wise.cli import main
from wise.commands.check import check_file
from wise.config.model import complete
from wise.documents import parse_json, read_json
from wise.errors import ConfigError, DataError, WiseError
from wise.files import sha256
from wise.lm.load import load_language_model
from wise.lm.tensor_file import read_tensors
from wise.memory.artifact import use_artifact
from wise.memory.folder import read_folder, sealed
from wise.records import read_records
from wise.tracking.store import connect


def written(files, folder: Path) -> Path:
    """A folder with these contents."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return written(sound.memory("wise-retrieve"), tmp_path / "memory")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound.model(), tmp_path / "model"))


def changed(path: Path, **values) -> None:
    """Write other values into a JSON document."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def with_tensors(memory: Path, **tensors: torch.Tensor) -> None:
    """Other tensors in a memory, and its digests as they should be."""
    path = memory / "memory.safetensors"
    save_file(load_file(path) | tensors, path)
    config = json.loads((memory / "config.json").read_text())
    config["files"]["memory.safetensors"] = sha256(path)
    (memory / "config.json").write_text(json.dumps(sealed(config)))


def test_a_memory_cannot_have_files_of_another_folder_moved(memory: Path, tmp_path: Path):
    mine = written({"README.md": b"mine", "config.json": b"{}"}, tmp_path / "mine")
    (memory / ".commit").symlink_to(mine)
    assert main(["undo", str(memory), "--model", str(sound.model()), "--all"]) == 2
    with pytest.raises(DataError, match=".commit: is a link"):
        wise.load(memory, sound.model())
    assert (mine / "README.md").read_text() == "mine" and (mine / "config.json").read_text() == "{}"


def test_a_memory_that_is_a_link_itself_is_replaced_not_what_it_leads_to(memory: Path, tmp_path: Path):
    mine = tmp_path / "mine.md"
    mine.write_text("mine")
    (memory / "README.md").unlink()
    (memory / "README.md").symlink_to(mine)
    assert main(["undo", str(memory), "--model", str(sound.model()), "--all"]) == 0
    assert mine.read_text() == "mine" and not (memory / "README.md").is_symlink()


def test_a_number_in_a_memory_cannot_ask_for_terabytes(memory: Path):
    tokens = torch.nn.functional.normalize(torch.ones(2, 32), dim=-1)
    with_tensors(memory, **{
        "signs.factor": torch.eye(32), "signs.tokens": tokens, "signs.prompts": torch.tensor([0, 2**40]),
    })  # fmt: skip
    with pytest.raises(DataError, match="'signs.prompts' holds numbers from 0 to 1099511627776"):
        wise.load(memory, sound.model())


@pytest.mark.parametrize(("editor", "option"), [("ke", "hidden"), ("serac", "layers"), ("serac", "scope_width")])
def test_an_option_cannot_ask_for_a_network_that_the_artifact_does_not_have(editor: str, option: str, tmp_path: Path):
    path = tmp_path / "artifact.safetensors"
    path.write_bytes(sound.made_artifact(editor))
    made = sound.untrained(editor)
    object.__setattr__(made.config, option, 10**9)  # beyond what options may be
    with pytest.raises(ConfigError, match="x: .*(does not fit|has no counterfactual|could use)"):
        use_artifact(made, load_file(path), "x")


def test_a_saved_memory_names_its_editor_out_of_those_that_there_are(memory: Path):
    changed(memory / "config.json", editor="os.system")
    with pytest.raises(ConfigError, match="unknown editor 'os.system'.*Valid choices: .*wise-retrieve"):
        read_folder(memory)


def test_code_beside_a_model_is_not_run(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ran = tmp_path / "ran"
    (model / "evil.py").write_text(f"open({str(ran)!r}, 'w')\n")
    named = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model", "AutoTokenizer": ["evil.Tok", None]}
    for file in ("config.json", "tokenizer_config.json"):
        changed(model / file, auto_map=named, trust_remote_code=True)
    monkeypatch.chdir(model)
    load_language_model(model)
    changed(model / "config.json", model_type="evil")
    with pytest.raises(ConfigError, match="unknown model family 'evil'. Valid choices: apertus, .*gemma"):
        load_language_model(model)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000, and there are only"),
        ({"hidden_size": 2**40, "head_dim": 2**38}, "describes a model|cannot load"),
        ({"vocab_size": 2**45}, "describes a model of"),
        ({"num_hidden_layers": 2}, "beyond what config.json describes 18 weights"),
        ({"quantization_config": {"quant_method": "x"}}, "quantization_config"),
    ],
)
def test_a_models_config_cannot_ask_for_more_than_its_files_hold(model: Path, values: dict, message: str):
    changed(model / "config.json", **values)
    with pytest.raises(ConfigError, match=message):
        load_language_model(model)


def test_weights_are_neither_made_up_nor_pickled_nor_of_another_folder(model: Path, tmp_path: Path):
    weights = load_file(model / "model.safetensors")
    renamed = {name.replace("norm.weight", "norm.other"): tensor for name, tensor in weights.items()}
    save_file(renamed, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match="lack 9 weights, such as 'model.layers.0.input_layernorm.weight'"):
        load_language_model(model)
    (model / "model.safetensors").unlink()
    torch.save(weights, model / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="pickled weights are not loaded"):
        load_language_model(model)
    save_file(weights, tmp_path / "other.safetensors")
    index = {"weight_map": {name: "../other.safetensors" for name in weights}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"'../other.safetensors', no safetensors file of the folder"):
        load_language_model(model)


def header(entries: dict, size: int | None = None) -> bytes:
    """A safetensors file of 16 numbers with that header."""
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + b"\0" * 64


@pytest.mark.parametrize(
    "content",
    [
        header({"a": {"dtype": "F32", "shape": [2**50], "data_offsets": [0, 2**52]}}),
        header({name: {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]} for name in "ab"}),
        header({"a": {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}}, 2**62),
        header({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 64]}}),
    ],
)
def test_headers_that_claim_or_overlap_are_refused(content: bytes, tmp_path: Path, model: Path):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(DataError, match="a.safetensors: not a safetensors file"):
        read_tensors(tmp_path / "a.safetensors")
    (model / "model.safetensors").write_bytes(content)
    with pytest.raises(WiseError, match="config.json: describes|not a safetensors file|there are only"):
        load_language_model(model)


@pytest.mark.parametrize("archive", ARCHIVES)
def test_archives_are_refused(archive: bytes, tmp_path: Path):
    (tmp_path / "it").write_bytes(archive)
    for read in (read_records, read_json, read_tensors, read_folder, load_language_model, check_file):
        with pytest.raises(WiseError, match="it: is (a zip|compressed|a tar).*archives are not read"):
            read(tmp_path / "it")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 200_000, "nested deeper than 64"),
        ('{"a": ' * 70 + "1" + "}" * 70, "nested deeper than 64"),
        ("1" * 10_000, "more than 64 bits"),
        ("[NaN]", "NaN is no number of JSON"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ('["\\ud800"]', "half of a surrogate pair"),
        ('{"a": 1,\n "b": }', "x, line 2: not valid JSON"),
    ],
)
def test_json_that_would_exhaust_or_confuse_is_refused(text: str, message: str):
    with pytest.raises(DataError, match=message):
        parse_json(text, "x")


BOMB = "a: &a [x]\n" + "".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}' if i else '*a'] * 9)}]\n" for i in range(9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "stands for more than 100000 keys and values"),
        ("a: &a [*a]", "a section stands for one that it is in itself"),
        ("a: " + "[" * 50 + "]" * 50, "nested deeper than 32"),
        ("seeds: [0]\nseeds: [1]", "line 2: the key 'seeds' stands twice"),
        ("a: !!python/object/apply:os.system ['touch pwned']", "not valid JSON or YAML"),
        ("[1]", "must have keys at its top level"),
    ],
)
def test_yaml_that_would_exhaust_run_or_confuse_is_refused(text: str, message: str, tmp_path: Path):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        check_file(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"results": "x; touch pwned"}, "results: may only have"),
        ({"results": "$(touch pwned)"}, "results: may only have"),
        ({"results": "-rf"}, "results: may only have"),
        ({"models": {"../x": {}}}, "models.../x: the name"),
        ({"models": {"m": {"source": "gguf", "package": "x; touch pwned"}}}, "models.m.package: must be the name of"),
        ({"data": {"../x": {"edits": "a"}}}, "data.../x: the name"),
        ({"datasets": ["../x"]}, r"datasets\[0\]: the name"),
        ({"editors": {"a/b": {}}}, "editors.a/b: the name"),
        ({"ablations": {"layer": {"beside": "../x"}}}, "ablations.layer.beside"),
        ({"tracking": {"experiment": "x' OR 1 = 1"}}, "tracking.experiment: may only have"),
        ({"evaluation": {"grid": {"1": 10**12}}}, "evaluation.grid.1: must be at most 1000000"),
        ({"contexts": {"count": 10**9}}, "contexts.count: must be at most 65536"),
        ({"models": {"m": {"pretrain": {"hidden": 2**30}}}}, "models.m.pretrain: option 'hidden' must be at most"),
        ({"seeds": [2**70]}, r"seeds\[0\]"),
    ],
)
def test_a_configuration_names_nothing_outside_and_nothing_endless(config: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        complete(config)


def test_whatever_a_shell_reads_of_a_configuration_is_quoted(project: Path):
    """Texts that no pattern limits: paths, devices, revisions, options, addresses, files."""
    free = ("options", "uri", "experiment", "device", "name", "file", "config", "editors", "T")
    for path in (project / "rules").glob("*.smk"):
        commands = "".join(re.findall(r'^ +"(?:python|HF_|OMP_)[^\n]*\n(?:^ +" [^\n]*\n)*', path.read_text(), re.M))
        for name in re.findall(r"\{params\.(\w+)\}", commands):
            assert name not in free or (path.name, name) in {("edit.smk", "options")}, f"{path.name}: {name}"


def test_a_dataset_is_not_made_outside_of_its_folder(tmp_path: Path):
    edits, out = str(sound.records()), tmp_path / "out"
    told = ["--options", json.dumps({"edits": edits}), "--out", str(out)]
    assert main(["data", "make", "--dataset", "../elsewhere", *told]) == 2
    assert os.listdir(tmp_path) == []


def test_a_database_of_somebody_else_gets_no_tables(tmp_path: Path):
    with sqlite3.connect(tmp_path / "mine.db") as mine:
        mine.execute("CREATE TABLE cookies (name TEXT)")
    with pytest.raises(ConfigError, match="mine.db is an SQLite file of something else than MLflow"):
        connect(f"sqlite:///{tmp_path / 'mine.db'}")
    (tmp_path / "text.db").write_text("mine, and long enough to be read as the head of a database" * 3)
    with pytest.raises(ConfigError, match="text.db is no SQLite file"):
        connect(f"sqlite:///{tmp_path / 'text.db'}")


def printed_by_make(project: Path, *arguments: str) -> str:
    """What `make -n` would run."""
    environment = {**os.environ, "VIRTUAL_ENV": "", "CONDA_DEFAULT_ENV": ""}
    command = ["make", "-n", "-o", ".venv/.installed", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_ui_listens_on_loopback_with_its_middleware_on(project: Path, tmp_path: Path):
    (tmp_path / "tracking.json").write_text('{\n  "uri": "sqlite:///mlflow.db",\n  "link": "/"\n}\n')
    printed = printed_by_make(project, "ui", f"RESULTS={tmp_path}", "PORT=5050")
    assert "mlflow ui --backend-store-uri 'sqlite:///mlflow.db' --host 127.0.0.1 --port 5050" in printed
    assert "--allowed-hosts 'localhost,localhost:*,127.0.0.1,127.0.0.1:*'" in printed
    assert "--x-frame-options DENY" in printed
    assert "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE=false" in printed and "0.0.0.0" not in printed
    assert "cors" not in printed, "no page of another site may send anything"


def test_neither_a_configuration_nor_results_reach_the_shell_of_make(project: Path, tmp_path: Path):
    (tmp_path / "c.yaml").write_text("results: x; touch pwned\n")
    assert "pwned" not in printed_by_make(project, "report", f"CONFIG={tmp_path / 'c.yaml'}")
    (tmp_path / "tracking.json").write_text('{\n  "uri": "sqlite:///x\'; touch pwned; \'",\n  "link": "/"\n}\n')
    assert "pwned" not in printed_by_make(project, "ui", f"RESULTS={tmp_path}")


def test_nothing_unpickles_or_trusts_code(project: Path):
    forbidden = r"trust_remote_code[\"']?\s*[=:]\s*True|torch\.load\(|import (pickle|joblib|dill|tarfile|zipfile)\b"
    forbidden += r"|allow_pickle=True|yaml\.(load|unsafe_load|full_load)\(|[^.\w](eval|exec)\("
    for room in ("wise", "analysis"):
        for path in (project / room).rglob("*.py"):
            assert not re.search(forbidden, path.read_text()), path
