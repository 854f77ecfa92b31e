"""What an editor costs: parameters, memory, seconds an edit, and the slow-down of inference against T.

Each question is asked of the edited and of the unedited model in turn, in the same process, until the ratio of their
times is known well enough. Operations are counted beside seconds, since no other process disturbs a count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from torch.utils.flop_counter import FlopCounterMode

from wise.editors.base import Editor
from wise.evaluate.statistics import median_interval
from wise.lm.generate import answer_of_length
from wise.lm.peak_memory import peak_memory, start_peak
from wise.records import EditRecord

NEW_TOKENS = 8
PROMPTS = 8
FEWEST = 24
"""Pairs before the interval of their median is looked at."""


@dataclass(frozen=True)
class Precision:
    """When enough was timed: the 95% interval of the ratio has at most this `half_width`, or `seconds` have passed."""

    half_width: float = 0.02
    seconds: float = 60.0


def measure_overhead(
    editor: Editor, stream: Sequence[EditRecord], grid: Sequence[int], precision: Precision = Precision()
) -> list[dict[str, Any]]:
    """One row for each T of `grid`: cost after the first T edits of `stream`.

    Inference is a free answer of a fixed number of tokens to one prompt at a time, half of the prompts edited ones and
    half unrelated ones. `inference_ratio` is the median over pairs of edited and unedited answers, with its interval.
    """
    rows, seconds = [], 0.0
    asked = [record.prompt for record in stream[: PROMPTS // 2]]
    asked += [record.unrelated_prompt or record.prompt for record in stream[: PROMPTS - len(asked)]]
    model = list(editor.lm.model.parameters())
    parameters, model_bytes = sum(p.numel() for p in model), sum(p.nbytes for p in model)
    editor.rollback()
    start_peak(editor.lm.device)
    for T in sorted(grid):
        seconds += _seconds(partial(editor.edit_all, stream[len(editor.edits) : T]))
        peak = peak_memory(editor.lm.device)
        edited, unedited = _alternate(editor, asked, precision)
        ratio = median_interval(edited / unedited)
        operations = [_operations(editor, asked, own) for own in (True, False)]
        rows.append(
            {
                "editor": editor.name,
                "T": T,
                "extra_parameters": editor.extra_parameters(),
                "extra_parameters_ratio": editor.extra_parameters() / parameters,
                "memory_bytes": editor.memory_bytes(),
                "memory_ratio": editor.memory_bytes() / model_bytes,
                "peak_memory_bytes": peak,
                "edit_seconds": seconds / T,
                "inference_seconds": float(np.median(edited)),
                "inference_ratio": ratio.mean,
                "inference_ratio_low": ratio.low,
                "inference_ratio_high": ratio.high,
                "inference_pairs": len(edited),
                "inference_precise": bool(ratio.high - ratio.low <= 2 * precision.half_width),
                "operations": operations[0],
                "operations_ratio": operations[0] / operations[1],
            }
        )
    editor.rollback()
    return rows


def _alternate(editor: Editor, prompts: Sequence[str], precision: Precision) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of the same answers, (pairs,) each, of the edited and of the unedited model, who begins in turn."""
    edited, unedited = [], []
    answer_of_length(editor.lm, prompts[0], NEW_TOKENS)  # the first call warms caches up and is not counted
    started = time.perf_counter()
    for index, prompt in enumerate(cycle(prompts)):
        pair = [_timed(editor, prompt, own) for own in ((True, False) if index % 2 else (False, True))]
        first, second = pair if index % 2 else pair[::-1]
        edited.append(first)
        unedited.append(second)
        whole = (index + 1) % len(prompts) == 0 and index + 1 >= FEWEST  # every prompt as often as the others
        if whole and _enough(np.array(edited) / np.array(unedited), time.perf_counter() - started, precision):
            break
    return np.array(edited), np.array(unedited)


def _enough(ratios: np.ndarray, elapsed: float, precision: Precision) -> bool:
    found = median_interval(ratios)
    return found.high - found.low <= 2 * precision.half_width or elapsed >= precision.seconds


def _timed(editor: Editor, prompt: str, own: bool) -> float:
    """Seconds of one answer of the edited model (`own`) or of the unedited one."""
    if own:
        return _seconds(partial(answer_of_length, editor.lm, prompt, NEW_TOKENS))
    with editor.unedited():
        return _seconds(partial(answer_of_length, editor.lm, prompt, NEW_TOKENS))


def _operations(editor: Editor, prompts: Sequence[str], own: bool) -> int:
    """Floating-point operations of matrix products in answers to all prompts: 2 for a multiply and add."""
    with FlopCounterMode(display=False) as counter:
        for prompt in prompts:
            _timed(editor, prompt, own)
    return counter.get_total_flops()


def _seconds(call: Callable[[], Any]) -> float:
    """Seconds of a call. A greedy answer ends with reading its tokens, so that a GPU is done by then."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
