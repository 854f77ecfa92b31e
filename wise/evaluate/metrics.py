"""The registry of metrics: pure functions of what a model said, each with direction, bounds and version.

A *measured* metric reads the questions of one kind in a transcript and gives one value a question; a
*derived* one combines other metrics of the same edit. All are computed without a model. To add one,
write its function and append it to `_ALL`; raise `version` when its numbers change.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from wise.errors import unknown

SURE = 0.8
"""Probability above which a token of out-of-distribution text counts as known (paper, section 3.1 and Eq. 10)."""

PERPLEXITY_CAP = 100.0
"""The paper's perplexities are means of values clipped to [0, 100]."""


@dataclass(frozen=True)
class Metric:
    """What a number is called and means; `direction` is "higher" or "lower", whichever is better."""

    name: str
    title: str
    description: str
    direction: str = "higher"
    bounds: tuple[float, float] = (0.0, 1.0)
    version: int = 1


@dataclass(frozen=True, kw_only=True)
class Measured(Metric):
    """A metric of each question of one `kind`: `measure(rows)` maps n transcript rows to n values.

    NaN means that the question was not asked that way (nothing was generated); it gives no score.
    `by_name` averages within the sub-kinds of probes first, then over the sub-kinds.
    """

    kind: str
    measure: Callable[[pd.DataFrame], np.ndarray]
    by_name: bool = False


@dataclass(frozen=True, kw_only=True)
class Derived(Metric):
    """A metric of one edit computed from other metrics of it; only edits that have all `parts` have it."""

    parts: tuple[str, ...]
    combine: Callable[..., np.ndarray]


def token_share(answered: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> np.ndarray:
    """Share of equal tokens of each example: `sum_j [a_j == e_j] / |e|`, shape (n,).

    Teacher forced, as in the paper's tables. Raises `ValueError` when lengths differ or are zero.
    """
    left, lengths = _flat(answered)
    right, expected_lengths = _flat(expected)
    if not np.array_equal(lengths, expected_lengths):
        raise ValueError("answered and expected tokens differ in number")
    return _means(left == right, lengths)


def exact_match(answered: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> np.ndarray:
    """1 where every token is equal, otherwise 0 (paper, Eq. 9), shape (n,)."""
    return (token_share(answered, expected) == 1.0).astype(float)


def mean_nll(nll: Sequence[np.ndarray]) -> np.ndarray:
    """Mean negative log-likelihood of each example in nats a token, shape (n,); NaN counts as infinite."""
    values, lengths = _flat(nll)
    return _means(_nan_to_inf(values), lengths)


def sure_share(nll: Sequence[np.ndarray]) -> np.ndarray:
    """Share of tokens with probability `exp(-nll) > 0.8`, shape (n,); a NaN counts as not known."""
    values, lengths = _flat(nll)
    return _means(np.exp(-_nan_to_inf(values)) > SURE, lengths)


def sure_on_average(nll: Sequence[np.ndarray]) -> np.ndarray:
    """1 where the mean negative log-likelihood is below `-log 0.8`, otherwise 0 (paper, Eq. 10), shape (n,)."""
    return (mean_nll(nll) < -np.log(SURE)).astype(float)


def normalise(text: str) -> str:
    """Text without differences of case, white space and trailing punctuation, for comparing free answers."""
    plain = " ".join(text.casefold().split())
    return plain.rstrip(string.punctuation + " ") or plain


def generated_exact(generated: Iterable[str | None], target: Iterable[str]) -> np.ndarray:
    """1 where the free answer is the target after `normalise`, otherwise 0; NaN where none was generated."""
    return _compare_text(generated, target, lambda answer, wanted: answer == wanted)


def generated_contains(generated: Iterable[str | None], target: Iterable[str]) -> np.ndarray:
    """1 where the free answer contains the target as whole words, otherwise 0; NaN where none was generated."""
    return _compare_text(generated, target, lambda answer, wanted: f" {_words(wanted)} " in f" {_words(answer)} ")


def perplexity(nll: np.ndarray) -> np.ndarray:
    """`exp(mean nll)` of each example; a NaN or an overflow becomes +inf, for the callers to count."""
    with np.errstate(over="ignore"):
        return np.exp(_nan_to_inf(np.asarray(nll, dtype=float)))


def clipped_perplexity(nll: np.ndarray) -> np.ndarray:
    """Perplexity of each example clipped to [0, 100] as in the paper; what is not finite becomes 100."""
    return np.clip(perplexity(nll), 0.0, PERPLEXITY_CAP)


PERPLEXITY_AGGREGATES: dict[str, Callable[[np.ndarray], float]] = {
    "raw": lambda nll: float(np.mean(perplexity(nll))),
    "clipped": lambda nll: float(np.mean(clipped_perplexity(nll))),
    "median": lambda nll: float(np.median(perplexity(nll))),
    "geometric": lambda nll: float(perplexity(np.mean(_nan_to_inf(np.asarray(nll, dtype=float))))),
}
"""Ways to average the perplexity of n examples, each a function of their mean NLL, shape (n,).

`raw` and `geometric` are +inf as soon as one example is; tables give the number of such examples beside them.
"""


def get_metric(name: str) -> Metric:
    """The registered metric of that name; an unknown one raises `ConfigError` with the valid choices."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name]


def _flat(column: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All values in a row and the length of each example; empty or missing examples raise `ValueError`."""
    cells = list(column)
    if any(cell is None or len(cell) == 0 for cell in cells):
        raise ValueError("an example holds no tokens")
    lengths = np.fromiter(map(len, cells), dtype=np.int64, count=len(cells))
    return (np.concatenate(cells) if cells else np.empty(0)), lengths


def _means(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    if len(lengths) == 0:
        return np.empty(0)
    starts = np.cumsum(lengths) - lengths
    return np.add.reduceat(values.astype(float), starts) / lengths


def _nan_to_inf(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), np.inf, values)


def _words(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())


def _compare_text(
    generated: Iterable[str | None], target: Iterable[str], same: Callable[[str, str], bool]
) -> np.ndarray:
    return np.array(
        [
            float(same(normalise(answer), normalise(wanted))) if isinstance(answer, str) else np.nan
            for answer, wanted in zip(generated, target, strict=True)
        ],
        dtype=float,
    )


def _against_target(rows: pd.DataFrame) -> np.ndarray:
    return token_share(rows["predicted_tokens"], rows["target_tokens"])


def _exactly_target(rows: pd.DataFrame) -> np.ndarray:
    return exact_match(rows["predicted_tokens"], rows["target_tokens"])


def _against_before(rows: pd.DataFrame) -> np.ndarray:
    return token_share(rows["predicted_tokens"], rows["before_tokens"])


def _mean_of(*parts: np.ndarray) -> np.ndarray:
    return np.mean(parts, axis=0)


_ALL: tuple[Metric, ...] = (
    Measured("rel", "Rel", "Reliability: share of target tokens predicted for the edit prompt, teacher forced.",
             kind="edit", measure=_against_target),
    Measured("gen", "Gen", "Generalization: share of target tokens predicted for paraphrases, teacher forced.",
             kind="paraphrase", measure=_against_target),
    Measured("loc_near", "Loc near", "Locality near the edit: share of answer positions predicted as before the edit.",
             kind="locality_near", measure=_against_before),
    Measured("loc_far", "Loc far", "Locality elsewhere: share of answer positions predicted as before the edit.",
             kind="locality_far", measure=_against_before),
    Derived("avg", "Avg", "Mean of rel, gen and loc_far of the same edit.",
            parts=("rel", "gen", "loc_far"), combine=_mean_of),
    Measured("port", "Port", "Portability: share of target tokens predicted where the answer follows from the edit.",
             kind="portability", measure=_against_target, by_name=True),
    Measured("rel_exact", "Rel exact", "Edit prompts whose target tokens are all predicted, teacher forced (Eq. 9).",
             kind="edit", measure=_exactly_target),
    Measured("gen_exact", "Gen exact", "Paraphrases whose target tokens are all predicted, teacher forced.",
             kind="paraphrase", measure=_exactly_target),
    Measured("loc_near_gold", "Loc near gold", "Specificity near the edit: share of true answer tokens predicted.",
             kind="locality_near", measure=_against_target),
    Measured("loc_far_gold", "Loc far gold", "Specificity elsewhere: share of true answer tokens predicted.",
             kind="locality_far", measure=_against_target),
    Measured("rel_generated", "Rel generated", "Free greedy answers to the edit prompt that equal the target.",
             kind="edit", measure=lambda rows: generated_exact(rows["generated"], rows["target"])),
    Measured("rel_contains", "Rel contains", "Free greedy answers to the edit prompt that contain the target.",
             kind="edit", measure=lambda rows: generated_contains(rows["generated"], rows["target"])),
    Measured("nll", "NLL", "Mean negative log-likelihood of the edit's target, nats a token.", "lower", (0.0, np.inf),
             kind="edit", measure=lambda rows: mean_nll(rows["nll"])),
    Measured("ood", "OOD", "Share of out-of-distribution tokens about the edited fact with probability above 0.8.",
             kind="ood", measure=lambda rows: sure_share(rows["nll"])),
    Measured("ood_exact", "OOD exact", "Out-of-distribution texts whose mean NLL is below -log 0.8 (Eq. 10).",
             kind="ood", measure=lambda rows: sure_on_average(rows["nll"])),
    Derived("ppl", "PPL", "Perplexity of the edit's target, each example clipped to [0, 100].",
            "lower", (0.0, PERPLEXITY_CAP), parts=("nll",), combine=clipped_perplexity),
    Derived("avg_ood", "Avg OOD", "Mean of rel, ood and loc_far of the same edit.",
            parts=("rel", "ood", "loc_far"), combine=_mean_of),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""Every metric by name, in the order in which tables list them."""
