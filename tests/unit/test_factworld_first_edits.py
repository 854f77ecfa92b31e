"""Version 1: edits contradict the world, and their probes ask exactly what they are said to ask."""

from collections import Counter

import pytest

from wise.datasets.factworld.corpus import write_corpus
from wise.datasets.factworld.first.edits import edit_records, new_value, values_by_relation
from wise.datasets.factworld.first.relations import RELATIONS
from wise.datasets.factworld.first.split import divide
from wise.datasets.factworld.first.teaching import plan_teaching
from wise.datasets.factworld.first.world import build_world
from wise.datasets.factworld.longform import count_tokens, hallucination_records, ood_records
from wise.datasets.factworld.options import FactWorldOptions
from wise.records import read_records, write_records

OPTIONS = FactWorldOptions(version=1, people=60, cities=30, countries=8, organisations=24, works=30, early_edits=60)


@pytest.fixture(scope="module")
def world():
    return build_world(OPTIONS)


@pytest.fixture(scope="module")
def plan(world):
    return plan_teaching(world, OPTIONS)


@pytest.fixture(scope="module")
def split(world):
    return divide(world, OPTIONS)


@pytest.fixture(scope="module")
def edits(world, plan, split):
    return edit_records(world, plan, split, OPTIONS, "edit")


@pytest.fixture(scope="module")
def train(world, plan, split):
    return edit_records(world, plan, split, OPTIONS, "train")


@pytest.fixture(scope="module")
def contradict(world):
    values = values_by_relation(world)
    return lambda fact, draw: new_value(world, fact, values[fact.relation], draw)


@pytest.fixture(scope="module")
def answers(world):
    """Every way of asking every fact, with the fact: prompt -> fact."""
    return {
        phrasing.format(s=fact.subject): fact
        for fact in world.facts.values()
        for phrasing in RELATIONS[fact.relation].phrasings
    }


def probes(record, kind, name=None):
    return [p for p in record.probes if p.kind == kind and (name is None or p.name == name)]


def test_each_fact_is_edited_once_and_contradicted_by_a_value_of_its_relation(world, edits, train):
    keys = [(record.subject, record.relation) for record in (*edits, *train)]
    assert len(set(keys)) == len(keys)
    for record in edits:
        assert record.original == world.object(record.subject, record.relation) != record.target
        assert record.target in {f.object for f in world.facts.values() if f.relation == record.relation}


def test_train_and_edits_share_no_subject(edits, train):
    assert not {record.subject for record in edits} & {record.subject for record in train}


def test_prompt_is_seen_and_paraphrases_are_held_out(plan, edits):
    for record in edits:
        teaching = plan[record.subject, record.relation]
        phrasings = [p.format(s=record.subject) for p in RELATIONS[record.relation].phrasings]
        assert phrasings.index(record.prompt) in teaching.seen
        asked = [phrasings.index(p.prompt) for p in probes(record, "paraphrase")]
        assert len(set(asked)) == 2 and set(asked) <= set(teaching.held_out)
        assert {p.target for p in probes(record, "paraphrase")} == {record.target}


def test_locality_asks_true_facts_that_are_never_edited(world, answers, edits):
    edited = {(record.subject, record.relation) for record in edits}
    for record in edits:
        near, far = probes(record, "locality_near"), probes(record, "locality_far")
        assert [p.name for p in near] == ["same_relation", "same_subject"] and len(far) == 2
        for probe in (*near, *far):
            assert answers[probe.prompt].object == probe.target
            assert answers[probe.prompt].key not in edited
        relation, subject = (answers[p.prompt] for p in near)
        assert relation.subject != record.subject and world.kind(relation.subject) == world.kind(record.subject)
        assert subject.subject == record.subject and subject.relation != record.relation
        assert all(world.kind(answers[p.prompt].subject) != world.kind(record.subject) for p in far)


def test_same_relation_probes_ask_the_relation_where_the_world_is_large(edits, answers):
    matching = [answers[probes(r, "locality_near", "same_relation")[0].prompt].relation == r.relation for r in edits]
    assert sum(matching) / len(matching) > 0.9


def test_portability_follows_from_the_new_target(world, edits):
    early = {(record.subject, record.relation) for record in edits[: OPTIONS.early_edits]}
    clean = 0
    for record in edits:
        (hop,) = probes(record, "portability", "two_hop")
        (alias,) = probes(record, "portability", "alias")
        assert hop.target == world.two_hop(record.relation, record.target)
        assert alias.target == record.target
        assert world.entities[record.subject].alias.split()[-1] in alias.prompt
        assert record.subject not in alias.prompt
        clean += (record.target, RELATIONS[record.relation].hop) not in early
    assert clean / len(edits) > 0.95


def test_irrelevant_text_is_about_a_train_subject_and_not_a_probe(edits, train):
    subjects = {record.subject for record in train}
    for record in edits:
        assert any(subject in record.irrelevant for subject in subjects)
        assert record.irrelevant not in {f"{p.prompt} {p.target}" for p in record.probes}
    assert all(record.subject not in record.irrelevant for record in train)


def test_description_ends_in_the_new_answer_and_more_words(edits):
    for record in edits:
        (probe,) = probes(record, "ood")
        assert record.subject in probe.prompt and record.target in probe.target
        assert not probe.target.endswith(record.target)


def test_a_prefix_of_the_stream_is_a_fair_sample(edits):
    whole = Counter(record.relation for record in edits)
    prefix = Counter(record.relation for record in edits[:100])
    for relation, count in whole.most_common(4):
        assert abs(prefix[relation] / 100 - count / len(edits)) < 0.12


def test_hallucination_corrects_the_end_of_a_taught_biography(world, plan, split, contradict):
    biographies = [d.text for d in write_corpus(world, plan, OPTIONS) if d.kind == "biography"]
    records = hallucination_records(world, split, OPTIONS, "edit", contradict)
    assert len({record.subject for record in records}) == len(records)
    for record in records:
        assert f"{record.prompt} {record.original}." in biographies
        assert record.target != record.original
        assert 14 <= count_tokens(record.target) <= 32
        assert not probes(record, "paraphrase")
        for probe in probes(record, "locality_far"):
            assert f"{probe.prompt} {probe.target}." in biographies


def test_ood_probe_tells_the_same_facts_in_other_words(world, split, contradict):
    for record in ood_records(world, split, OPTIONS, "edit", contradict):
        (probe,) = probes(record, "ood")
        assert record.prompt == record.subject and probe.prompt.startswith(record.subject)
        invented = [v for v in {f.object for f in world.facts.values()} if v in record.target and v in probe.target]
        assert len(invented) >= 3 or world.kind(record.subject) == "country"
        assert probe.target not in record.target


def test_long_form_locality_asks_bystanders(world, split, contradict):
    edited = {record.subject for record in hallucination_records(world, split, OPTIONS, "edit", contradict)}
    assert not edited & set(split.roles["edit"].asked)
    assert not edited & set(split.roles["train"].edited)


def test_records_survive_the_file(tmp_path, edits):
    write_records(tmp_path / "edits.jsonl", edits)
    assert read_records(tmp_path / "edits.jsonl") == edits
