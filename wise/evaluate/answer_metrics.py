"""Metrics of teacher-forced answers: agreement with the target, or with what the unedited model says."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wise.evaluate.competence import ABLE
from wise.evaluate.measures import (
    clipped_perplexity,
    exact_match,
    mean_nll,
    opinion_shift,
    sure_on_average,
    sure_share,
    token_share,
)
from wise.evaluate.metric_registry import derived, measured
from wise.records import OPPOSITE, OTHER_TOPIC, WANTED


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


@measured("locality_near", "Loc near gold")
def loc_near_gold(rows: pd.DataFrame) -> np.ndarray:
    """Specificity near the edit: share of true answer tokens predicted."""
    return token_share(rows["predicted_tokens"], rows["target_tokens"])


@measured("locality_far", "Loc far gold")
def loc_far_gold(rows: pd.DataFrame) -> np.ndarray:
    """Specificity elsewhere: share of true answer tokens predicted."""
    return token_share(rows["predicted_tokens"], rows["target_tokens"])


@derived(
    "nll",
    title="PPL",
    direction="lower",
    bounds=(1.0, np.inf),  # the clip is no end of its scale
    role="headline",
    heading="PPL",
    words="perplexity of the target",
    stored=False,
)
def ppl(nll: np.ndarray) -> np.ndarray:
    """Perplexity of the edit's target, each example clipped to [0, 100]."""
    return clipped_perplexity(nll)
