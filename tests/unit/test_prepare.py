"""`wise prepare`: an artifact made once and handed to a run is as good as one made in the run."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from safetensors.torch import load_file

from tests.closeness import TRAINED, assert_states_alike, tolerance
from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS, QUICK, STREAM
from wise.cli import main
from wise.files import write_json
from wise.records import write_records


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model, records and contexts in a folder."""
    lm, folder = tiny_language_model(), tmp_path_factory.mktemp("files")
    lm.model.save_pretrained(folder / "model")
    lm.tokenizer.save_pretrained(folder / "model")
    write_records(folder / "train.jsonl", STREAM)
    write_records(folder / "edits.jsonl", STREAM[::-1])
    write_json(folder / "contexts.json", {"contexts": list(CONTEXTS)})
    model, records = ["--model", str(folder / "model")], str(folder / "edits.jsonl")
    asked = ["--records", records, "--edits", "3", "--out", str(folder / "before.parquet")]
    assert main(["preedit", *model, *asked]) == 0
    return folder


def common(folder, editor):
    options = ["--editor", editor, "--options", json.dumps(QUICK.get(editor, {})), "--layer", "2"]
    inputs = ["--train", str(folder / "train.jsonl"), "--contexts", str(folder / "contexts.json")]
    return ["--model", str(folder / "model"), *inputs, *options]


def stream(folder, out, seed, *more):
    """One run of MEND; its transcript and saved memory."""
    inputs = ["--records", str(folder / "edits.jsonl"), "--preedit", str(folder / "before.parquet"), "--edits", "3"]
    names = ["--grid", '{"1": 1, "3": 1}', "--dataset", "three", "--model-name", "tiny", "--seed", str(seed)]
    assert main(["stream", *common(folder, "mend"), *inputs, *names, *more, "--out", str(out)]) == 0
    return pd.read_parquet(out / "transcript.parquet"), load_file(out / "memory/memory.safetensors")


def test_a_run_with_an_artifact_equals_one_that_prepares_itself(files, tmp_path):
    artifact = tmp_path / "mend.safetensors"
    assert main(["prepare", *common(files, "mend"), "--out", str(artifact)]) == 0
    for seed in (0, 1):
        given = stream(files, tmp_path / f"given{seed}", seed, "--artifact", str(artifact))
        made = stream(files, tmp_path / f"made{seed}", seed)
        # to rounding: what is read from a file lies in memory as it does there
        pd.testing.assert_frame_equal(given[0], made[0], **tolerance(TRAINED))
        assert_states_alike(given[1], made[1], sums=3 * TRAINED)


def test_an_editor_that_needs_nothing_says_so(files, tmp_path, caplog):
    assert main(["prepare", *common(files, "ft-l"), "--out", str(tmp_path / "none.safetensors")]) == 2
    assert "editor 'ft-l' needs no artifact" in caplog.text
    assert not list(tmp_path.iterdir())
