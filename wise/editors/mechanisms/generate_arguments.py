"""The prompts that `generate` is given, taken apart row by row so that some can be asked of another model."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

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


@dataclass(frozen=True)
class Prompts:
    """`ids`, `mask` (B, L) padded on either side; `pad` fills up answers; `options` is everything else."""

    ids: Tensor
    mask: Tensor
    pad: int
    options: Mapping[str, Any]

    @classmethod
    def of(cls, editor: str, lm: LanguageModel, args: tuple, kwargs: Mapping[str, Any]) -> Prompts:
        """From the arguments of `generate`; raises `ConfigError` for those that cannot be rewritten."""
        bound = inspect.signature(type(lm.model).generate).bind_partial(lm.model, *args, **kwargs).arguments
        options = {key: value for key, value in bound.items() if key not in ("self", "kwargs")}
        options |= bound.get("kwargs", {})
        config = options.get("generation_config") or lm.model.generation_config
        for key, advice in REFUSED.items():
            value = options.get(key, getattr(config, key, None))
            if value is not None and value is not False:
                raise ConfigError(f"{editor}: generate() cannot take {key} here, {advice}")
        named = options.pop("input_ids", None)
        ids = options.pop("inputs", named)
        if ids is None:
            raise ConfigError(f"{editor}: generate() needs input_ids, the prompt that is routed")
        mask = options.pop("attention_mask", None)
        pad = options.get("pad_token_id", config.pad_token_id)
        if isinstance(pad, Tensor) or pad is None:
            pad = lm.pad
        return cls(ids, torch.ones_like(ids) if mask is None else mask, int(pad), options)

    def rows(self) -> list[tuple[int, ...]]:
        """Each prompt's tokens without padding."""
        pairs = zip(self.ids, self.mask.bool(), strict=True)
        return [tuple(ids[real].tolist()) for ids, real in pairs]

    def continued(self, lm: LanguageModel, rows: list[int], ids: Tensor, mask: Tensor) -> dict[int, Tensor]:
        """What `lm` writes behind `ids` (R, L'), which stand for the prompts in `rows`: (returned, new) of each."""
        options = dict(self.options)
        for key in LENGTHS:
            if options.get(key) is not None:
                options[key] += ids.shape[1] - self.ids.shape[1]
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
