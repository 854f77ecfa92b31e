"""The ledger: one line for each claim, editor, dataset and model, with its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.claims import judge
from analysis.claims.judge import Effect, Verdict
from analysis.claims.on_areas import on_areas
from analysis.claims.on_cost import measured
from analysis.claims.on_scores import effects
from analysis.claims.statement import MADE_BY, MAIN, Claim, Ledger, OnAreas, OnCost, OnScores
from analysis.claims.values import Source, read_sources
from analysis.inputs import Inputs
from wise.errors import NothingToShow
from wise.evaluate.statistics import ALPHA, holm

COLUMNS = [
    "level", "dataset", "model", "source", "claim", "stated", "says", "short", "editor", "convention", "expected",
    "verdict", "effect", "low", "high", "p", "p_holm", "T", "metric", "against", "comparisons", "edits", "pairs",
    "seeds", "covers", "edits_needed", "reason",
]  # fmt: skip
"""`effect`, its 95% interval, T, metric and `against` are those of the comparison that decides, of so many. `edits`
counts its distinct records, `edits_needed` those that would decide. `reason`: why nothing was tested, or what is known
of a failing."""

Line = dict[str, Any]


def ledger(claims: Ledger, inputs: Inputs) -> pd.DataFrame:
    """Columns `COLUMNS`: claims in their order, for each dataset and model of the main comparison."""
    sources = {MAIN: read_sources(inputs)} | {name: read_sources(inputs.of_study(name)) for name in inputs.studies}
    lines: list[Line] = []
    for place in sources[MAIN]:
        here = {name: found[place] for name, found in sources.items() if place in found}
        lines += _of_place(claims, inputs, here, place)
    return pd.DataFrame(lines).reindex(columns=COLUMNS)


def _of_place(claims: Ledger, inputs: Inputs, here: Mapping[str, Source], place: tuple[str, str]) -> Iterator[Line]:
    """The lines of one dataset and model, corrected together."""
    level = inputs.level(place[1])
    found: list[tuple[Line, list[Effect]]] = []
    for claim in claims.claims:
        for editor in _editors(claim):
            line = _described(claim, editor) | {"level": level, "dataset": place[0], "model": place[1]}
            try:
                _require_sense(claim, level, here[MAIN])
                if isinstance(claim.test, OnCost):
                    found.append((line | _measured(claim.test, inputs, place, str(editor)), []))
                elif isinstance(claim.test, OnAreas):
                    found.append((line | _apart(claim.test, inputs, place, str(editor)), []))
                elif claim.test is not None:
                    source = _scores(claim.test, here)
                    line["convention"] = source.conventions(editor)
                    found.append((line, effects(claim.test, source, editor, claims.matters)))
                else:
                    raise NothingToShow(claim.needs)
            except NothingToShow as error:
                found.append((line | {"verdict": str(Verdict.UNTESTED), "reason": str(error)}, []))
    tested = [(line, judge.p_value(made)) for line, made in found if made]
    alpha = ALPHA / max(1, len(tested))
    for (line, (p, _)), p_holm in zip(tested, holm([p for _, (p, _) in tested]), strict=True):
        line |= {"p": p, "p_holm": p_holm}
    why = {claim.id: claim.known(level) for claim in claims.claims}
    for line, made in found:
        told = line | (_judged(made, line["p_holm"], alpha) if made else {})
        yield {"reason": why[line["claim"]] if told["verdict"] == Verdict.FAILS else ""} | told


def _judged(made: Sequence[Effect], p_holm: float, alpha: float) -> Line:
    """Verdict and numbers of the comparison that decides."""
    holding = judge.p_value(made)[1]
    told, found = judge.verdict(p_holm, holding), judge.telling(made, holding)
    comparison = found.found
    needed = judge.edits_needed(made, alpha) if told is Verdict.OPEN else None
    return {
        "verdict": str(told), "effect": comparison.difference, "low": comparison.low, "high": comparison.high,
        "T": found.T, "metric": found.metric, "against": found.against, "comparisons": len(made),
        "edits": comparison.found.records, "pairs": comparison.found.values, "seeds": comparison.found.seeds,
        "covers": comparison.found.covers, "edits_needed": needed,
    }  # fmt: skip


def _measured(test: OnCost, inputs: Inputs, place: tuple[str, str], editor: str) -> Line:
    found = measured(test, inputs, place, editor)
    told = judge.by_interval(found.low, found.high, test.expect)
    return {
        "verdict": str(told), "effect": found.value, "low": found.low, "high": found.high, "T": found.T,
        "metric": test.cost, "against": test.against or "", "pairs": found.count or None,
    }  # fmt: skip


def _apart(test: OnAreas, inputs: Inputs, place: tuple[str, str], editor: str) -> Line:
    found = on_areas(test, inputs, place, editor)
    return {
        "verdict": str(judge.by_interval(found.low, found.high, test.expect)), "effect": found.value, "low": found.low,
        "high": found.high, "metric": "silhouette", "against": test.against, "edits": found.count, "seeds": 1,
        "covers": "records",
    }  # fmt: skip


def _described(claim: Claim, editor: str | None) -> Line:
    expected = claim.test.expect.in_words() if claim.test else ""
    return {
        "claim": claim.id, "source": claim.source, "stated": claim.stated, "says": claim.claim, "short": claim.short,
        "editor": editor or "", "expected": expected, "convention": "",
    }  # fmt: skip


def _editors(claim: Claim) -> Sequence[str | None]:
    """The editors of a claim, each in a line; None for all of a study together."""
    return (claim.test.editor if claim.test else None) or [None]


def _require_sense(claim: Claim, level: str, main: Source) -> None:
    """Raise `NothingToShow` where the claim is about another level or kind of dataset."""
    if claim.levels and level not in claim.levels:
        raise NothingToShow(f"is about the level {' and '.join(claim.levels)}")
    if claim.setting and main.setting != claim.setting:
        raise NothingToShow(f"is about {claim.setting} datasets")


def _scores(test: OnScores, here: Mapping[str, Source]) -> Source:
    """The scores that a test reads. Raises `NothingToShow` where there are none, naming what makes them."""
    source = here.get(test.study)
    if source is None:
        raise NothingToShow(f"made by {MADE_BY[test.study]}")
    return source
