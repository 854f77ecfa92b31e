"""Metrics of what the model writes freely: its answers, what follows the target in them, and longer texts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wise.evaluate.measures import (
    ends,
    generated_contains,
    generated_exact,
    mean_nll_or_nan,
    ngram_entropy,
    said_again,
    same_beginning,
)
from wise.evaluate.metric_registry import measured


def _paired(rows: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """Values of the unedited model, for edits whose free answer begins with the target."""
    return np.where(rows["ending"].isna(), np.nan, values)


def _texts(column: pd.Series) -> list[str]:
    return [text if isinstance(text, str) else "" for text in column]


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


@measured("edit", "Fluency", bounds=(0.0, np.inf))
def fluency(rows: pd.DataFrame) -> np.ndarray:
    """N-gram entropy (Meng et al. 2022) of 100 tokens written freely behind the edit prompt, whatever ends in them."""
    entropy = np.nan_to_num(ngram_entropy(_texts(rows["longer"])))  # 0 for a model that writes no words any more
    return np.where(rows["longer"].isna(), np.nan, entropy)


@measured("edit", "Ending entropy", bounds=(0.0, np.inf), version=2)
def ending_entropy(rows: pd.DataFrame) -> np.ndarray:
    """N-gram entropy of what follows the target in free answers (Meng et al. 2022), of at most 16 tokens."""
    return ngram_entropy(_texts(rows["ending"]))


@measured("edit", "Ending entropy before", bounds=(0.0, np.inf), version=2)
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
