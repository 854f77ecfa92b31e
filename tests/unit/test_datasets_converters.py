"""Each published form of a record becomes the same kind of edit; what is wrong in it is named by index and field."""

from __future__ import annotations

import json

import pytest

from wise.cli import main
from wise.datasets.published.raw_rows import convert_rows, read_rows
from wise.datasets.published.survey import quirks, words
from wise.datasets.registry import raw_form
from wise.errors import DataError
from wise.records import Probe

ZSRE = {
    "subject": "Blue Fort", "src": "When was Blue Fort built?", "pred": "1400",
    "rephrase": "Of what year is Blue Fort?",
    "alt": "1512", "answers": ["1498", "1499"], "loc": "nq question: who sings hey", "loc_ans": "Ann", "cond": "...",
    "portability": {"Recalled Relation": "(..)", "New Question": "Which century is it of?", "New Answer": "16th"},
}  # fmt: skip
HALLUCINATION = {
    "prompt": "This is a Wikipedia passage about ann lee. Ann Lee is a painter.", "target_new": "She lives in Rome.",
    "subject": "ann lee", "locality_prompt": "A map of\nSouth America, historica",
    "locality_ground_truth": "l print. Feel welcome",
}  # fmt: skip
TEMPORAL = HALLUCINATION | {
    "prompt": "Ann Lee,",
    "subject": "Ann Lee,",
    "ood_rephrase": "Ann Lee, a painter, lives in Rome.",
}
COUNTERFACT = {
    "case_id": 7, "prompt": "Ann Lee speaks", "target_new": "Thai", "subject": "Ann Lee", "ground_truth": "French",
    "rephrase_prompt": "It rained. Ann Lee's tongue is", "locality_prompt": "Bo Roy speaks",
    "locality_ground_truth": "French",
}  # fmt: skip
WIKIBIGEDIT = {
    "prompt": "Where does Ann Lee live?", "target_new": "Rome", "subject": "Ann Lee",
    "rephrase_prompt": "In which town does Ann Lee live?", "locality_prompt": "Where does Ann Leek live?",
    "locality_ground_truth": "Bonn",
}  # fmt: skip
FACT = {
    "subject": "Leo", "prompt": "Leo died in", "target_new": "Berlin", "ground_truth": ["Paris", "Paris, France"],
    "rephrase_prompt": "The place of death of Leo is",
    "portability": {
        "Reasoning": [{"prompt": "The mayor of where Leo died is", "ground_truth": [["Kai", "Kai W."]]}],
        "Subject_Aliasing": [{"prompt": "Leonard died in", "ground_truth": "Berlin"}],
        "Logical_Generalization": [{"prompt": "Is Leo alive?", "ground_truth": [["no"], ["dead"]]}],
    },
    "locality": {
        "Relation_Specificity": [{"prompt": "Leo's father is", "ground_truth": ["Al"]}],
        "Forgetfulness": [{"prompt": "Leo, not in Berlin, died in", "ground_truth": "Paris"},
                          {"prompt": "Leo?", "ground_truth": [[]]}],
    },
}  # fmt: skip
WIKIBIO = {
    "text": "A passage about ann lee.", "labels": "She paints.", "concept": "ann lee",
    "locality": {"Relation_Specificity": [{"prompt": "The trade of ann lee is", "ground_truth": ["painting"]}]},
}  # fmt: skip
CONVSENT = {"ent": "Jam", "pos": ["Jam is lovely.", "I like jam."], "neg": ["Jam is awful."]}


def one(dataset: str, row: dict, index: int = 0):
    """The entry of a row that stands at `index`."""
    entries, problems = convert_rows([{}] * index + [row], raw_form(dataset), dataset)
    assert [problem for problem in problems if problem.index == index] == [] and len(entries) == 1
    return entries[0]


def test_zsre():
    entry = one("zsre", ZSRE, index=17)
    record = entry.record
    assert (record.id, record.prompt, record.target) == ("zsre-00017", ZSRE["src"], "1512")
    assert (record.subject, record.original) == ("Blue Fort", "1498")
    assert record.probes == (
        Probe("paraphrase", ZSRE["rephrase"], "1512"),
        Probe("locality_far", "nq question: who sings hey", "Ann", "natural_questions"),
        Probe("portability", "Which century is it of?", "16th", "one_hop"),
    )
    assert entry.unrelated == "nq question: who sings hey Ann" and not entry.no_op
    assert one("zsre", ZSRE | {"alt": "1499"}).no_op
    bare = one("zsre", {key: ZSRE[key] for key in ZSRE if key not in ("portability", "answers")}).record
    assert bare.original == "1400" and len(bare.probes) == 2


def test_hallucination_asks_the_second_half_of_a_cut_text():
    entry = one("hallucination", HALLUCINATION)
    assert entry.record.probes == (
        Probe("locality_far", HALLUCINATION["locality_prompt"], HALLUCINATION["locality_ground_truth"], "web_text"),
    )
    assert entry.unrelated == "A map of South America, historical print. Feel welcome"
    short = one("hallucination", HALLUCINATION | {"locality_ground_truth": ""})
    assert short.record.probes == () and short.unanswered == 1 and quirks([short])["unanswered"] == 1


@pytest.mark.parametrize(
    ("text", "question", "answer", "name"),
    [
        ("Ann Lee, a painter, lives.", "Ann Lee,", "a painter, lives.", "same_start"),
        ("Ann Marie Lee is a painter.", "Ann Marie", "Lee is a painter.", "other_start"),
        ("Ann Lee,the painter, lives.", "Ann Lee,the", "painter, lives.", "other_start"),
    ],
)
def test_temporal_continues_the_other_text(text, question, answer, name):
    entry = one("temporal", TEMPORAL | {"ood_rephrase": text})
    assert entry.record.probes[0] == Probe("ood", question, answer, name)
    assert entry.record.probes[1].kind == "locality_far" and quirks([entry])["prompt_is_subject"] == 1


def test_counterfact_has_its_neighbour_near():
    record = one("counterfact", COUNTERFACT).record
    assert record.original == "French" and [probe.kind for probe in record.probes] == ["paraphrase", "locality_near"]
    assert record.probes[1] == Probe("locality_near", "Bo Roy speaks", "French", "neighbourhood")


def test_wikibigedit_asks_of_a_similar_name_near_by():
    entry = one("wikibigedit", WIKIBIGEDIT)
    assert (entry.record.target, entry.record.subject, entry.record.original) == ("Rome", "Ann Lee", "")
    assert entry.record.probes == (
        Probe("paraphrase", "In which town does Ann Lee live?", "Rome"),
        Probe("locality_near", "Where does Ann Leek live?", "Bonn", "similar_name"),
    )
    assert (entry.unrelated, entry.unrelated_prompt) == ("Where does Ann Leek live? Bonn", "Where does Ann Leek live?")


def test_knowedit_facts_take_the_first_alias():
    entry = one("knowedit-recent", FACT)
    assert entry.record.original == "Paris" and entry.unanswered == 1
    assert entry.record.probes == (
        Probe("paraphrase", "The place of death of Leo is", "Berlin"),
        Probe("locality_near", "Leo's father is", "Al", "Relation_Specificity"),
        Probe("locality_near", "Leo, not in Berlin, died in", "Paris", "Forgetfulness"),
        Probe("portability", "The mayor of where Leo died is", "Kai", "Reasoning"),
        Probe("portability", "Leonard died in", "Berlin", "Subject_Aliasing"),
        Probe("portability", "Is Leo alive?", "no", "Logical_Generalization"),
    )
    recent = one("knowedit-recent", {key: FACT[key] for key in ("subject", "prompt", "target_new")}).record
    assert recent.original == "" and recent.probes == ()


def test_knowedit_biographies_and_opinions():
    biography = one("knowedit-recent", WIKIBIO).record
    assert (biography.prompt, biography.target, biography.subject) == (
        "A passage about ann lee.",
        "She paints.",
        "ann lee",
    )
    assert biography.probes[0].kind == "locality_near"
    positive, negative = (one("knowedit-recent", CONVSENT, index=index).record for index in (0, 1))
    assert (positive.relation, positive.target, positive.original) == ("positive", "Jam is lovely.", "Jam is awful.")
    assert Probe("portability", positive.prompt, "I like jam.", "same_sentiment") in positive.probes
    assert (positive.task, positive.label, negative.label) == ("convsent", "positive", "negative")
    assert Probe("opinion", positive.prompt, "Jam is awful.", "opposite") == positive.probes[-1]
    assert (negative.relation, negative.target, negative.original) == ("negative", "Jam is awful.", "Jam is lovely.")


@pytest.mark.parametrize(
    ("dataset", "row", "problem"),
    [
        ("zsre", {key: ZSRE[key] for key in ZSRE if key != "src"}, "record 0: 'src' is missing"),
        ("zsre", ZSRE | {"alt": " "}, "record 0: 'alt' is empty"),
        ("zsre", ZSRE | {"loc": 3}, "record 0: 'loc' must be a text, found int"),
        ("zsre", ZSRE | {"answers": ["1", 2]}, "record 0: 'answers[1]' must be a text, found int"),
        ("zsre", ZSRE | {"portability": []}, "record 0: 'portability' must be a JSON object, found list"),
        ("zsre", ZSRE | {"portability": {"New Question": "?"}}, "record 0: 'portability.New Answer' is missing"),
        ("zsre", "text", "record 0: 'record' must be a JSON object, found str"),
        ("temporal", TEMPORAL | {"ood_rephrase": "Ann Lee,"}, "record 0: 'ood_rephrase' has nothing after"),
        ("hallucination", HALLUCINATION | {"locality_prompt": ""}, "record 0: 'locality_prompt' is empty"),
        ("counterfact", COUNTERFACT | {"target_new": ""}, "record 0: 'target_new' is empty"),
        (
            "knowedit-recent",
            FACT | {"locality": {"A": [{"ground_truth": "x"}]}},
            "record 0: 'locality.A[0]' must have a text",
        ),
        ("knowedit-recent", CONVSENT | {"neg": []}, "record 0: 'neg' holds no opinions"),
        ("knowedit-recent", WIKIBIO | {"labels": None}, "record 0: 'labels' is missing"),
    ],
)
def test_a_bad_field_is_named(dataset, row, problem):
    entries, problems = convert_rows([row], raw_form(dataset), "x")
    assert entries == [] and len(problems) == 1 and str(problems[0]).startswith(problem)


@pytest.mark.parametrize(
    ("dataset", "row"),
    [("zsre", ZSRE), ("hallucination", HALLUCINATION), ("temporal", TEMPORAL), ("counterfact", COUNTERFACT),
     ("knowedit-recent", FACT), ("knowedit-recent", WIKIBIO), ("knowedit-recent", CONVSENT)],
)  # fmt: skip
@pytest.mark.parametrize("value", [None, 3, "", "text", [], [3], {}, {"prompt": 3}, {"a": 3}, {"a": [{"prompt": "b"}]}])
def test_no_value_of_any_field_breaks_a_converter(dataset, row, value):
    rows = [row | {key: value} for key in row]
    entries, problems = convert_rows(rows, raw_form(dataset), "x")
    assert len(entries) + len({problem.index for problem in problems}) == len(rows)
    assert all(entry.record.prompt and entry.record.target for entry in entries)
    assert all(probe.prompt and probe.target for entry in entries for probe in entry.record.probes)


def test_quirks_are_counted_and_are_no_errors():
    rows = [ZSRE, ZSRE | {"alt": "1498"}, ZSRE | {"subject": "Red Fort", "src": "word " * 200}]
    entries, problems = convert_rows(rows, raw_form("zsre"), "x")
    counted = {name: count for name, count in quirks(entries).items() if count}
    assert problems == [] and counted == {"no_op": 1, "repeated_subject": 1, "subject_not_in_prompt": 1, "long": 1}
    assert words(entries) == {"prompt": [5, 5, 200], "target": [1, 1, 1]}


def test_rows_are_an_array_or_lines(tmp_path):
    path = tmp_path / "raw.json"
    path.write_text(json.dumps([CONVSENT, CONVSENT]))
    array = read_rows(path)
    path.write_text(f"{json.dumps(CONVSENT)}\n\n{json.dumps(CONVSENT)}\n")
    assert array == read_rows(path) == [CONVSENT, CONVSENT]
    for text, message in [("[\n{", "line 2"), ('{}\n{"a"', "line 2"), ("[]", "holds no records")]:
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read_rows(path)


def test_check_reports_and_says_by_its_status_whether_a_file_can_be_used(tmp_path, capsys):
    path = tmp_path / "raw.json"
    path.write_text(json.dumps([ZSRE, ZSRE | {"alt": ""}]))
    check = ["data", "check", "--dataset", "zsre"]
    assert main([*check, str(path)]) == 1
    shown = capsys.readouterr().out
    assert "2 records, 1 of them sound" in shown and "record 1: 'alt' is empty" in shown and "5 words" in shown
    assert main([*check, "--invalid", "skip", str(path)]) == 0
    path.write_text(json.dumps([ZSRE]))
    assert main([*check, str(path)]) == 0
    path.write_text(json.dumps([COUNTERFACT]))
    assert main([*check, "--invalid", "skip", str(path)]) == 1, "of another dataset"
    assert main(["data", "check", "--dataset", "zsree", str(path)]) == 2
    assert main(["data", "check", str(path)]) == 1, "raw records are no edits"
