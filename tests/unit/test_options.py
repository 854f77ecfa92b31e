"""Options are described where they are declared, and a mistake is named with what would be right."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Literal

import pytest
from pydantic import ValidationError
from pydantic.dataclasses import dataclass

from wise.datasets.own.options import OwnOptions
from wise.datasets.registry import DATASETS, options_class
from wise.editors.registry import EDITORS, editor_class
from wise.errors import ConfigError
from wise.options import STRICT, AtLeastOne, Positive, build_options, described, mistakes, require
from wise.pretraining.recipe import PretrainOptions

GROUPS = {name: editor_class(name).Config for name in EDITORS}
GROUPS |= {name: options_class(dataset) for name, dataset in DATASETS.items()} | {
    "pretrain": PretrainOptions,
    "own": OwnOptions,
}


@dataclass(frozen=True, config=STRICT)
class Base:
    """Two options."""

    rate: Positive = 0.5
    """How fast."""
    way: Literal["left", "right"] = "left"
    """Where to,
    in two lines."""

    def __post_init__(self) -> None:
        require(self.way == "left" or self.rate < 1, "the right way is slow")


@dataclass(frozen=True, config=STRICT)
class Derived(Base):
    """Another default, and one option more."""

    rate: Positive = 2.0
    count: AtLeastOne = 1
    """How many."""


@pytest.mark.parametrize("name", GROUPS)
def test_every_option_is_described(name: str):
    for option in described(GROUPS[name]):
        assert option.description.endswith("."), option
        assert option.type.removesuffix(" or null") in ("number", "integer", "boolean", "string", "array"), option
    assert [option.name for option in described(GROUPS[name])] == [field.name for field in fields(GROUPS[name])]


def test_a_description_holds_for_classes_that_set_another_default():
    rate, way, count = described(Derived)
    assert rate == ("rate", "number", "> 0", 2.0, (), "How fast.")
    assert way == ("way", "string", "", "left", ("left", "right"), "Where to, in two lines.")
    assert count.limits == ">= 1"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"wya": "left"}, "here: unknown option 'wya'. Did you mean 'way'? Valid choices: count, rate, way"),
        ({"way": "rihgt"}, "here: unknown way 'rihgt'. Did you mean 'right'? Valid choices: left, right"),
        ({"way": 3}, "here: option 'way' must be 'left' or 'right', found 3"),
        ({"rate": 0}, "here: option 'rate' must be greater than 0, found 0"),
        ({"rate": True}, "here: option 'rate' must be a valid number, found True"),
        ({"rate": float("nan")}, "here: option 'rate' must be a finite number, found nan"),
        ({"rate": "2e-4"}, "option 'rate' must be a valid number, found '2e-4', which YAML reads as a text: write"),
        ({"count": 1.0}, "here: option 'count' must be a valid integer, found 1.0"),
        ({"count": 0}, "here: option 'count' must be at least 1, found 0"),
        ({"way": "right"}, "here: the right way is slow"),
        ({"count": 0, "rate": -1}, "here: option 'rate' must be greater than 0, found -1; option 'count' must be"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_what_would_be_right(values: dict, message: str):
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_options(Derived, values, "here")


def test_an_integer_is_taken_for_a_number():
    made = build_options(Derived, {"rate": 3}, "here")
    assert made == Derived(rate=3.0) and type(made.rate) is float


def test_a_missing_option_is_named():
    with pytest.raises(ConfigError, match="data.mine: option 'edits' is missing"):
        build_options(OwnOptions, {"train_share": 0.1}, "data.mine")


def test_mistakes_say_which_option_they_are_of():
    assert [option for option, _ in mistakes(Derived, {"rate": -1, "wya": 1})] == ["rate", "wya"]
    assert mistakes(Derived, {"way": "right"}) == [("", "the right way is slow")]
    assert mistakes(Derived, {"rate": 0.1, "way": "right"}) == []


def test_a_changed_copy_is_checked_too():
    assert replace(Derived(), count=3).count == 3
    with pytest.raises(ValidationError, match="count"):
        replace(Derived(), count=0)
