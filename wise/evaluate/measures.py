"""What metrics are computed by: pure functions of tokens, likelihoods and free answers, one value an example."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

SURE = 0.8
"""Probability above which a token of out-of-distribution text counts as known (paper, section 3.1 and Eq. 10)."""

PERPLEXITY_CAP = 100.0
"""The paper's perplexities are means of values clipped to [0, 100]."""


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


def opinion_shift(wanted: np.ndarray, opposite: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Edit success of opinions, shape (n,): `sigmoid(w - o) * min(1, exp(w - b))`, from mean token log-probabilities.

    w and o are those of answers of the wanted and of the opposite polarity after the edit, b those of the wanted ones
    by the unedited model (Mitchell et al. 2022, section 5.1). 0 where both became impossible.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        value = np.minimum(1.0, np.exp(wanted - before)) / (1.0 + np.exp(opposite - wanted))
    return np.where(np.isnan(value), 0.0, value)


def ngram_entropy(texts: Iterable[str]) -> np.ndarray:
    """Fluency of each text, shape (n,): `100 (2/3 H_2 + 4/3 H_3) / 2`, H_k the entropy of its k-grams of words in bits.

    As in ROME (Meng et al. 2022, section 3.4), whose code takes the mean of both terms: repetition lowers it. NaN for
    a text of fewer than three words.
    """
    return np.array([_weighted_entropy(_words(text).split()) for text in texts], dtype=float)


def _weighted_entropy(words: Sequence[str]) -> float:
    if len(words) < 3:
        return np.nan
    total = 0.0
    for size, weight in ((2, 1 / 3), (3, 2 / 3)):  # ROME's 2/3 and 4/3, halved by the mean
        _, counts = np.unique([" ".join(words[i : i + size]) for i in range(len(words) - size + 1)], return_counts=True)
        share = counts / counts.sum()
        total -= weight * float((share * np.log2(share)).sum())
    return 100.0 * total


STOPS = ".\n"
"""What ends an answer beside the model's end token, as in "The Mirage of Model Editing" (Yang et al. 2025)."""


def ends(text: Iterable[str | None], stopped: Iterable[bool | None]) -> np.ndarray:
    """1 where the text `stopped` with an end token or has one of `STOPS`, otherwise 0; NaN where there is none."""
    return _of_texts(text, (bool(stop) for stop in stopped), lambda t, stop: stop or any(c in t for c in STOPS))


def said_again(text: Iterable[str | None], target: Iterable[str]) -> np.ndarray:
    """1 where the text has the target's last word, otherwise 0; NaN where there is no text."""
    return _of_texts(text, target, lambda t, wanted: bool(set(_words(t).split()) & set(_words(wanted).split()[-1:])))


def same_beginning(text: Iterable[str | None], other: Iterable[str | None]) -> np.ndarray:
    """1 where both begin with the same word or mark, or both are empty, otherwise 0; NaN where one is missing."""
    return _of_texts(text, other, lambda t, wanted: _first(t) == _first(wanted))


def mean_nll_or_nan(nll: Iterable[Sequence[float] | None]) -> np.ndarray:
    """Mean negative log-likelihood of each example in nats a token, shape (n,); NaN where it has none."""
    return np.array([np.nan if losses is None or len(losses) == 0 else np.mean(losses) for losses in nll], dtype=float)


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
    "geometric": lambda nll: float(perplexity(np.asarray(np.mean(_nan_to_inf(np.asarray(nll, dtype=float)))))),
}
"""Ways to average the perplexity of n examples, each a function of their mean NLL, shape (n,).

`raw` and `geometric` are +inf as soon as one example is; tables give the number of such examples beside them.
"""


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


def _first(text: str) -> str:
    found = re.match(r"\w+|[^\w\s]", text.strip())
    return found.group() if found else ""


def _of_texts(texts: Iterable[str | None], others: Iterable[Any], value: Callable[[str, Any], bool]) -> np.ndarray:
    """`value` of each pair, shape (n,); NaN where one of them is missing, which a file gives back as None or NaN."""
    found = [
        float(value(text, other)) if isinstance(text, str) and isinstance(other, str | bool) else np.nan
        for text, other in zip(texts, others, strict=True)
    ]
    return np.array(found, dtype=float)


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
