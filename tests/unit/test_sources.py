"""Numbers in prose are taken from committed tables; those without a source are found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docs import sources
from docs.pages import with_part
from docs.unsourced import results_in, unused


@pytest.fixture(autouse=True)
def committed(tmp_path: Path, monkeypatch) -> Path:
    """A project with two tables, a document of a results folder and one of a benchmark."""
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    tables = tmp_path / "docs/results/default/tables"
    tables.mkdir(parents=True)
    (tables / "main.csv").write_text(
        "editor,T,metric,mean,low\ngrace,1,avg,0.98,0.9\ngrace,200,avg,1,0.99\nrome,200,avg,0.614,0.6\n"
        "rome,200,difference,-0.0504,-0.06\nrome,200,none,0.0001,-1\n"
    )
    (tables / "variants.csv").write_text("editor,other,variant,rho,rate\nrome,grace,rho 0.5,0.5,0.0132\n")
    (tables.parent / "lm.training.json").write_text(json.dumps({"parameters": 6921472, "seconds": 154.9}))
    (tmp_path / "benchmarks/results").mkdir(parents=True)
    (tmp_path / "benchmarks/results/edit.json").write_text(json.dumps({"ratio": {"cpu": 9.56}, "name": "edit"}))
    sources.table.cache_clear()
    return tmp_path


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        (".00<!--= default/main rome T=200 avg -->", ".61"),
        ("0.000<!--= default/main rome T=200 avg -->", "0.614"),
        (".99<!--= default/main grace T=200 avg -->", "1.00"),
        ("1.00<!--= default/main grace T=1 avg -->", ".98"),
        (".90<!--= default/main grace T=200 avg low -->", ".99"),
        ("+.00<!--= default/main rome difference -->", "-.05"),
        ("+.01<!--= default/main rome none -->", "+.00"),
        ("1.0%<!--= default/variants editor=rome rate -->", "1.3%"),
        ('1.0%<!--= default/variants "rho 0.5" rho=.50\n  rate -->', "1.3%"),
        ("1.0M<!--= default/lm.training parameters -->", "6.9M"),
        ("1,000<!--= default/lm.training parameters -->", "6,921,472"),
        ("9 min<!--= default/lm.training seconds -->", "3 min"),
        ("1.0<!--= benchmarks/edit ratio cpu -->", "9.6"),
    ],
)
def test_a_number_is_filled_in_as_it_is_written(written: str, filled: str):
    _, mark, rest = written.partition("<!--=")
    assert sources.with_numbers(f"It is {written} (of 1).") == f"It is {filled}{mark}{rest} (of 1)."


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (".1<!--= other/main grace T=1 avg -->", "other/main: there is no docs/results/other/tables/main.csv nor"),
        (".1<!--= default/main grace avg -->", "grace avg: 2 rows, expected one"),
        (".1<!--= default/main grace T=7 avg -->", "grace T=7 avg: 0 rows"),
        (".1<!--= default/main editr=grace -->", r"no column 'editr' \(editor, T, metric, mean, low\)"),
        (".1<!--= default/variants rome -->", r"name a column last \(editor, other, variant, rho, rate\)"),
        (".1<!--= default/main rome T=200 avg editor -->", "'rome' is not a number"),
        (".1<!--= benchmarks/edit ratio gpu -->", r"no 'gpu' \(cpu\)"),
        (".1<!--= benchmarks/edit name -->", "'edit' is not a number"),
        ("much<!--= default/main rome T=200 avg -->", "no number stands in front"),
        (".1<!--= default/main rome T=200 avg", "1 of the comments that begin with <!--= do not end"),
    ],
)
def test_a_source_that_gives_no_number_is_named(written: str, message: str):
    with pytest.raises(sources.SourceError, match=message):
        sources.with_numbers(written)


PAGE = """# Title

It has .93 of 100 edits, 12% more, in 3.5 s, and is 4 times or sevenfold faster; `lr` 0.1 is `0.1` in version 3.11.7.
| a | 0.55 |
Marked: .61<!--= default/main rome T=200 avg -->, generated:
<!-- begin: table -->
| 0.5 |
<!-- end: table -->
```
9.9
```
See [90%](https://example.org/1.5) at .5.

## Options

lr 0.3
"""


def test_results_without_a_source_are_found_where_they_stand():
    found = [(number.line, number.number) for number in results_in(PAGE, [])]
    assert found == [(3, ".93"), (3, "12%"), (3, "3.5 s"), (3, "4 times"), (3, "sevenfold"), (3, "0.1"), (4, "0.55"),
                     (12, "90%"), (12, ".5"), (16, "0.3")]  # fmt: skip


def test_what_is_allowed_is_not_found_and_must_be_there():
    allowed = [{"text": "12% more, in\n3.5 s"}, {"section": "Options"}, {"text": "| 0.55 |"}]
    assert [number.line for number in results_in(PAGE, allowed)] == [3, 3, 3, 3, 12, 12]
    assert unused(PAGE, [*allowed, {"text": "13%"}, {"section": "Other"}]) == ["13%", "Other"]


def test_a_part_without_its_comments_is_an_error():
    assert (
        with_part("<!-- begin: x -->\nold\n<!-- end: x -->\n", "x", "new")
        == "<!-- begin: x -->\nnew\n<!-- end: x -->\n"
    )
    with pytest.raises(SystemExit, match="'y'"):
        with_part("text", "y", "new")
