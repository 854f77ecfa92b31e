"""What an editor costs: parameters, memory, seconds an edit, and the slow-down of inference against T.

Times are taken alternating with the unedited model in the same process, and stated as ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from wise.editors.base import Editor
from wise.lm.generate import generate_answers
from wise.lm.peak_memory import peak_memory, start_peak
from wise.records import EditRecord

NEW_TOKENS = 8


def measure_overhead(
    editor: Editor, stream: Sequence[EditRecord], grid: Sequence[int], prompts: int = 8, repeats: int = 5
) -> list[dict[str, Any]]:
    """One row for each T of `grid`: cost after the first T edits of `stream`.

    Inference is a free answer of a fixed number of tokens to one prompt at a time, half of the prompts
    edited ones and half unrelated ones, `repeats` times on the edited and the unedited model in turn.
    """
    rows, seconds = [], 0.0
    asked = [record.prompt for record in stream[: prompts // 2]]
    asked += [record.unrelated_prompt or record.prompt for record in stream[: prompts - len(asked)]]
    parameters = sum(p.numel() for p in editor.lm.model.parameters())
    editor.rollback()
    start_peak(editor.lm.device)
    for T in sorted(grid):
        seconds += _seconds(partial(editor.edit_all, stream[len(editor.edits) : T]))
        peak = peak_memory(editor.lm.device)
        edited, unedited = _alternate(editor, asked, repeats)
        ratios = edited / unedited
        low, high = np.quantile(ratios, [0.1, 0.9])
        rows.append(
            {
                "editor": editor.name,
                "T": T,
                "extra_parameters": editor.extra_parameters(),
                "extra_parameters_ratio": editor.extra_parameters() / parameters,
                "memory_bytes": editor.memory_bytes(),
                "peak_memory_bytes": peak,
                "edit_seconds": seconds / T,
                "inference_seconds": float(np.median(edited)),
                "inference_ratio": float(np.median(ratios)),
                "inference_ratio_low": float(low),
                "inference_ratio_high": float(high),
            }
        )
    editor.rollback()
    return rows


def _alternate(editor: Editor, prompts: Sequence[str], repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds per prompt, (prompts * repeats,) each, of the edited and of the unedited model."""

    def answer(prompt: str) -> float:
        return _seconds(lambda: generate_answers(editor.lm, [prompt], NEW_TOKENS))

    edited, unedited = [], []
    answer(prompts[0])  # the first call warms caches up and is not counted
    for _ in range(repeats):
        for prompt in prompts:
            edited.append(answer(prompt))
            with editor.unedited():
                unedited.append(answer(prompt))
    return np.array(edited), np.array(unedited)


def _seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
