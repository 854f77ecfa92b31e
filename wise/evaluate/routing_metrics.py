"""Metrics of the routing decision: which memory answered, whether it holds the edit, and what it would have said."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wise.evaluate.measures import token_share
from wise.evaluate.metric_registry import derived, measured

MAIN = "main"
"""What a transcript calls the unedited model, where a memory could have answered."""


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
