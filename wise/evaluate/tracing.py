"""Causal tracing: which states of a prompt carry the answer (Meng et al. 2022, "Locating and Editing Factual
Associations in GPT", section 2).

The subject's embeddings are disturbed by noise, so that the model forgets the answer. Then one state is put back as it
was, and the probability of the answer that comes back with it is its indirect effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from wise.lm.architectures import find_site
from wise.lm.batch import encode, encode_prompts, tokenize
from wise.lm.load import LanguageModel
from wise.records import EditRecord
from wise.seeds import generator

KINDS = ("state", "ffn")
"""What is put back at a layer: the state behind it, or what its FFN adds."""
TOKENS = ("subject_last", "prompt_last")
"""Where it is put back: at the last token of the subject, or of the prompt."""


@dataclass(frozen=True)
class Known:
    """A prompt that the model answers: its tokens, those of the subject, and the first token of the answer."""

    record: str
    ids: tuple[int, ...]
    subject: tuple[int, ...]
    answer: int

    def position(self, token: str) -> int:
        """Where one of `TOKENS` is."""
        return self.subject[-1] if token == "subject_last" else len(self.ids) - 1


def known(lm: LanguageModel, records: Sequence[EditRecord], count: int) -> list[Known]:
    """The first `count` prompts that name their subject and whose true answer the model gives.

    Where a record does not say what was true before the edit, the model's own answer is taken.
    """
    found: list[Known] = []
    for record in records:
        item = _known(lm, record)
        if item is not None:
            found.append(item)
        if len(found) == count:
            break
    return found


def trace(lm: LanguageModel, items: Sequence[Known], noise: float, samples: int, seed: int) -> list[dict[str, Any]]:
    """One row for each prompt, kind, token and layer: `total` and indirect `effect`, means over `samples` of the noise.

    `noise` is in standard deviations of the subjects' embeddings (3 as published). Effects are probabilities.
    """
    embedding = lm.model.get_input_embeddings()
    subjects = torch.tensor([item.ids[place] for item in items for place in item.subject], device=lm.device)
    with torch.inference_mode():
        spread = noise * embedding(subjects).float().std()
    layers = range(len(find_site(lm.model, 0).blocks))
    restored = list(product(KINDS, TOKENS, layers))
    rows = []
    for number, item in enumerate(items):
        effects, totals = [], []
        for sample in range(samples):
            draw = generator(seed, "tracing", number, sample)
            width = embedding(subjects[:1]).shape[-1]
            drawn = torch.randn(len(item.subject), width, generator=draw, device=draw.device)
            clean, corrupted, back = _probabilities(lm, item, spread * drawn.to(lm.device), restored)
            effects.append(back - corrupted)
            totals.append(clean - corrupted)
        means, total = torch.stack(effects).mean(0).tolist(), float(torch.stack(totals).mean())
        for (kind, token, layer), effect in zip(restored, means, strict=True):
            rows.append({"record": item.record, "kind": kind, "token": token, "layer": layer, "effect": effect,
                         "total": total})  # fmt: skip
    return rows


def _known(lm: LanguageModel, record: EditRecord) -> Known | None:
    place = record.prompt.rfind(record.subject) if record.subject.strip() else -1
    if place < 0:
        return None
    ids, places = next(tokenize(lm, [record.prompt]))
    end = place + len(record.subject)
    subject = tuple(i for i, (start, stop) in enumerate(places) if start < stop and start < end and stop > place)
    with torch.inference_mode():
        hidden = lm.model.base_model(input_ids=torch.tensor([ids], device=lm.device), use_cache=False)
        answer = int(lm.logits(hidden.last_hidden_state[0, -1:]).argmax())
    if record.original and encode(lm, [record.prompt], [record.original])[0].target[0] != answer:
        return None
    return Known(record.id, encode_prompts(lm, [record.prompt])[0].ids, subject, answer) if subject else None


def _probabilities(
    lm: LanguageModel, item: Known, noise: Tensor, restored: Sequence[tuple[str, str, int]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Probability of the answer: clean (), with `noise` (S, d) on the subject (), and with each state back (R,).

    One forward pass: row 0 is clean, row 1 corrupted, the others have one state of row 0.
    """
    rows = torch.tensor(item.ids, device=lm.device).expand(2 + len(restored), -1)  # (2 + R, L)
    with ExitStack() as hooks:
        hooks.enter_context(_changing(lm.model.get_input_embeddings(), _disturbed(item.subject, noise)))
        for layer in sorted({layer for _, _, layer in restored}):
            site = find_site(lm.model, layer)
            for kind, module in zip(KINDS, (site.block, site.module), strict=True):
                places = [
                    (row, item.position(token))
                    for row, (what, token, where) in enumerate(restored, start=2)
                    if (what, where) == (kind, layer)
                ]
                hooks.enter_context(_changing(module, _put_back(places)))
        with torch.inference_mode():
            hidden = lm.model.base_model(input_ids=rows, use_cache=False).last_hidden_state  # (2 + R, L, d)
            chances = lm.logits(hidden[:, -1]).float().softmax(-1)[:, item.answer]  # (2 + R, d) x (d, V)
    return chances[0], chances[1], chances[2:]


def _disturbed(subject: Sequence[int], noise: Tensor) -> Callable[[Tensor], None]:
    def change(states: Tensor) -> None:
        states[1:, list(subject)] += noise.to(states)

    return change


def _put_back(places: Sequence[tuple[int, int]]) -> Callable[[Tensor], None]:
    def change(states: Tensor) -> None:
        for row, position in places:
            states[row, position] = states[0, position]

    return change


@contextmanager
def _changing(module: nn.Module, change: Callable[[Tensor], None]) -> Iterator[None]:
    """While it is open, what the module gives (a tensor, or a tuple that begins with one) is changed."""

    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        states = (output[0] if isinstance(output, tuple) else output).clone()
        change(states)
        return (states, *output[1:]) if isinstance(output, tuple) else states

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
