"""Which protocol a number follows: how the model was asked, when, and how its answer was scored.

Numbers of one name are not comparable across papers: see docs/metrics.md#why-does-my-94-read-24.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORCED, GENERATED, ROUTER = "teacher forced", "free generation", "routing decision"

RETENTION, IMMEDIATE = "retention", "immediate"
"""Asked behind the last of T edits, or of each edit right behind itself."""

COLUMNS = ("protocol", "moment", "scorer", "max_new_tokens", "stop", "kv_cache")
"""What is said beside every number; the last three of free answers only."""

ENDINGS = "what follows the target"
FLUENCY = "n-gram entropy of a longer text"

SCORERS = {
    "token agreement with the target": (
        "rel",
        "gen",
        "port",
        "loc_near_gold",
        "loc_far_gold",
        "rel_oracle",
        "gen_oracle",
    ),
    "all tokens agree with the target": ("rel_exact", "gen_exact"),
    "token agreement with the unedited model": ("loc_far", "loc_near", "loc_topic"),
    "all tokens agree with the unedited model": ("loc_exact", "loc_near_exact"),
    "answer equals target, normalised": ("rel_generated",),
    "answer contains target, normalised": ("rel_contains",),
    ENDINGS: (
        "stops",
        "stops_before",
        "repeats",
        "repeats_before",
        "goes_on",
        "ending_entropy",
        "ending_entropy_before",
        "ending_nll",
        "ending_nll_before",
    ),
    FLUENCY: ("fluency",),
    "likelihood of the target": ("nll", "ppl", "ood", "ood_exact", "es"),
    "mean of the scores": ("avg", "avg_ood", "avg_oracle"),
    "memory answers": ("rel_routed", "gen_routed", "near_routed", "far_routed"),
    "memory of the edit answers": ("rel_retrieved", "gen_retrieved"),
}
"""Ways to score an answer, and the metrics that do; one that is not here has a scorer of its own."""

_SCORER = {metric: scorer for scorer, metrics in SCORERS.items() for metric in metrics}
_PROTOCOL = dict.fromkeys(("rel_generated", "rel_contains", *SCORERS[ENDINGS], *SCORERS[FLUENCY]), GENERATED)
_PROTOCOL |= dict.fromkeys((*SCORERS["memory answers"], *SCORERS["memory of the edit answers"], "far_score"), ROUTER)


def protocol_of(metric: str) -> str:
    """How the model was asked for a metric."""
    return _PROTOCOL.get(metric, FORCED)


def described(metric: str, generation: Mapping[str, Any] | None, moment: str = RETENTION) -> dict[str, Any]:
    """The `COLUMNS` of a number; `generation` is what the run record says of free answers, None without any."""
    free = dict(generation or {}) if protocol_of(metric) == GENERATED else {}
    if free and metric in SCORERS[ENDINGS]:
        free |= {"max_new_tokens": f"target + {free['ending_tokens']}"}
    if free and metric in SCORERS[FLUENCY]:
        free |= {"max_new_tokens": f"{free['text_tokens']}", "stop": "never"}
    said = {"protocol": protocol_of(metric), "moment": moment, "scorer": _SCORER.get(metric, metric)}
    return said | {name: free.get(name, "") for name in COLUMNS[3:]}
