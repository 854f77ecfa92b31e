"""Every metric against values worked out by hand."""

from __future__ import annotations

import logging
import subprocess
import sys
from itertools import chain

import numpy as np
import pandas as pd
import pytest

from analysis.main_table import unasked
from tests.synthetic import transcript, write_runs
from wise.cli import main
from wise.errors import ConfigError, DataError
from wise.evaluate import measures as m
from wise.evaluate import protocol
from wise.evaluate.competence import accuracy_by_kind, left_out
from wise.evaluate.metrics import METRICS, derived, get_metric, measured
from wise.evaluate.scores import COLUMNS, score_transcript

RUN = {"dataset": "d", "model": "m", "editor": "e", "seed": 3}


def question(kind="edit", target=(1, 2), predicted=(1, 2), before=(1, 2), nll=(0.1, 0.1), **other):
    row = {"T": 1, "chunk": 0, "edit": 0, "age": 0, "record": "r0", "kind": kind, "name": "", "probe": -1,
           "target": "x", "generated": None, "base_accuracy": None, "ending": None, "ending_nll": None,
           "ending_stopped": None, "before_ending": None, "before_ending_nll": None,
           "before_ending_stopped": None, "longer": None, "score": None, "choice": "main",
           "holder": None, "oracle_tokens": None}  # fmt: skip
    arrays = {"target_tokens": target, "predicted_tokens": predicted, "before_tokens": before, "nll": nll}
    return row | {key: np.array(value) for key, value in arrays.items()} | other


def scores_of(*rows):
    scores = score_transcript(pd.DataFrame(list(rows)), RUN)
    return scores.set_index("metric")["value"].to_dict()


def test_token_share_and_exact_match():
    answered = [np.array([1, 2, 3, 4]), np.array([5]), np.array([6, 7])]
    expected = [np.array([1, 2, 0, 4]), np.array([5]), np.array([7, 6])]
    assert m.token_share(answered, expected).tolist() == [0.75, 1.0, 0.0]
    assert m.exact_match(answered, expected).tolist() == [0.0, 1.0, 0.0]
    assert m.token_share([], []).tolist() == []


def test_token_share_refuses_other_lengths_and_empty_answers():
    with pytest.raises(ValueError, match="differ in number"):
        m.token_share([np.array([1, 2]), np.array([1])], [np.array([1]), np.array([1, 2])])
    with pytest.raises(ValueError, match="no tokens"):
        m.token_share([np.array([])], [np.array([])])


def test_likelihoods():
    nll = [np.array([0.1, 0.3]), np.array([np.inf, 0.0]), np.array([np.nan])]
    assert m.mean_nll(nll).tolist() == [pytest.approx(0.2), np.inf, np.inf]
    # -log 0.8 = 0.2231: 0.1 is sure and 0.3 is not; their mean 0.2 is
    assert m.sure_share(nll).tolist() == [0.5, 0.5, 0.0]
    assert m.sure_on_average(nll).tolist() == [1.0, 0.0, 0.0]


def test_perplexity_aggregates():
    nll = np.log([1.0, 4.0, 16.0, 400.0])
    averages = {name: average(nll) for name, average in m.PERPLEXITY_AGGREGATES.items()}
    assert averages["raw"] == pytest.approx(421 / 4)
    assert averages["clipped"] == pytest.approx(121 / 4)
    assert averages["median"] == pytest.approx(10.0)
    assert averages["geometric"] == pytest.approx((1 * 4 * 16 * 400) ** 0.25)


def test_perplexities_that_are_not_finite_are_infinite_or_clipped():
    nll = np.array([0.0, 1000.0, np.nan])
    assert m.perplexity(nll).tolist() == [1.0, np.inf, np.inf]
    assert m.clipped_perplexity(nll).tolist() == [1.0, 100.0, 100.0]
    assert m.PERPLEXITY_AGGREGATES["raw"](nll) == np.inf


@pytest.mark.parametrize(
    ("answer", "target", "exact", "contains"),
    [
        ("Paris", "Paris", 1, 1),
        ("  paris.\n", "Paris", 1, 1),
        ("New  York!", "new york", 1, 1),
        ("Paris, the capital.", "Paris", 0, 1),
        ("Parisian", "Paris", 0, 0),
        ("", "Paris", 0, 0),
        ("St. Ives", "St. Ives.", 1, 1),
        ("...", "!", 0, 1),
    ],
)
def test_generated_answers(answer, target, exact, contains):
    assert m.generated_exact([answer], [target]).tolist() == [exact]
    assert m.generated_contains([answer], [target]).tolist() == [contains]


def test_answers_that_were_not_generated_have_no_score():
    assert np.isnan(m.generated_exact([None, float("nan")], ["x", "x"])).all()
    assert "rel_generated" not in scores_of(question())


def test_scores_of_one_edit():
    scores = scores_of(
        question(predicted=(1, 0), nll=(0.2, 0.4), generated="X."),
        question("paraphrase", predicted=(1, 2)),
        question("paraphrase", predicted=(0, 0)),
        question("locality_far", target=(5, 6), predicted=(5, 7), before=(5, 7)),
        question("locality_near", target=(5, 6), predicted=(5, 6), before=(5, 9)),
        question("portability", predicted=(1, 2), name="alias"),
        question("portability", predicted=(0, 0), name="alias"),
        question("portability", predicted=(0, 0), name="two-hop"),
        question("ood", nll=(0.1, 0.3)),
    )
    assert scores == pytest.approx({
        "rel": 0.5, "gen": 0.5, "loc_far": 1.0, "loc_near": 0.5, "loc_far_gold": 0.5, "loc_near_gold": 1.0,
        "avg": 2 / 3, "port": 0.25, "rel_exact": 0.0, "gen_exact": 0.5, "rel_generated": 1.0, "rel_contains": 1.0,
        "nll": 0.3, "ood": 0.5, "ood_exact": 1.0, "avg_ood": 2 / 3, "loc_exact": 1.0, "loc_near_exact": 0.0,
    })  # fmt: skip


def test_the_success_of_an_opinion_is_the_gap_of_polarities_that_is_no_fall():
    told = scores_of(
        question(nll=(0.1, 0.1)),
        question("opinion", name="wanted", nll=(1.0, 3.0), before_nll=np.array([2.0, 4.0])),
        question("opinion", name="wanted", nll=(2.0, 2.0), before_nll=np.array([3.0, 3.0])),
        question("opinion", name="opposite", nll=(4.0, 4.0), before_nll=np.array([1.0, 1.0])),
        question("locality_far", name="other_topic", predicted=(1, 9)),
        question("locality_far", name="person", predicted=(1, 2)),
    )
    assert told["opinion_wanted"] == -2 and told["opinion_opposite"] == -4 and told["opinion_before"] == -3
    assert told["es"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert told["loc_topic"] == 0.5 and told["loc_far"] == 0.75
    # what was likelier before the edit counts less
    fallen = m.opinion_shift(np.array([-2.0]), np.array([-4.0]), np.array([-1.0]))
    assert fallen == pytest.approx(np.exp(-1) / (1 + np.exp(-2)))
    assert m.opinion_shift(*(np.array([-np.inf]) for _ in range(3))).tolist() == [0.0]


def test_repetition_lowers_the_entropy_of_ngrams():
    once, again, short = m.ngram_entropy(["a b c d", "a a a a a", "a b"])
    assert once == pytest.approx(100 * (2 / 3 * np.log2(3) + 4 / 3 * np.log2(2)) / 2)  # ROME's code takes the mean
    assert again == 0.0 and np.isnan(short)


def test_questions_that_the_unedited_model_cannot_answer_are_not_scored():
    able = {"kind": "portability", "name": "alias", "base_accuracy": 0.8}
    unable = {"kind": "portability", "name": "two_hop", "base_accuracy": 0.79, "predicted": (1, 9)}
    unknown = {"kind": "portability", "name": "other", "predicted": (8, 9)}
    assert scores_of(question(**able), question(**unable))["port"] == 1.0
    assert scores_of(question(**able), question(**unknown))["port"] == 0.5  # the mean of two sub-kinds
    assert "port" not in scores_of(question(**unable), question())
    text = {"kind": "ood", "base_accuracy": 0.3}
    assert not {"ood", "ood_exact", "avg_ood"} & scores_of(question(**text), question()).keys()


def test_what_is_left_out_is_said_with_the_reason():
    rows = [
        question(kind="portability", name="two_hop", base_accuracy=0.25),
        question(kind="portability", name="alias", base_accuracy=0.99),
        question(kind="paraphrase", base_accuracy=0.1),
        question(kind="ood", name="description"),
    ]
    entries = left_out(pd.DataFrame(rows))
    assert entries == [{"kind": "portability", "name": "two_hop", "base_accuracy": 0.25, "questions": 1}]
    notes = unasked([{"dataset": "d", "model": "m", "left_out": entries}, {"dataset": "d", "model": "other"}])
    assert notes.keys() == {("d", "m")}
    assert "Port (two_hop): 0.25" in notes["d", "m"] and "0.80" in notes["d", "m"]
    assert accuracy_by_kind([("ood", ""), ("ood", ""), ("portability", "")], [True, False, True]) == {
        ("ood", ""): 0.5,
        ("portability", ""): 1.0,
    }


def test_an_edit_without_probes_of_a_kind_has_no_row_and_no_average():
    assert set(scores_of(question())) == {"rel", "rel_exact", "nll"}
    assert "avg" not in scores_of(question(), question("locality_far"))


def test_scores_keep_the_columns_and_each_chunk():
    rows = [question(chunk=chunk, edit=chunk, record=f"r{chunk}") for chunk in range(3)]
    scores = score_transcript(pd.DataFrame(rows), RUN)
    assert tuple(scores.columns) == COLUMNS
    assert scores[scores["metric"] == "rel"]["chunk"].tolist() == [0, 1, 2]
    assert (scores["seed"] == 3).all()


def test_bad_transcripts_are_named():
    with pytest.raises(DataError, match="record 'r0'.*'predicted_tokens'"):
        scores_of(question(predicted=(1, 2, 3)))
    with pytest.raises(DataError, match="'before_tokens'"):
        scores_of(question() | {"before_tokens": None})
    with pytest.raises(DataError, match="lacks seed"):
        score_transcript(pd.DataFrame([question()]), {key: RUN[key] for key in ("dataset", "model", "editor")})


def test_nll_that_is_not_finite_is_reported(caplog):
    with caplog.at_level(logging.WARNING):
        scores = scores_of(question(nll=(np.inf, 0.1)))
    assert scores["nll"] == np.inf
    assert "1 token NLLs are not finite" in caplog.text


def test_registry():
    assert set(METRICS) >= {"rel", "gen", "loc_far", "avg", "ppl"}
    for name, metric in METRICS.items():
        assert metric.name == name and metric.direction in ("higher", "lower") and metric.description.endswith(".")
        assert metric.bounds[0] < metric.bounds[1] and metric.version >= 1
        assert all(part in METRICS for part in getattr(metric, "parts", ()))
    with pytest.raises(ConfigError, match="Did you mean 'loc_far'"):
        get_metric("loc_fra")


def test_values_stay_within_bounds():
    rows = [{"holder": None, "oracle_tokens": None, "longer": None} | row for row in transcript("ft-l", 0, {10: 2}, 20)]
    scores = score_transcript(_as_arrays(rows), RUN)
    for name, values in scores.groupby("metric")["value"]:
        low, high = METRICS[name].bounds
        assert values.between(low, high).all(), name


def test_score_verb(tmp_path):
    paths = write_runs(tmp_path, editors=("grace",), seeds=(1,), grid={3: 2})
    out = tmp_path / "scores.parquet"
    transcript_path, run_path = str(paths["transcripts"][0]), str(paths["runs"][0])
    assert main(["score", "--transcript", transcript_path, "--run", run_path, "--out", str(out)]) == 0
    pd.testing.assert_frame_equal(pd.read_parquet(out), pd.read_parquet(paths["scores"][0]))


@pytest.mark.parametrize(
    "program",
    [
        "import wise.cli; wise.cli.main(['score', '--transcript', 'no', '--run', 'no', '--out', 'no'])",
        "import analysis.__main__ as a, importlib; [importlib.import_module(e.module) for e in a.ARTIFACTS.values()]",
    ],
)
def test_no_torch(program):
    check = "import sys; bad = {'torch', 'transformers'} & set(sys.modules); assert not bad, bad"
    guarded = f"try:\n    {program}\nexcept FileNotFoundError:\n    pass\n{check}"
    done = subprocess.run([sys.executable, "-c", guarded], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _as_arrays(rows):
    return pd.DataFrame([{k: np.array(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows])


def test_a_metric_needs_a_name_of_its_own_and_a_description():
    def rel(rows: pd.DataFrame) -> np.ndarray:
        """Another reliability."""
        return np.ones(len(rows))

    def undescribed(rows: pd.DataFrame) -> np.ndarray:
        return np.ones(len(rows))

    with pytest.raises(ValueError, match="'rel' is there already"):
        measured("edit", "Rel")(rel)
    with pytest.raises(ValueError, match="'undescribed' has no docstring"):
        derived("rel", title="New")(undescribed)
    assert "undescribed" not in METRICS and METRICS["rel"].description.startswith("Reliability")


def test_headline_metrics_have_a_heading_and_words():
    for metric in METRICS.values():
        assert (metric.role == "headline") == bool(metric.heading) == bool(metric.words)


def test_the_memory_of_the_edit_is_asked_whatever_the_router_says():
    routed = {"score": 1.0, "choice": "side 1", "holder": "side 2", "oracle_tokens": np.array([1, 2])}
    found = scores_of(question(predicted=(0, 2), **routed), question("paraphrase", probe=0, **routed))
    assert (found["rel_routed"], found["rel_retrieved"], found["gen_retrieved"]) == (1.0, 0.0, 0.0)
    assert (found["rel"], found["rel_oracle"], found["avg_oracle"]) == (0.5, 1.0, 1.0)
    other = scores_of(question(**routed | {"choice": "side 2", "oracle_tokens": None}))
    assert other["rel_retrieved"] == 1.0 and "rel_oracle" not in other
    assert not {"rel_retrieved", "rel_oracle"} & set(scores_of(question())), "of editors that route"


def test_free_answers_are_said_to_be_free_and_every_named_metric_exists():
    rows, none = transcript("grace", 0, {10: 2}, 20), dict.fromkeys(FREE)
    rows = [row | {"longer": "a b c" if row["kind"] == "edit" else None} for row in rows]
    asked, silent = (set(scores_of_all([row | more for row in rows])) for more in ({}, none))
    free = {name for name in METRICS if protocol.protocol_of(name) == protocol.GENERATED}
    assert "rel_generated" in asked - silent and asked - silent <= free and not silent & free
    assert set(chain(*protocol.SCORERS.values())) <= set(METRICS)
    said = protocol.described("rel_generated", {"max_new_tokens": 9, "stop": "end token", "kv_cache": True})
    assert tuple(said) == protocol.COLUMNS and said["max_new_tokens"] == 9 and said["moment"] == "retention"
    assert protocol.described("rel", {"max_new_tokens": 9})["max_new_tokens"] == ""
    assert protocol.described("stops", {"max_new_tokens": 9, "ending_tokens": 16})["max_new_tokens"] == "target + 16"


FREE = ["longer", "generated", "ending", "ending_nll", "ending_stopped"]
FREE += [f"before_{name}" for name in FREE[2:]]


def scores_of_all(rows):
    return score_transcript(_as_arrays(rows), RUN)["metric"]
