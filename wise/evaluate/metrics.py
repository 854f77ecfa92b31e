"""The registry of metrics: each one function with its title, direction, bounds, version and place in tables.

A *measured* metric reads the questions of one kind in a transcript and gives one value a question; a *derived* one
combines other metrics of the same edit. All are computed without a model. A new metric is one decorated function, whose
name is the metric's and whose docstring describes it; its place in its module is its place in tables, behind the
modules that are imported here before it. Raise `version` when its numbers change.
"""

from __future__ import annotations

from wise.evaluate import answer_metrics, free_metrics, routing_metrics  # in the order of tables
from wise.evaluate.metric_registry import METRICS, Derived, Measured, Metric, derived, get_metric, measured
from wise.evaluate.routing_metrics import MAIN

__all__ = [
    "MAIN",
    "METRICS",
    "Derived",
    "Measured",
    "Metric",
    "answer_metrics",
    "derived",
    "free_metrics",
    "get_metric",
    "measured",
    "routing_metrics",
]
