"""Version 2: roles are disjoint, no word of an answer tells the next, and contexts are read, not learned."""

import itertools
import json
import random
from collections import Counter

import pytest

from wise.datasets.factworld.build import make
from wise.datasets.factworld.longform import hallucination_records, ood_records
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.second.in_context import SEPARATOR, TOLD
from wise.datasets.factworld.second.names import WORDS
from wise.datasets.factworld.second.relations import ENTITIES, KINDS, RELATIONS
from wise.datasets.factworld.second.version import SecondVersion
from wise.datasets.factworld.second.wordings import ASKED, TRAINED, half
from wise.datasets.factworld.second.world import invented_names
from wise.editors.retrieval import RetrievalConfig
from wise.pretraining.packing import CorpusText, tokenize
from wise.pretraining.tokenizer import train_tokenizer
from wise.records import read_records

ROLES = ("edit", "development", "train")
EDITABLE = [relation for relation in RELATIONS.values() if relation.subject in KINDS]


@pytest.fixture(scope="module")
def made():
    return SecondVersion(FactWorldOptions())


@pytest.fixture(scope="module")
def records(made):
    return {role: made.edit_records(role) for role in ROLES}


@pytest.fixture(scope="module")
def documents(made):
    return list(made.documents())


@pytest.fixture(scope="module")
def asked_for(made):
    """Every way of asking every fact: prompt -> (fact, wording)."""
    facts = made.world.facts.values()
    return {
        made.world.ask(fact, i): (fact, i) for fact in facts for i in range(len(RELATIONS[fact.relation].phrasings))
    }


def probes(record, kind, name=None):
    return [p for p in record.probes if p.kind == kind and (name is None or p.name == name)]


def test_relations_have_twenty_wordings_that_end_in_many_words():
    for relation in EDITABLE:
        assert len(set(relation.phrasings)) >= 20
        assert all(phrasing.count("{s}") == 1 for phrasing in relation.phrasings)
        for side in (TRAINED, ASKED):
            of_side = [phrasing for i, phrasing in enumerate(relation.phrasings) if half(i) == side]
            assert len(of_side) >= 10
            assert len({phrasing.split()[-1] for phrasing in of_side}) >= 6


def test_no_prompt_is_the_beginning_of_another():
    for kind in KINDS:
        of_kind = [relation for relation in EDITABLE if relation.subject == kind]
        prompts = [prompt for relation in of_kind for prompt in (*relation.phrasings, relation.two_hop) if prompt]
        for one, other in itertools.permutations(prompts, 2):
            assert not other.startswith(one + " "), f"'{one}' begins '{other}'"


def test_there_are_enough_records_for_three_seeds_and_for_choosing_options(records):
    assert len(records["edit"]) >= 600 and len(records["development"]) >= 200 and len(records["train"]) >= 300


def test_roles_share_no_subject_no_question_and_no_wording_of_a_paraphrase(made, records, asked_for):
    subjects, prompts = {}, {}
    for role, found in records.items():
        asked = [p.prompt for r in found for p in r.probes]
        prompts[role] = {*asked, *(r.prompt for r in found)}
        local = [p.prompt for r in found for p in (*probes(r, "locality_near"), *probes(r, "locality_far"))]
        subjects[role] = {r.subject for r in found} | {asked_for[prompt][0].subject for prompt in local}
    for one, other in itertools.combinations(ROLES, 2):
        assert not subjects[one] & subjects[other]
        assert not prompts[one] & prompts[other]
    wordings = {role: {p.name for r in found for p in probes(r, "paraphrase")} for role, found in records.items()}
    assert not wordings["train"] & (wordings["edit"] | wordings["development"])
    assert wordings["edit"] <= {f"wording {r.name}/{i}" for r in EDITABLE for i in range(len(r.phrasings)) if half(i)}


def test_unrelated_texts_are_about_training_subjects_and_mark_their_prompt(made, records, asked_for):
    train = set(made.split.roles["train"].edited)
    for record in itertools.chain(*records.values()):
        fact, _ = asked_for[record.irrelevant_prompt]
        assert record.irrelevant == f"{record.irrelevant_prompt} {fact.object}"
        assert fact.subject in train and fact.subject != record.subject


def test_prompts_are_taught_and_paraphrases_are_not(made, records, asked_for, documents):
    texts = {document.text for document in documents}
    for record in records["edit"]:
        assert f"{record.prompt} {record.original}." in texts
        fact, _ = asked_for[record.prompt]
        assert (fact.subject, fact.relation) == (record.subject, record.relation)
        first, second = probes(record, "paraphrase")
        assert first.prompt != second.prompt
        for probe in (first, second):
            assert asked_for[probe.prompt][0] == fact and f"{probe.prompt} {record.original}." not in texts


def test_a_new_answer_shares_no_word_with_the_old_one_at_its_place(records):
    lengths = Counter()
    for record in itertools.chain(*records.values()):
        old, new = record.original.split(), record.target.split()
        assert len(old) == len(new) and all(a != b for a, b in zip(old, new, strict=True))
        lengths[len(new)] += 1
    assert set(lengths) == {1, 2, 3, 4} and min(lengths.values()) > 30


def test_words_of_an_answer_are_independent(made):
    objects = {relation.object for relation in EDITABLE}
    assert objects == {*WORDS, *ENTITIES}
    for kind, places in WORDS.items():
        for words in places:
            assert len(words) == len(set(words)) >= 10, kind
    facts = [fact.object.split() for fact in made.world.facts.values() if RELATIONS[fact.relation].object == "name"]
    followers = {}
    for first, second in facts:
        followers.setdefault(first, set()).add(second)
    assert sum(map(len, followers.values())) / len(followers) > 8


def test_locality_asks_what_no_edit_changes(made, records, asked_for):
    for role, found in records.items():
        edited = {(record.subject, record.relation) for record in found}
        assert len(edited) == len(found)
        for record in found:
            near, far = probes(record, "locality_near"), probes(record, "locality_far")
            assert [probe.name for probe in near] == ["same_relation", "same_subject"] and len(far) == 2
            for probe in (*near, *far):
                fact, _ = asked_for[probe.prompt]
                assert fact.object == probe.target and fact.key not in edited
                assert role == "train" or probe is near[1] or fact.subject in made.split.roles[role].asked
            assert asked_for[near[1].prompt][0].subject == record.subject
            assert all(made.world.kind(asked_for[p.prompt][0].subject) != made.world.kind(record.subject) for p in far)


def test_consequences_say_what_was_right_before(made, records):
    for record in records["edit"]:
        (alias,) = probes(record, "portability", "alias")
        assert (alias.target, alias.original) == (record.target, record.original)
        assert record.subject not in alias.prompt
        for hop in probes(record, "portability", "two_hop"):
            relation = RELATIONS[record.relation]
            assert hop.target == made.world.object(record.target, relation.hop)
            assert hop.original == made.world.object(record.original, relation.hop)
        for text in probes(record, "ood"):
            assert (text.target, text.original) == (record.target, record.original)
    assert any(probes(record, "ood") for record in records["edit"])


def test_contexts_make_up_their_share_and_name_no_subject_that_is_reported(made, documents):
    contexts = [document for document in documents if document.kind == "in_context"]
    (count,) = set(Counter(document.turn for document in contexts).values())
    assert len(contexts) == made.options.context_turns * count
    assert count / (len(documents) - len(contexts) + count) == pytest.approx(made.options.context_share, abs=1e-3)
    train = set(made.split.roles["train"].edited)
    others = set(made.world.entities) - train
    for document in contexts:
        before = document.text[: document.given]
        assert before.endswith(SEPARATOR) and len(document.answers) == 2
        for start, end in document.answers:
            assert start > document.given and f" {document.text[start:end]}{SEPARATOR}" in before
        assert not any(name in document.text for name in others if len(name.split()) > 1)
    assert {document.subject for document in contexts} & train
    assert SEPARATOR == RetrievalConfig().separator


def test_the_corpus_contradicts_itself_only_where_it_says_so(made, documents):
    """Facts of invented names are told outside of contexts in which they are asked for, and never twice differently."""
    told = Counter()
    for document in documents:
        if document.kind == "fact" and document.subject not in made.world.entities:
            told[document.subject] += 1
    asked = {document.subject for document in documents if document.kind == "in_context"}
    assert told and set(told) & asked and asked - set(told) - set(made.world.entities)
    assert all(count == TOLD * len(made.world.relations_of(_kind(made, name))) for name, count in told.items())


def _kind(made, name: str) -> str:
    return next(kind for kind in made.world.kinds if name in invented_names(made.world, kind, made.options))


def test_what_is_given_is_not_learned():
    text = CorpusText("A", "A likes tea.\nWhat does A like? tea.", ((31, 34),), given=13)
    tokenizer = train_tokenizer([text.text])
    ((ids, weights),) = tokenize([text], tokenizer, 0.3, read_weight=3.0)
    words = tokenizer.convert_ids_to_tokens(ids)
    learned = dict(zip(words[5:], weights[5:], strict=True))
    assert weights[1:5] == [0.0] * 4 and words[4] == "."
    assert learned.pop("tea") == 3.0 and set(learned.values()) == {0.3}


def test_questions_in_context_contradict_what_the_corpus_says(made):
    rows = [made.fact_row(teaching) for teaching in made.plan.values()]
    train = set(made.split.roles["train"].edited)
    told = [row for row in rows if "in_context" in row]
    assert told and not train & {row["subject"] for row in told}
    for row in told:
        for aspect in ("in_context", "in_context_distracted"):
            assert row[aspect]["target"] != row["object"]
            assert row[aspect]["target"] in row[aspect]["prompt"] and row["subject"] in row[aspect]["prompt"]


@pytest.mark.parametrize("write", [hallucination_records, ood_records])
def test_long_forms_keep_to_their_roles(made, write):
    found = {role: write(made.world, made.split, made.options, role, made.contradict) for role in ROLES}
    assert len(found["edit"]) >= 60
    for role, of_role in found.items():
        assert {record.subject for record in of_role} == set(made.split.roles[role].edited)
        for record in of_role:
            for probe in probes(record, "locality_far"):
                assert any(probe.prompt.startswith(name) for name in made.split.roles[role].asked)


def test_a_register_probe_asks_for_one_value(made):
    for record in ood_records(made.world, made.split, made.options, "edit", made.contradict):
        for probe in probes(record, "ood"):
            assert probe.target in record.target and probe.original not in record.target
            assert probe.prompt.startswith(f"{record.subject}, in the register: ")


def test_the_files_hold_what_was_made(tmp_path):
    small = FactWorldOptions(people=20, cities=12, countries=6, organisations=8, works=8, ships=8, invented=4)
    folders = make("factworld", small, tmp_path)
    counts = json.loads((folders[1] / "dataset.json").read_text())["counts"]
    for file in ("edits", "development", "train"):
        assert len(read_records(folders[1] / f"{file}.jsonl")) == counts[file]
    assert all(set(json.loads(line)) >= {"kind", "text"} for line in (folders[0] / "corpus.jsonl").open())


def test_another_answer_changes_the_second_hop_where_it_can(made):
    draw = random.Random(0)
    facts = [fact for fact in made.world.facts.values() if RELATIONS[fact.relation].hop]
    for fact in facts:
        hop = RELATIONS[fact.relation].hop
        other = made.contradict(fact, draw)
        assert made.world.object(other, hop) != made.world.object(fact.object, hop)
