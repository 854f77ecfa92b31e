"""Version 1 of the world is consistent, the corpus says what it claims to say, and a seed fixes every byte."""

import itertools
import json
import os
import subprocess
import sys

import pytest

from wise.datasets.factworld.build import make
from wise.datasets.factworld.corpus import write_corpus
from wise.datasets.factworld.first.names import VALUES
from wise.datasets.factworld.first.relations import EDITABLE_KINDS, RELATIONS
from wise.datasets.factworld.first.teaching import plan_teaching
from wise.datasets.factworld.first.world import build_world
from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.registry import entry
from wise.errors import ConfigError
from wise.files import sha256
from wise.options import build_options

SMALL = FactWorldOptions(version=1, people=40, cities=24, countries=8, organisations=16, works=20)


@pytest.fixture(scope="module")
def world():
    return build_world(SMALL)


@pytest.fixture(scope="module")
def plan(world):
    return plan_teaching(world, SMALL)


@pytest.fixture(scope="module")
def documents(world, plan):
    return list(write_corpus(world, plan, SMALL))


def test_every_relation_has_six_phrasings_and_joins_known_kinds():
    kinds = {*EDITABLE_KINDS, *VALUES, "language"}
    for relation in RELATIONS.values():
        assert len(set(relation.phrasings)) >= 6
        assert {relation.subject, relation.object} <= kinds
        assert all(phrasing.count("{s}") == 1 for phrasing in relation.phrasings)
        if relation.subject in EDITABLE_KINDS:
            assert RELATIONS[relation.hop].subject == relation.object
            assert relation.description.count("|") == relation.description.count("{o}") == 1


def test_no_prompt_is_the_beginning_of_another():
    for kind in {relation.subject for relation in RELATIONS.values()}:
        prompts = [p for r in RELATIONS.values() if r.subject == kind for p in (*r.phrasings, r.two_hop) if p]
        for one, other in itertools.permutations(prompts, 2):
            assert not other.startswith(one + " "), f"'{one}' begins '{other}'"


def test_objects_have_the_kind_of_their_relation(world):
    for fact in world.facts.values():
        kind = RELATIONS[fact.relation].object
        assert fact.object in (VALUES[kind] if kind in VALUES else world.of_kind(kind))
        assert fact.object != fact.subject


def test_capitals_lie_in_their_country(world):
    for country in world.of_kind("country"):
        assert world.object(world.object(country, "capital"), "country") == country


def test_later_words_of_an_answer_follow_from_the_first(world):
    for relation in RELATIONS:
        followers = {}
        for fact in world.facts.values():
            if fact.relation == relation:
                first, *rest = fact.object.split()
                assert followers.setdefault(first, rest) == rest


def test_phrasings_are_seen_or_held_out_and_the_corpus_keeps_to_it(world, plan, documents):
    texts = {document.text for document in documents}
    for key, teaching in plan.items():
        assert sorted(teaching.seen + teaching.held_out) == list(range(6))
        assert len(teaching.held_out) >= 2
        for index, phrasing in enumerate(RELATIONS[key[1]].phrasings):
            sentence = f"{phrasing.format(s=key[0])} {teaching.fact.object}."
            assert (sentence in texts) == (index in teaching.seen)


def test_answer_spans_hold_the_objects(world, documents):
    for document in documents:
        for start, end in document.answers:
            answer = document.text[start:end]
            assert answer and answer == answer.strip()
        if document.kind == "biography":
            told = {document.text[start:end] for start, end in document.answers}
            assert told == {fact.object for fact in world.facts_of(document.subject)}


FIRST_VERSION = {
    "factworld/corpus.jsonl": "d10f9c1e9295b588fa318f8e667830467863781aa65fd6871ad2f5856fc09614",
    "factworld/facts.jsonl": "2d936710dc016b12bc8a2fd60647ba7e7f40dfa710c363f52159e8bc7f806c3c",
    "factworld-qa/edits.jsonl": "b45e467321ce0d6f7983f98f4c6f01828ee61b13ddffb61383ac93ff64abe9f6",
    "factworld-qa/train.jsonl": "a2d1b119344f4ed4a931e95a75f9bc31ea05be01cad8f90d3357a7fb0b592bde",
    "factworld-hallucination/edits.jsonl": "45a848d9a88b3d7b37a8661056b28037c08b9cb3d34521cc55b1746fb87a1ed6",
    "factworld-hallucination/train.jsonl": "4f0eb820e50dac64613f6fd5e70f2ab495698910f1ed74588e9c14734db8b8e1",
    "factworld-ood/edits.jsonl": "c90fe6398f59ebad42597671537dea04e8f1d92c95880713d4a5067fa3fdf834",
    "factworld-ood/train.jsonl": "432e22ade28d9cacd515ac7d2b507e35f68f39d623345d26e14059a7620436be",
}
"""sha256 of what version 1 wrote when it was the only one."""


def test_version_1_is_what_it_was(tmp_path):
    options = build_options(FactWorldOptions, {"version": 1}, "options of factworld")
    make("factworld", options, tmp_path)
    assert {name: sha256(tmp_path / name) for name in FIRST_VERSION} == FIRST_VERSION


@pytest.mark.parametrize("version", [1, 2])
def test_same_bytes_for_the_same_seed_whatever_the_hash_seed(tmp_path, version):
    digests = []
    for number, (hash_seed, seed) in enumerate((("0", 5), ("77", 5), ("0", 6))):
        out = tmp_path / str(number)
        options = json.dumps(
            {
                "version": version,
                "seed": seed,
                "people": 20,
                "cities": 12,
                "countries": 6,
                "organisations": 8,
                "works": 8,
                "ships": 8,
            }
        )
        command = ["data", "make", "--dataset", "factworld", "--options", options, "--out", out]
        subprocess.run(
            [sys.executable, "-m", "wise", *command],
            check=True,
            capture_output=True,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )
        digests.append({p.parent.name: json.loads(p.read_text())["sha256"] for p in sorted(out.glob("*/dataset.json"))})
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]
    assert len(digests[0]) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"peple": 3}, "Did you mean 'people'"),
        ({"alias_share": 1.5}, "'alias_share' must be at most 1, found 1.5"),
        ({"works": 2}, "'works' must be at least 8, found 2"),
        ({"cities": 20, "countries": 11}, "fewer than two"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        build_options(FactWorldOptions, options, "options of factworld")


def test_unknown_dataset_lists_the_valid_ones():
    with pytest.raises(ConfigError, match="Valid choices: .*factworld"):
        entry("factwrld")
