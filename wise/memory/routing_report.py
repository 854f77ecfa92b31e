"""Which memory answers a prompt, by the router of the editor that is attached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from wise.editors.base import Editor
from wise.editors.decision import MAIN, Reading, memory_name
from wise.lm.batch import encode_prompts


@dataclass(frozen=True)
class Route:
    """`memory` is "main" or "side 1", "side 2", ...; the latter where `score` reaches `threshold`.

    All are None for an editor without a router, whose memory answers everything.
    """

    memory: str | None = None
    score: float | None = None
    threshold: float | None = None


def routes(editor: Editor, prompts: Sequence[str], batch_size: int = 64) -> list[Route]:
    """The decision on each prompt, as generation makes it when it has read the prompt.

    Raises `DataError` for an empty prompt.
    """
    found: list[Route] = []
    for first in range(0, len(prompts), batch_size):
        frozen = editor.frozen(encode_prompts(editor.lm, prompts[first : first + batch_size]))
        with torch.inference_mode():
            routing = editor.decide(Reading.of(frozen))
        if routing is None:
            found += [Route()] * len(frozen.batch.start)
            continue
        columns = routing.choice.tolist(), routing.score.tolist(), routing.threshold.tolist()
        for choice, score, threshold in zip(*columns, strict=True):
            found.append(Route(memory_name(choice), score, threshold))
    return found


def inventory(editor: Editor, batch_size: int = 64) -> list[dict]:
    """The memories that answer the edits made so far, each with its threshold and how many edits it answers.

    Told by the router itself: an edit whose prompt no longer reaches its memory counts under "main". Empty
    for an editor without a router or without edits.
    """
    memories: dict[str, dict] = {}
    for route in routes(editor, [record.prompt for record in editor.edits], batch_size):
        if route.memory is None:
            return []
        threshold = route.threshold
        if route.memory == MAIN or threshold is None or not math.isfinite(threshold):
            threshold = None
        entry = {"memory": route.memory, "edits": 0, "threshold": threshold}
        memories.setdefault(route.memory, entry)["edits"] += 1
    return sorted(memories.values(), key=lambda entry: (len(entry["memory"]), entry["memory"]))  # main, side 1, side 2
