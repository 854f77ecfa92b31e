"""The prompts that `generate` is given, taken apart row by row so that some can be asked of another model."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from transformers import GenerationConfig, GenerationMixin
from transformers.generation.streamers import BaseStreamer

from wise.editors.mechanisms.model_methods import refuse_packing
from wise.errors import ConfigError
from wise.lm.load import LanguageModel

REFUSED = {
    "inputs_embeds": "prompts are rewritten as tokens: give input_ids",
    "past_key_values": "a rewritten prompt has another cache: give the whole text and no past_key_values",
    "return_dict_in_generate": "rewritten prompts have other scores and caches: leave it out",
    "prefill_chunk_size": "the edit is chosen at the end of the prompt: leave it out",
}
"""Options of `generate` that make no sense for prompts that are rewritten, and what to do."""

LENGTHS = ("max_length", "min_length")
"""Options that count the prompt's tokens."""

SIGNATURE = inspect.signature(cast(Any, GenerationMixin).generate)
"""What `generate` takes; a model that something is wrapped around does not say."""


@dataclass(frozen=True)
class Prompts:
    """`ids`, `mask` (B, L) padded on either side; `pad` fills up answers; `options` is everything else.

    What `options` leave open stands in `own`, the generation config of the model that is asked.
    """

    editor: str
    ids: Tensor
    mask: Tensor
    pad: int
    options: Mapping[str, Any]
    own: GenerationConfig

    @classmethod
    def of(cls, editor: str, lm: LanguageModel, args: tuple, kwargs: Mapping[str, Any]) -> Prompts:
        """From the arguments of `generate`; raises `ConfigError` for those that cannot be rewritten."""
        bound = SIGNATURE.bind_partial(lm.model, *args, **kwargs).arguments
        options = {key: value for key, value in bound.items() if key not in ("self", "kwargs")}
        options |= bound.get("kwargs", {})
        own = lm.model.generation_config
        for key, advice in REFUSED.items():
            value = setting(options, own, key)
            if value is not None and value is not False:
                raise ConfigError(f"{editor}: generate() cannot take {key} here, {advice}")
        if options.get("cache_implementation") == "paged":
            refuse_packing(editor)
        named = options.pop("input_ids", None)
        ids = options.pop("inputs", named)
        if ids is None:
            raise ConfigError(f"{editor}: generate() needs input_ids, the prompt that is routed")
        mask = options.pop("attention_mask", None)
        pad, end = setting(options, own, "pad_token_id"), setting(options, own, "eos_token_id")
        if mask is None:
            mask = inferred_mask(ids, pad, end)
        if isinstance(pad, Tensor) or pad is None:
            pad = lm.pad
        return cls(editor, ids, mask, int(pad), options, own)

    def rows(self) -> list[tuple[int, ...]]:
        """Each prompt's tokens without padding."""
        pairs = zip(self.ids, self.mask.bool(), strict=True)
        return [tuple(ids[real].tolist()) for ids, real in pairs]

    def continued(self, lm: LanguageModel, rows: list[int], ids: Tensor, mask: Tensor) -> dict[int, Tensor]:
        """What `lm` writes behind `ids` (R, L'), which stand for the prompts in `rows`: (returned, new) of each.

        Raises `ConfigError` where a streamer would get several prompts one after the other.
        """
        options = self._lengthened(ids.shape[1] - self.ids.shape[1])
        if options.get("prefix_allowed_tokens_fn") is not None:
            options["prefix_allowed_tokens_fn"] = self._allowed(rows, ids.shape[1])
        if options.get("streamer") is not None:
            if len(rows) < len(self.ids):
                raise ConfigError(f"{self.editor}: prompts are answered apart, a streamer can be given one at a time")
            options["streamer"] = _Stream(options["streamer"], self.ids)
        tokens = lm.model.generate(input_ids=ids, attention_mask=mask, **options)
        new = tokens[:, ids.shape[1] :].unflatten(0, (len(rows), -1))  # (R, returned, new)
        return dict(zip(rows, new, strict=True))

    def followed_by(self, answers: Mapping[int, Tensor]) -> Tensor:
        """The prompts as they were given, each with its answers (returned, new) behind it, padded on the right."""
        longest = max(answer.shape[1] for answer in answers.values())
        whole = []
        for row in range(len(self.ids)):
            answer = answers[row]
            filled = torch.nn.functional.pad(answer, (0, longest - answer.shape[1]), value=self.pad)
            whole.append(torch.cat([self.ids[row].expand(len(answer), -1), filled], 1))
        return torch.cat(whole)

    def _lengthened(self, more: int) -> dict[str, Any]:
        """The options where prompts are `more` tokens longer, each length in the place where it is given."""
        options, given = dict(self.options), self.options.get("generation_config")
        config = copy.copy(given)
        for key in LENGTHS:
            length = setting(options, self.own, key)
            if length is None or not more:
                continue
            if given is None or options.get(key) is not None:
                options[key] = length + more
            else:
                setattr(config, key, length + more)
        return options if given is None else options | {"generation_config": config}

    def _allowed(self, rows: list[int], length: int) -> Callable[[int, Tensor], list[int]]:
        """`prefix_allowed_tokens_fn` as the caller means it: by the row and text of the prompts as they were given.

        It is asked by the number of a prompt where there are beams, else by that of an answer.
        """
        allowed, own = self.options["prefix_allowed_tokens_fn"], self.own
        beams = setting(self.options, own, "num_beams") or 1
        answers = 1 if beams > 1 else setting(self.options, own, "num_return_sequences") or 1

        def of_part(number: int, text: Tensor) -> list[int]:
            row = rows[number // answers]
            whole = torch.cat([self.ids[row].to(text.device), text[length:]])
            return allowed(row * answers + number % answers, whole)

        return of_part


class _Stream(BaseStreamer):
    """Passes an answer on as it is written, behind the prompts (B, L) as they were given."""

    def __init__(self, streamer: BaseStreamer, prompts: Tensor) -> None:
        self._streamer = streamer
        self._prompts: Tensor | None = prompts

    def put(self, value: Tensor) -> None:
        """Tokens; the first are the prompts that were read, each as often as it is answered."""
        if self._prompts is not None:
            value = self._prompts.cpu().repeat_interleave(len(value) // len(self._prompts), 0)
            self._prompts = None
        self._streamer.put(value)

    def end(self) -> None:
        """No more tokens."""
        self._streamer.end()


def setting(options: Mapping[str, Any], own: GenerationConfig, key: str) -> Any:
    """What counts for `generate`: the argument, else the config that it is given, else the model's `own`."""
    if key in options:
        return options[key]
    given = getattr(options.get("generation_config"), key, None)
    return getattr(own, key, None) if given is None else given


def inferred_mask(ids: Tensor, pad: int | Tensor | None, end: int | list[int] | Tensor | None) -> Tensor:
    """The mask (B, L) of prompts that are given without: padding is left out where it cannot be taken for an end."""
    ends = [] if end is None else torch.as_tensor(end).flatten().tolist()
    if pad is None or int(pad) in ends:
        return torch.ones_like(ids)
    return ids.ne(int(pad)).to(ids.dtype)
