"""The ledger of claims: a true effect is found, none stays open, and the file is read strictly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis.claims import judge
from analysis.claims.artifact import draw, to_latex, to_markdown
from analysis.claims.judge import Verdict
from analysis.claims.ledger import COLUMNS, ledger
from analysis.claims.on_scores import effects
from analysis.claims.statement import FILE, Claim, Expected, Ledger, OnScores, Range, Selection, read_claims
from analysis.claims.values import Source
from tests.study_runs import inputs_of
from wise.config.levels import level
from wise.errors import ConfigError, DataError, NothingToShow
from wise.evaluate.estimate import estimate
from wise.evaluate.statistics import holm
from wise.files import write_text

PLACE = ("qa", "m")


def _source(editors: dict[str, float], records: int = 100, T: int = 100, noise: float = 0.1, seeds=(0, 1, 2)) -> Source:
    """Averages with these means by editor: each seed has records of its own, which are equally hard for all editors."""
    rng, frames, facts = np.random.default_rng(0), [], {}
    hard = {seed: rng.normal(0, 0.1, records) for seed in seeds}
    for editor, mean in editors.items():
        for seed in seeds:
            values = mean + hard[seed] + rng.normal(0, noise, records)
            place = {"seed": seed, "T": T, "chunk": 0, "record": [f"{seed}-{i}" for i in range(records)]}
            frames.append(pd.DataFrame({**place, "value": values, "run": len(facts)}))
            facts[len(facts)] = {
                "editor": editor,
                "layer": 3,
                "rho": 0.5,
                "changed": "" if editor == "grace" else "rho",
            }
    return Source({"avg": pd.concat(frames, ignore_index=True)}, facts)


def _test(expect: dict, **more) -> OnScores:
    asked = {"metric": ["avg"], "against": [{"editor": "grace"}], **more}
    return OnScores.model_validate({**asked, "expect": expect})


def _verdict(source: Source, test: OnScores, claims: int = 1) -> Verdict:
    made = effects(test, source, "ft-l", 0.02)
    p, holding = judge.p_value(made)
    return judge.verdict(min(1.0, claims * p), holding)


@pytest.mark.parametrize(
    ("difference", "expected"), [(0.1, Verdict.HOLDS), (-0.1, Verdict.FAILS), (0.0, Verdict.FAILS)]
)
def test_a_true_difference_is_found_and_none_is_told_from_one_that_matters(difference, expected):
    source = _source({"ft-l": 0.5 + difference, "grace": 0.5}, records=400, noise=0.02)
    assert _verdict(source, _test({"above": 0.0})) is expected


def test_what_few_edits_cannot_tell_is_open_and_the_edits_that_would_are_named():
    source = _source({"ft-l": 0.505, "grace": 0.5}, records=10)
    made = effects(_test({"above": 0.0}), source, "ft-l", 0.02)
    assert _verdict(source, _test({"above": 0.0})) is Verdict.OPEN
    needed = judge.edits_needed(made, 0.05)
    assert needed is not None and needed > 30
    more = _source({"ft-l": 0.505, "grace": 0.5}, records=max(10, needed // 3 * 4))
    assert _verdict(more, _test({"above": 0.0})) is not Verdict.OPEN
    assert judge.edits_needed(made, 0.05 / 40) > needed  # the more claims, the more edits
    exact = effects(_test({"within": [-0.0151, 0.0151]}), source, "ft-l", 0.0)  # at a bound
    assert judge.edits_needed(exact, 0.05) is None


def test_no_difference_is_shown_by_two_one_sided_tests():
    equal = _source({"ft-l": 0.5, "grace": 0.5}, records=400, noise=0.02)
    assert _verdict(equal, _test({"within": [-0.05, 0.05]})) is Verdict.HOLDS
    other = _source({"ft-l": 0.6, "grace": 0.5}, records=400, noise=0.02)
    assert _verdict(other, _test({"within": [-0.05, 0.05]})) is Verdict.FAILS
    few = _source({"ft-l": 0.5, "grace": 0.5}, records=3, noise=0.3)
    assert _verdict(few, _test({"within": [-0.05, 0.05]})) is Verdict.OPEN
    [made] = effects(_test({"within": [-0.05, 0.05]}), equal, "ft-l", 0.0)
    interval = judge.compared(made.found.found, 1.0)
    ends = 0.05 - abs(interval.difference)
    assert made.holds == pytest.approx(judge.compared(judge.replace(made.found.found, mean=ends), 1.0).p / 2)


def test_a_claim_about_several_holds_by_the_weakest_and_fails_by_one():
    source = _source({"ft-l": 0.7, "grace": 0.5, "rome": 0.9, "mend": 0.6}, noise=0.05)
    weak = effects(_test({"above": 0.0}, against=[{"editor": "grace"}, {"editor": "mend"}]), source, "ft-l", 0.02)
    p, holding = judge.p_value(weak)
    assert holding and judge.telling(weak, holding).against == "MEND" and p == 2 * max(one.holds for one in weak)
    both = effects(_test({"above": 0.0}, against=[{"editor": "grace"}, {"editor": "rome"}]), source, "ft-l", 0.02)
    p, holding = judge.p_value(both)
    assert (
        not holding
        and judge.telling(both, holding).against == "ROME"
        and p == pytest.approx(4 * min(one.fails for one in both))
    )


def test_claims_at_the_edge_of_what_they_say_are_rarely_decided_once_corrected():
    rng, alone, corrected, same = np.random.default_rng(1), 0, 0, np.zeros(20)
    for _ in range(100):
        values = rng.normal(0, 1, (10, 20))
        found = [estimate(row, same, same, np.arange(20)) for row in values]
        p = [judge.p_value([judge.effect(one, 0.0, Expected(above=0.0), 0.0)])[0] for one in found]
        alone += min(p) < 0.05
        corrected += holm(p).min() < 0.05
    assert corrected <= 10 and alone >= 30  # of 100 families of ten claims


def test_variants_are_chosen_by_options_and_what_differs_from_the_first():
    source = _source({"grace": 0.5, "rome": 0.4})
    rows = source.values("avg", 100, None, {"changed": "rho", "rho": Range(low=0.4)})
    assert len(rows) == 300 and rows["value"].mean() == pytest.approx(0.4, abs=0.03)
    assert source.values("avg", 100, None, {"rho": [0.1, 0.2]}).empty
    test = OnScores(study="shards", metric=["avg"], where={"changed": "rho"}, by="changed", expect=Expected(below=0.0))
    [made] = effects(test, source, None, 0.0)
    assert made.against == "changed " and made.found.difference == pytest.approx(-0.1, abs=0.03)


def test_what_cannot_be_tested_says_why():
    source = _source({"ft-l": 0.5})
    with pytest.raises(NothingToShow, match=r"no avg at T \[2000\] in the main comparison"):
        effects(_test({"above": 0.0}, T=[2000]), source, "ft-l", 0.0)
    with pytest.raises(NothingToShow, match="no scores of FT-L and what it is compared with"):
        effects(_test({"above": 0.0}), source, "ft-l", 0.0)


def test_measured_numbers_are_judged_by_their_intervals():
    below = Expected(below=1.03)
    assert judge.by_interval(1.0, 1.02, below) is Verdict.HOLDS
    assert judge.by_interval(1.04, 1.2, below) is Verdict.FAILS
    assert judge.by_interval(1.0, 1.2, below) is Verdict.OPEN


def test_the_ledger_has_a_line_for_every_claim_and_editor(runs):
    inputs = inputs_of("claims", runs)
    claims = read_claims()
    found = ledger(claims, inputs)
    assert list(found.columns) == COLUMNS and set(found["claim"]) == {claim.id for claim in claims.claims}
    assert not found.duplicated(["dataset", "model", "claim", "editor"]).any() and set(found["level"]) == {"embedded"}
    cells = found[found["dataset"] == "factworld-qa"].set_index(["claim", "editor"])
    assert cells.loc[("grace-memorises", "grace"), "verdict"] == Verdict.HOLDS  # drawn with chances of .96 and .1
    assert cells.loc[("ties-best", ""), "reason"] == "made by snakemake merging"
    assert cells.loc[("constant-parameters", "wise-merge"), "verdict"] == Verdict.HOLDS
    assert cells.loc[("router-bounds", "wise-merge"), "reason"] == "is about the level 7B"
    tested = found[found["verdict"] != Verdict.UNTESTED]
    assert (tested["p_holm"].dropna() >= tested["p"].dropna() - 1e-12).all() and tested["effect"].notna().all()
    assert "not testable here" in to_markdown(found) and r"\toprule" in to_latex(found)
    written = {text.get_text() for axes in draw(found).axes for text in axes.get_yticklabels()}
    assert "GRACE does not generalise (GRACE)" in written


def test_what_is_known_of_a_failing_stands_at_its_level_and_nowhere_else(runs):
    """GRACE's scores are drawn so that it remembers; here it is claimed not to."""
    [claim] = [claim for claim in read_claims().claims if claim.id == "grace-memorises"]
    failing = claim.model_copy(update={"test": claim.test.model_copy(update={"expect": Expected(below=0.0)})})
    inputs = inputs_of("claims", runs)
    for told, level_of in (("It remembers here.", "embedded"), ("", "real")):
        stated = Ledger(matters=0.02, claims=[failing.model_copy(update={"why": {level_of: "It remembers here."}})])
        found = ledger(stated, inputs)
        failed = found[found["verdict"] == Verdict.FAILS]
        assert len(failed) and set(failed["reason"]) == {told}
        assert ("It remembers here." in to_markdown(found)) == bool(told)
    holding = Ledger(matters=0.02, claims=[claim.model_copy(update={"why": {"embedded": "It remembers here."}})])
    assert not set(ledger(holding, inputs)["reason"]) & {"It remembers here."}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"shrot": "x"}, r"claim 'one'.shrot: Extra inputs"),
        ({"test": None}, "a claim without a test has to say what it needs"),
        ({"id": "One"}, r"claim 'One'.id: String should match"),
        (
            {"test": {"metric": ["accuracy"], "expect": {"above": 0}}},
            r"claim 'one'.test.OnScores.metric.0: Input should",
        ),
        ({"test": {"metric": ["avg"], "expect": {"above": 0, "below": 1}}}, "exactly one of above, below and within"),
        (
            {"test": {"metric": ["avg"], "study": "layers", "expect": {"above": 0}}},
            r"test.OnScores.study: Input should",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, change, complaint):
    claim = {"id": "one", "source": "WISE", "stated": "Table 2", "claim": "A.", "short": "a"}
    claim |= {"test": {"metric": ["avg"], "expect": {"above": 0.0}}} | change
    write_text(tmp_path / "claims.yaml", yaml.safe_dump({"matters": 0.02, "claims": [claim]}))
    with pytest.raises(DataError, match=complaint):
        read_claims(tmp_path / "claims.yaml")


def test_the_file_is_whole():
    claims = read_claims()
    assert len(claims.claims) >= 30 and FILE.name == "claims.yaml"
    assert isinstance(claims, Ledger) and all(isinstance(claim, Claim) for claim in claims.claims)
    assert Selection(editor="grace").where == {}


def test_the_level_of_a_model_follows_from_its_source_and_name():
    assert level("factlm", {"source": "pretrain", "path": ""}) == "embedded"
    assert level("gemma", {"source": "gguf", "path": ""}) == "real"
    assert level("llama-2-7b", {"source": "hub", "path": "meta-llama/Llama-2-7b-hf"}) == "7B"
    assert level("qwen", {"source": "hub", "path": "Qwen/Qwen2.5-0.5B"}) == "real"


def test_a_level_has_to_be_given(runs):
    inputs = inputs_of("scores_vs_t", runs)
    with pytest.raises(ConfigError, match="needs --levels"):
        inputs.level("factlm")
