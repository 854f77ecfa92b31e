"""Editors of other distributions join by an entry point; names, classes and entries have to agree."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wise.editors import registry
from wise.editors.entries import EDITORS, Entry
from wise.editors.registry import editor_class
from wise.errors import ConfigError

ENTRY = "from wise.editors.entries import Entry\nENTRY = Entry('other.method', 'Nothing', 'Other', artifact=None)\n"
METHOD = "from wise.editors.none import NoneEditor\nclass Nothing(NoneEditor):\n    name = 'other-editor'\n"

ASKED = """
import json, sys
from wise.editors.entries import EDITORS
from wise.code_inputs import editor_code
light = "torch" not in sys.modules
from analysis.style import STYLES, editor_style
from wise.editors.registry import editor_class
colours = [style.colour for style in STYLES.values()]
print(json.dumps({
    "light": light, "last": list(EDITORS)[-1], "label": editor_style("other-editor").label,
    "distinct": len(set(colours)) == len(colours), "class": editor_class("other-editor").__module__,
    "code": editor_code("stream", "other-editor"),
}))
"""


def distribution(folder: Path, name: str = "other-editor", target: str = "other.entry:ENTRY") -> None:
    """Lay out an installed package that registers an editor."""
    info = folder / "other_package-1.0.dist-info"
    for path, text in {
        info / "METADATA": "Metadata-Version: 2.1\nName: other-package\nVersion: 1.0\n",
        info / "entry_points.txt": f"[wise.editors]\n{name} = {target}\n",
        folder / "other/__init__.py": "",
        folder / "other/entry.py": ENTRY,
        folder / "other/method.py": METHOD,
    }.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def ask(project: Path, folder: Path, code: str = ASKED) -> subprocess.CompletedProcess[str]:
    """Run Python code with that package installed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(project), str(folder)])}
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)


def test_an_editor_of_another_package_is_known(project: Path, tmp_path: Path):
    distribution(tmp_path)
    run = ask(project, tmp_path)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    code = found.pop("code")
    assert found == {
        "light": True,
        "last": "other-editor",
        "label": "Other",
        "distinct": True,
        "class": "other.method",
    }
    with (tmp_path / "other/method.py").open("a") as file:
        file.write("# changed\n")
    assert json.loads(ask(project, tmp_path).stdout)["code"] != code, "a changed method repeats its edits"


@pytest.mark.parametrize(
    ("name", "target", "named"),
    [
        ("grace", "other.entry:ENTRY", "editor 'grace' of the package 'other-package'.*taken by wise.editors.grace"),
        ("other-editor", "other.entry:METHOD", "other-editor.*cannot be loaded from other.entry:METHOD"),
        ("other-editor", "other.nothing:ENTRY", "other-editor.*No module named 'other.nothing'"),
        ("other-editor", "other:__name__", "other:__name__ is no Entry"),
    ],
)
def test_a_bad_entry_point_is_refused_by_name(project: Path, tmp_path: Path, name: str, target: str, named: str):
    distribution(tmp_path, name, target)
    run = ask(project, tmp_path, "import wise.editors.entries")
    assert run.returncode != 0
    assert re.search(named, run.stderr.splitlines()[-1])


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (Entry("wise.editors.nothing", "Nothing"), "cannot be imported"),
        (Entry("wise.editors.none", "Nothing"), "cannot be imported"),
        (Entry("wise.editors.grace", "Path"), "cannot be imported|no subclass"),
        (Entry("wise.editors.grace", "Grace"), "calls itself 'grace'"),
    ],
)
def test_a_class_has_to_be_as_its_entry_says(monkeypatch: pytest.MonkeyPatch, entry: Entry, named: str):
    monkeypatch.setitem(registry.EDITORS, "new", entry)
    with pytest.raises(ConfigError, match=f"editor 'new': .*({named})"):
        editor_class("new")


@pytest.mark.parametrize(
    ("name", "artifact", "named"),
    [("rome", None, "Rome makes an artifact, which"), ("grace", "keys", "names the artifact 'keys', Grace makes none")],
)
def test_an_artifact_is_named_by_the_entry_and_made_by_the_class(monkeypatch, name, artifact, named):
    monkeypatch.setitem(registry.EDITORS, name, EDITORS[name]._replace(artifact=artifact))
    with pytest.raises(ConfigError, match=named):
        editor_class(name)


def test_options_that_nobody_would_check_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(editor_class("grace"), "Config", dict)
    with pytest.raises(ConfigError, match="editor 'grace': its Config is no pydantic dataclass"):
        editor_class("grace")
