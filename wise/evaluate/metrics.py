"""The registry of metrics: each one function with its title, direction, bounds, version and place in tables.

A *measured* metric reads the questions of one kind in a transcript and gives one value a question; a *derived* one
combines other metrics of the same edit. All are computed without a model. A new metric is one decorated function, whose
name is the metric's and whose docstring describes it; its place here is its place in tables. Raise `version` when its
numbers change.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from wise.evaluate.competence import ABLE
from wise.evaluate.measures import (
    PERPLEXITY_CAP,
    clipped_perplexity,
    ends,
    exact_match,
    generated_contains,
    generated_exact,
    mean_nll,
    mean_nll_or_nan,
    ngram_entropy,
    opinion_shift,
    said_again,
    same_beginning,
    sure_on_average,
    sure_share,
    token_share,
)
from wise.evaluate.metric_registry import METRICS, Derived, Measured, Metric, derived, get_metric, measured
from wise.records import OPPOSITE, OTHER_TOPIC, WANTED

__all__ = ["METRICS", "Derived", "Measured", "Metric", "derived", "get_metric", "measured"]

MAIN = "main"
"""What a transcript calls the unedited model, where a memory could have answered."""


def answerable(rows: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """The values, none (NaN) for a kind of question that the unedited model answers in fewer than 8 of 10 cases.

    How many it answers is known where records say what was right before the edit; what is not known is scored.
    """
    able = pd.to_numeric(rows["base_accuracy"]).to_numpy(float)
    return np.where(able < ABLE, np.nan, values)


def _of_side(rows: pd.DataFrame, side: str, column: str) -> np.ndarray:
    """Mean token log-likelihood of the opinions of one polarity; none (NaN) for those of the other."""
    if rows.empty:
        return np.empty(0)
    return np.where(rows["name"] == side, -mean_nll(rows[column]), np.nan)


def _paired(rows: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """Values of the unedited model, for edits whose free answer begins with the target."""
    return np.where(rows["ending"].isna(), np.nan, values)


def _texts(endings: pd.Series) -> list[str]:
    return [text if isinstance(text, str) else "" for text in endings]


@measured("edit", "Rel", role="headline", heading="Rel", words="reliability")
def rel(rows: pd.DataFrame) -> np.ndarray:
    """Reliability: share of target tokens predicted for the edit prompt, teacher forced."""
    return token_share(rows["predicted_tokens"], rows["target_tokens"])


@measured("paraphrase", "Gen", role="headline", heading="Gen", words="generalization")
def gen(rows: pd.DataFrame) -> np.ndarray:
    """Generalization: share of target tokens predicted for paraphrases, teacher forced."""
    return token_share(rows["predicted_tokens"], rows["target_tokens"])


@measured("ood", "OOD", role="headline", heading="OOD", words="generalization to out-of-distribution text", version=2)
def ood(rows: pd.DataFrame) -> np.ndarray:
    """Share of out-of-distribution tokens about the edited fact with probability above 0.8; see `answerable`."""
    return answerable(rows, sure_share(rows["nll"]))


@measured("edit", "NLL", direction="lower", bounds=(0.0, np.inf))
def nll(rows: pd.DataFrame) -> np.ndarray:
    """Mean negative log-likelihood of the edit's target, nats a token."""
    return mean_nll(rows["nll"])


@measured("locality_far", "Loc far", role="headline", heading="Loc", words="locality")
def loc_far(rows: pd.DataFrame) -> np.ndarray:
    """Locality elsewhere: share of answer positions predicted as before the edit."""
    return token_share(rows["predicted_tokens"], rows["before_tokens"])


@measured("locality_near", "Loc near", role="headline", heading="Loc", words="locality")
def loc_near(rows: pd.DataFrame) -> np.ndarray:
    """Locality near the edit: share of answer positions predicted as before the edit."""
    return token_share(rows["predicted_tokens"], rows["before_tokens"])


@derived("rel", "gen", "loc_far", title="Avg", role="headline", heading="Avg", words="their mean")
def avg(*parts: np.ndarray) -> np.ndarray:
    """Mean of rel, gen and loc_far of the same edit."""
    return np.mean(parts, axis=0)


@derived("rel", "ood", "loc_far", title="Avg OOD", role="headline", heading="Avg", words="their mean")
def avg_ood(*parts: np.ndarray) -> np.ndarray:
    """Mean of rel, ood and loc_far of the same edit."""
    return np.mean(parts, axis=0)


@measured("portability", "Port", role="other", by_name=True, version=2)
def port(rows: pd.DataFrame) -> np.ndarray:
    """Portability: share of target tokens predicted where the answer follows from the edit; see `answerable`."""
    return answerable(rows, token_share(rows["predicted_tokens"], rows["target_tokens"]))


@measured("edit", "Rel exact", role="other")
def rel_exact(rows: pd.DataFrame) -> np.ndarray:
    """Edit prompts whose target tokens are all predicted, teacher forced (Eq. 9)."""
    return exact_match(rows["predicted_tokens"], rows["target_tokens"])


@measured("paraphrase", "Gen exact", role="other")
def gen_exact(rows: pd.DataFrame) -> np.ndarray:
    """Paraphrases whose target tokens are all predicted, teacher forced."""
    return exact_match(rows["predicted_tokens"], rows["target_tokens"])


@measured("ood", "OOD exact", role="other", version=2)
def ood_exact(rows: pd.DataFrame) -> np.ndarray:
    """Out-of-distribution texts whose mean NLL is below -log 0.8 (Eq. 10); see `answerable`."""
    return answerable(rows, sure_on_average(rows["nll"]))


@measured("locality_far", "Loc exact", role="other")
def loc_exact(rows: pd.DataFrame) -> np.ndarray:
    """Locality elsewhere: answers of which every token is predicted as before the edit."""
    return exact_match(rows["predicted_tokens"], rows["before_tokens"])


@measured("locality_near", "Loc near exact", role="other")
def loc_near_exact(rows: pd.DataFrame) -> np.ndarray:
    """Locality near the edit: answers of which every token is predicted as before the edit."""
    return exact_match(rows["predicted_tokens"], rows["before_tokens"])


@measured("opinion", "Wanted opinions", bounds=(-np.inf, 0.0))
def opinion_wanted(rows: pd.DataFrame) -> np.ndarray:
    """Mean log-likelihood of answers of the polarity that the edit asks for, nats a token."""
    return _of_side(rows, WANTED, "nll")


@measured("opinion", "Opposite opinions", direction="lower", bounds=(-np.inf, 0.0))
def opinion_opposite(rows: pd.DataFrame) -> np.ndarray:
    """Mean log-likelihood of answers of the opposite polarity, nats a token."""
    return _of_side(rows, OPPOSITE, "nll")


@measured("opinion", "Wanted opinions before", bounds=(-np.inf, 0.0))
def opinion_before(rows: pd.DataFrame) -> np.ndarray:
    """Mean log-likelihood of answers of the wanted polarity by the unedited model, nats a token."""
    return _of_side(rows, WANTED, "before_nll")


@derived("opinion_wanted", "opinion_opposite", "opinion_before", title="ES", role="other")
def es(wanted: np.ndarray, opposite: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Edit success of opinions: the wanted polarity over the opposite one, and no less likely than before the edit."""
    return opinion_shift(wanted, opposite, before)


@measured("locality_far", "Loc topic")
def loc_topic(rows: pd.DataFrame) -> np.ndarray:
    """Opinions on another topic: share of answer positions predicted as before the edit."""
    agreement = token_share(rows["predicted_tokens"], rows["before_tokens"])
    return np.where(rows["name"] == OTHER_TOPIC, agreement, np.nan)


@measured("edit", "Rel generated", role="other")
def rel_generated(rows: pd.DataFrame) -> np.ndarray:
    """Free greedy answers to the edit prompt that equal the target."""
    return generated_exact(rows["generated"], rows["target"])


@measured("edit", "Rel contains")
def rel_contains(rows: pd.DataFrame) -> np.ndarray:
    """Free greedy answers to the edit prompt that contain the target."""
    return generated_contains(rows["generated"], rows["target"])


@measured("edit", "Stops")
def stops(rows: pd.DataFrame) -> np.ndarray:
    """Free answers that begin with the target and stop, by end token, full stop or new line, within 16 tokens."""
    return ends(rows["ending"], rows["ending_stopped"])


@measured("edit", "Stops before")
def stops_before(rows: pd.DataFrame) -> np.ndarray:
    """The same of what the unedited model writes behind the target, for the same edits."""
    return _paired(rows, ends(rows["before_ending"], rows["before_ending_stopped"]))


@measured("edit", "Repeats", direction="lower")
def repeats(rows: pd.DataFrame) -> np.ndarray:
    """Free answers that begin with the target and say its last word again within 16 tokens."""
    return said_again(rows["ending"], rows["target"])


@measured("edit", "Repeats before", direction="lower")
def repeats_before(rows: pd.DataFrame) -> np.ndarray:
    """The same of what the unedited model writes behind the target, for the same edits."""
    return _paired(rows, said_again(rows["before_ending"], rows["target"]))


@measured("edit", "Goes on")
def goes_on(rows: pd.DataFrame) -> np.ndarray:
    """Free answers that begin with the target and end, or go on with the same word, as the unedited model behind it."""
    return same_beginning(rows["ending"], rows["before_ending"])


@measured("edit", "Ending entropy", bounds=(0.0, np.inf))
def ending_entropy(rows: pd.DataFrame) -> np.ndarray:
    """N-gram entropy of what follows the target in free answers (Meng et al. 2022), of at most 16 tokens."""
    return ngram_entropy(_texts(rows["ending"]))


@measured("edit", "Ending entropy before", bounds=(0.0, np.inf))
def ending_entropy_before(rows: pd.DataFrame) -> np.ndarray:
    """The same of what the unedited model writes behind the target, for the same edits."""
    return _paired(rows, ngram_entropy(_texts(rows["before_ending"])))


@measured("edit", "Ending NLL", direction="lower", bounds=(0.0, np.inf))
def ending_nll(rows: pd.DataFrame) -> np.ndarray:
    """Mean negative log-likelihood, by the unedited model, of what follows the target in free answers, nats a token."""
    return mean_nll_or_nan(rows["ending_nll"])


@measured("edit", "Ending NLL before", direction="lower", bounds=(0.0, np.inf))
def ending_nll_before(rows: pd.DataFrame) -> np.ndarray:
    """The same of what the unedited model writes behind the target, for the same edits."""
    return _paired(rows, mean_nll_or_nan(rows["before_ending_nll"]))


@measured("locality_near", "Loc near gold")
def loc_near_gold(rows: pd.DataFrame) -> np.ndarray:
    """Specificity near the edit: share of true answer tokens predicted."""
    return token_share(rows["predicted_tokens"], rows["target_tokens"])


@measured("locality_far", "Loc far gold")
def loc_far_gold(rows: pd.DataFrame) -> np.ndarray:
    """Specificity elsewhere: share of true answer tokens predicted."""
    return token_share(rows["predicted_tokens"], rows["target_tokens"])


def routed(rows: pd.DataFrame) -> np.ndarray:
    """1 where a memory answered, 0 where the unedited model did, NaN for editors that do not route."""
    return np.where(rows["score"].isna(), np.nan, rows["choice"] != MAIN)


@measured("edit", "Edit routed")
def rel_routed(rows: pd.DataFrame) -> np.ndarray:
    """Edit prompts that a memory answered, of editors that route."""
    return routed(rows)


@measured("paraphrase", "Paraphrase routed")
def gen_routed(rows: pd.DataFrame) -> np.ndarray:
    """Paraphrases that a memory answered, of editors that route."""
    return routed(rows)


@measured("locality_near", "Near routed", direction="lower")
def near_routed(rows: pd.DataFrame) -> np.ndarray:
    """Unrelated questions near the edit that a memory answered, of editors that route."""
    return routed(rows)


@measured("locality_far", "Far routed", direction="lower")
def far_routed(rows: pd.DataFrame) -> np.ndarray:
    """Unrelated questions elsewhere that a memory answered, of editors that route."""
    return routed(rows)


def retrieved(rows: pd.DataFrame) -> np.ndarray:
    """1 where the memory that holds the edit answered, 0 where another did, NaN for editors that do not route."""
    return np.where(rows["holder"].isna(), np.nan, rows["choice"] == rows["holder"])


@measured("edit", "Edit retrieved")
def rel_retrieved(rows: pd.DataFrame) -> np.ndarray:
    """Top-1 retrieval: edit prompts answered by the memory that holds the edit, of editors that route."""
    return retrieved(rows)


@measured("paraphrase", "Paraphrase retrieved")
def gen_retrieved(rows: pd.DataFrame) -> np.ndarray:
    """Top-1 retrieval: paraphrases answered by the memory that holds the edit, of editors that route."""
    return retrieved(rows)


def by_oracle(rows: pd.DataFrame) -> np.ndarray:
    """Token agreement of the memory that holds the edit with the target; NaN where no oracle was asked."""
    asked = rows["oracle_tokens"].notna()
    values = np.full(len(rows), np.nan)
    values[asked] = token_share(rows.loc[asked, "oracle_tokens"], rows.loc[asked, "target_tokens"])
    return values


@measured("edit", "Rel oracle")
def rel_oracle(rows: pd.DataFrame) -> np.ndarray:
    """Reliability of the memory that holds the edit, whatever the router says (Table 6)."""
    return by_oracle(rows)


@measured("paraphrase", "Gen oracle")
def gen_oracle(rows: pd.DataFrame) -> np.ndarray:
    """Generalization of the memory that holds the edit, whatever the router says (Table 6)."""
    return by_oracle(rows)


@derived("rel_oracle", "gen_oracle", title="Avg oracle")
def avg_oracle(rel: np.ndarray, gen: np.ndarray) -> np.ndarray:
    """Mean of rel_oracle, gen_oracle and 1: an oracle leaves unrelated questions to the unedited model."""
    return np.mean([rel, gen, np.ones_like(rel)], axis=0)


@measured("locality_far", "Far score", direction="lower", bounds=(-np.inf, np.inf))
def far_score(rows: pd.DataFrame) -> np.ndarray:
    """Routing score of unrelated questions elsewhere, of editors that route."""
    scores = pd.to_numeric(rows["score"]).to_numpy(float)
    return np.where(np.isfinite(scores), scores, np.nan)


@derived(
    "nll",
    title="PPL",
    direction="lower",
    bounds=(0.0, PERPLEXITY_CAP),
    role="headline",
    heading="PPL",
    words="perplexity of the target",
    stored=False,
)
def ppl(nll: np.ndarray) -> np.ndarray:
    """Perplexity of the edit's target, each example clipped to [0, 100]."""
    return clipped_perplexity(nll)
