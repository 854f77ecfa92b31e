"""The code of a job enters as a digest: what it covers, and what a change of a module changes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wise.code_inputs import sources
from wise.editors.registry import EDITORS
from wise.errors import ConfigError


def test_sources_follow_imports_and_stop_at_other_editors():
    grace = sources("wise.commands.stream", EDITORS["grace"].module)
    assert {"wise/commands/stream.py", "wise/editors/grace.py", "wise/editors/base.py", "wise/tail/tail.py"} <= set(
        grace
    )
    assert not any(file.startswith("wise/editors/wise/") for file in grace)
    assert "wise/editors/wise/routing.py" in sources("wise.commands.stream", EDITORS["wise-retrieve"].module)
    assert not {"wise/evaluate/metrics.py", "wise/tracking/store.py", "wise/cli.py"} & set(grace)


CHANGES = [
    ("wise/editors/grace.py", {"grace"}),
    ("wise/editors/wise/routing.py", {"wise-retrieve"}),
    ("wise/editors/base.py", {"grace", "wise-retrieve", "prepare", "preedit"}),
    ("wise/editors/entries.py", {"triangle"}),  # colours; a line for another editor repeats no edits
    ("wise/datasets/registry.py", set()),
    ("wise/evaluate/metrics.py", {"score", "triangle"}),
    ("analysis/triangle.py", {"triangle"}),
]


def digests(root: Path) -> dict[str, str]:
    """What some rules take as `code`, computed in another process from the modules below `root`."""
    asked = (
        "from wise.code_inputs import code, editor_code; import json; print(json.dumps({"
        "'grace': editor_code('stream', 'grace'), 'wise-retrieve': editor_code('stream', 'wise-retrieve'),"
        "'prepare': editor_code('prepare', 'mend'), 'score': code('wise.commands.score'),"
        "'triangle': code('analysis.output', 'analysis.triangle', 'wise.editors.entries'),"
        "'preedit': code('wise.commands.preedit')}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(root)}
    run = subprocess.run([sys.executable, "-c", asked], cwd=root, env=environment, capture_output=True, check=True)
    return json.loads(run.stdout)


def test_a_digest_changes_with_the_modules_that_it_is_of(project: Path, tmp_path: Path):
    for part in ("wise", "analysis"):
        shutil.copytree(project / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    before = digests(tmp_path)
    assert all(re.fullmatch("[0-9a-f]{32}", digest) for digest in before.values())
    for path in tmp_path.glob("**/*.py"):
        path.touch()
    assert digests(tmp_path) == before, "the same content is the same code, however old"
    for file, expected in CHANGES:
        path = tmp_path / file
        text = path.read_bytes()
        path.write_bytes(text + b"\n# changed\n")
        after = digests(tmp_path)
        assert {name for name in before if after[name] != before[name]} == expected, file
        path.write_bytes(text)


@pytest.mark.parametrize("verb", ["contexts", "knowledge", "pretrain", "data.make"])
def test_what_comes_before_editing_depends_on_no_editor(verb: str):
    files = sources(f"wise.commands.{verb}")
    assert not any(file.startswith(("wise/editors/", "wise/evaluate/metrics")) for file in files)


def test_scores_depend_on_no_model_code():
    files = sources("wise.commands.score")
    assert "wise/evaluate/metrics.py" in files
    assert not any(file.startswith(("wise/lm/", "wise/editors/")) for file in files)


def test_an_unknown_module_is_named():
    with pytest.raises(ConfigError, match="wise.nothing"):
        sources("wise.nothing")
