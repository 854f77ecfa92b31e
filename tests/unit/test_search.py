"""The search of options: it finds what is there to be found, alike after a kill, with one budget and no crash."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic.dataclasses import dataclass

from wise.editors.own_units import OPEN, Own, OwnConstants
from wise.editors.space import Among, Range, described_space, in_words, space
from wise.errors import EditError
from wise.options import STRICT, AtLeastOne, Count, Positive
from wise.tuning.candidates import Candidates
from wise.tuning.outcome import Trial
from wise.tuning.search import Steps, search

UNIT = 0.01


@dataclass(frozen=True, config=STRICT)
class MadeUpConfig(OwnConstants):
    """Options of an editor that is best at lr = 0.05, five times its unit, with the token `last`."""

    lr: Annotated[Positive, Own(1.0, "step", 0.5), Range(0.1, 100.0)] = OPEN
    steps: Annotated[AtLeastOne, Range(5, 50)] = 25
    token: Annotated[str, Among(("first", "last"))] = "first"
    prefixes: Count = 10


class Units:
    """Stands for a model on which every unit is `UNIT`."""

    entry, features = UNIT, 1


def candidates(fixed: dict[str, Any] | None = None, layers: tuple[int, ...] = (3,)) -> Candidates:
    return Candidates(MadeUpConfig, fixed or {}, layers, lambda layer: Units())  # type: ignore[arg-type, return-value]


def quality(options: dict[str, Any]) -> float:
    """From 0 to 1, largest at lr = 0.05 and token = last."""
    lr = 0.5 if options.get("constants") == "published" else options["lr"]
    return max(0.0, 1 - abs(lr / 0.05 - 1) / 4) * (1.0 if options.get("token", "first") == "last" else 0.7)


def attempt(options: Any) -> Steps:
    for T in (10, 100):
        yield T, {"rel": quality(options), "avg": quality(options)}


def told(trials: list[Trial]) -> list[tuple]:
    """All but the time that they took."""
    return [(t.number, t.origin, t.state, t.options, t.score, t.scores, t.message) for t in trials]


def test_a_space_stands_with_its_options():
    assert list(space(MadeUpConfig)) == ["lr", "steps", "token"]
    words = {name: in_words(plain) for name, plain in described_space(MadeUpConfig).items()}
    assert words == {"lr": "0.1 to 100 step (log)", "steps": "5 to 50 (log)", "token": "'first', 'last'"}


def test_a_search_finds_a_known_optimum_and_writes_plain_numbers(tmp_path: Path):
    trials = search(candidates(), attempt, 40, 0, tmp_path / "trials.db", "a")
    best = max((t for t in trials if t.score is not None), key=lambda t: t.score or 0.0)
    assert best.options["token"] == "last" and best.options["lr"] == pytest.approx(0.05, rel=0.2)
    assert best.score is not None and best.score > 0.9
    assert all(float(f"{t.options['lr']:.3g}") == t.options["lr"] for t in trials if t.origin == "search")


def test_defaults_and_published_options_come_first(tmp_path: Path):
    trials = search(candidates(), attempt, 3, 0, tmp_path / "trials.db", "a")
    assert [t.origin for t in trials] == ["defaults", "published", "search"]
    assert trials[0].options == {"lr": UNIT, "steps": 25, "token": "first"}
    assert trials[1].options == {"constants": "published"} and trials[1].score == quality(trials[1].options)


def test_what_a_configuration_sets_is_not_searched(tmp_path: Path):
    trials = search(candidates({"token": "first", "prefixes": 2}), attempt, 12, 0, tmp_path / "trials.db", "a")
    assert {(t.options["token"], t.options["prefixes"]) for t in trials} == {("first", 2)}
    assert len({t.options["lr"] for t in trials if t.origin == "search"}) == 10


def test_a_search_with_nothing_to_choose_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    everything = dict.fromkeys(candidates().space, 1) | {"token": "first"}
    search(candidates(everything), attempt, 2, 0, tmp_path / "trials.db", "a")
    assert "nothing to search" in caplog.text


def test_layers_are_searched_like_options(tmp_path: Path):
    trials = search(candidates(layers=(3, 1, 2)), attempt, 15, 0, tmp_path / "trials.db", "a")
    assert trials[0].options["layer"] == 3 and {t.options["layer"] for t in trials} == {1, 2, 3}


class Killed(BaseException):
    """Stands for a signal."""


def test_a_killed_search_goes_on_and_ends_as_it_would_have(tmp_path: Path):
    calls = 0

    def dies(options: Any) -> Steps:
        nonlocal calls
        calls += 1
        if calls in (2, 14):  # among the first options, and among those that the estimator draws
            raise Killed
        yield from attempt(options)

    for _ in range(2):
        with pytest.raises(Killed):
            search(candidates(), dies, 20, 0, tmp_path / "killed.db", "a")
    resumed = search(candidates(), dies, 20, 0, tmp_path / "killed.db", "a")
    assert told(resumed) == told(search(candidates(), attempt, 20, 0, tmp_path / "whole.db", "a"))
    assert calls == 22


def test_trials_of_another_search_are_thrown_away(tmp_path: Path):
    search(candidates(), attempt, 3, 0, tmp_path / "trials.db", "a")
    other = search(candidates({"token": "last"}), attempt, 3, 0, tmp_path / "trials.db", "b")
    assert len(other) == 3 and {t.options["token"] for t in other} == {"last"}


def test_seeds_draw_other_points_and_the_same_seed_the_same(tmp_path: Path):
    found = [
        told(search(candidates(), attempt, 6, seed, tmp_path / f"{i}.db", "a")) for i, seed in enumerate((0, 0, 1))
    ]
    assert found[0] == found[1] != found[2]


def test_a_trial_that_fails_is_recorded_and_the_search_goes_on(tmp_path: Path):
    def breaks(options: Any) -> Steps:
        if options.get("token") == "last":
            raise EditError("edit 3: the loss\nis nan")
        yield from attempt(options)

    trials = search(candidates(), breaks, 15, 0, tmp_path / "trials.db", "a")
    failed = [t for t in trials if t.state == "failed"]
    assert failed and {t.message for t in failed} == {"EditError: edit 3: the loss is nan"}
    assert all(t.score is None and t.options["token"] == "last" for t in failed)
    assert len(trials) == 15 and any(t.state == "complete" for t in trials)


def test_poor_trials_are_pruned_after_the_smaller_T(tmp_path: Path):
    asked: list[int] = []

    def counted(options: Any) -> Steps:
        for T, scores in attempt(options):
            asked.append(T)
            yield T, scores

    trials = search(candidates(), counted, 30, 0, tmp_path / "trials.db", "a")
    pruned = [t for t in trials if t.state == "pruned"]
    assert pruned and all(list(t.scores) == ["10"] and t.score is None for t in pruned)
    assert asked.count(10) == 30 and asked.count(100) == 30 - len(pruned)
    assert not any(t.state == "pruned" for t in trials[:8])
