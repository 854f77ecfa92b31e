"""The documentation agrees with the code: derived parts are fresh, links lead somewhere, lines can be read."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from docs import unsourced
from docs.generate import documents
from wise.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("config/*.md")])
OURS = [page for page in PAGES if "results" not in page.relative_to(ROOT).parts and page.name != "api.md"]
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
FILE = re.compile(r"`((?:wise|analysis|tests|rules|config|profiles|docs|report)/[\w/.-]*\w)`")
"""A file or folder of the project, named in a text."""
LONGEST = 120


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def prose(page: Path) -> list[tuple[int, str]]:
    """Lines with their numbers, without code, tables and headings."""
    lines, inside = [], False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside and not line.startswith(("|", "#", "[", "<", "!")):
            lines.append((number, line))
    return lines


def test_derived_documents_are_fresh():
    for path, text in documents().items():
        assert path.read_text(encoding="utf-8") == text.rstrip("\n") + "\n", f"{path}: run python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve() if file else page
        assert linked.exists(), f"{target}: no such file"
        if anchor and linked.suffix == ".md":
            assert anchor in anchors(linked), f"{target}: no such heading"


@pytest.mark.parametrize("page", OURS, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path):
    examples = {path.name for path in ROOT.glob("tests/extending/*/*.py")}
    named = FILE.findall(page.read_text(encoding="utf-8"))
    assert not [name for name in named if not (ROOT / name).exists() and Path(name).name not in examples]


@pytest.mark.parametrize("page", OURS, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_prose_are_short(page: Path):
    long = [number for number, line in prose(page) if len(line) > LONGEST]
    assert not long, f"lines of more than {LONGEST} characters: {long}"


def test_the_index_names_every_page():
    linked = {
        (ROOT / "docs" / link.partition("#")[0]).resolve()
        for link in LINK.findall((ROOT / "docs/index.md").read_text())
    }
    missing = [
        page for page in (ROOT / "docs").rglob("*.md") if page.name != "index.md" and page.resolve() not in linked
    ]
    assert not [page for page in missing if "tables" not in page.parts]


def test_factworld_examples_are_records_of_the_world(tmp_path: Path):
    page = (ROOT / "docs/factworld.md").read_text(encoding="utf-8")
    shown = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    assert main(["data", "make", "--dataset", "factworld", "--options", "{}", "--out", str(tmp_path)]) == 0
    for name, example in zip(("qa", "hallucination", "ood"), shown, strict=True):
        lines = (tmp_path / f"factworld-{name}/edits.jsonl").read_text(encoding="utf-8").splitlines()
        assert f"(`factworld-{name}`, {len(lines)} edits)" in page
        [record] = [row for row in map(json.loads, lines) if row["id"] == example["id"]]
        probes = record.pop("probes")
        assert all(probe in probes for probe in example.pop("probes"))
        assert record == example


@pytest.mark.parametrize("page", unsourced.pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_results_in_prose_have_a_source(page: Path):
    allowed = unsourced.allowed_numbers().get(page.relative_to(ROOT).as_posix(), [])
    text = page.read_text(encoding="utf-8")
    found = [f"line {number.line}: {number.number}" for number in unsourced.results_in(text, allowed)]
    assert not found, (
        "mark where they are from (docs/sources.py), or say in docs/unsourced.yaml why they need no source"
    )
    assert not unsourced.unused(text, allowed), "docs/unsourced.yaml allows what is not there any more"


def test_reasons_are_given_for_pages_that_exist():
    allowed = unsourced.allowed_numbers()
    assert set(allowed) <= {page.relative_to(ROOT).as_posix() for page in unsourced.pages()}
    assert all(entry["why"] for entries in allowed.values() for entry in entries)


def test_the_first_page_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    written = re.sub(r"<!-- begin: (\w+) -->.*?<!-- end: \1 -->", "", text, flags=re.DOTALL)
    assert len(written.splitlines()) <= 130, "lines beside the tables that are made"


def test_one_version_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert (
        re.search(r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[1] == version
    )
