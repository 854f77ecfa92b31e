"""SERAC as an editor: edits are kept as text, both networks are prepared on training records."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from wise.editors import layout
from wise.editors.decision import Reading
from wise.editors.layout import Part
from wise.editors.mechanisms.in_context import SENTENCE_END, RewritingEditor, read_first
from wise.editors.serac.config import SeracConfig
from wise.editors.serac.counterfactual import (
    build_counterfactual,
    counterfactual_prompt,
    train_counterfactual,
    untrained,
)
from wise.editors.serac.scope import ScopeClassifier, ScopePairs, train_scope
from wise.editors.shared.embedding import fitting_embedding
from wise.editors.shared.networks import require_fitting
from wise.editors.shared.pooling import NUMBERED, POOLINGS, number_of, pooled, pooled_prompts
from wise.editors.shared.scope_threshold import scope_queries
from wise.errors import ConfigError
from wise.lm.batch import Encoded, encode, encode_prompts
from wise.lm.load import LanguageModel
from wise.records import EditRecord

Network = TypeVar("Network")

SCOPE, COUNTERFACTUAL = "scope.", "counterfactual."
"""Prefixes of the two networks' tensors in the artifact."""

VOCABULARY = 2**14
"""Most different tokens that a small counterfactual model learns to repeat."""


class Serac(RewritingEditor):
    """A question in the scope of an edit is answered by the counterfactual model from `edit | target | question`.

    Scope: exp(-||e(question) - e(edit)||^2) of the most similar edit is at least the threshold; all other questions
    are the unedited model's. Both networks were fitted before any edit, and making one trains nothing.
    """

    name = "serac"
    remedy = "Raise 'steps', or give records of other edits as train."
    Config = SeracConfig
    matrices = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tokenizer = self.lm.tokenizer
        self._separator = self.lm.pad if tokenizer.eos_token_id is None else cast(int, tokenizer.eos_token_id)
        self._scope: ScopeClassifier | None = None
        self._counterfactual: LanguageModel | None = None

    def make_artifact(self, records: Sequence[EditRecord]) -> dict[str, Tensor]:
        """Train both networks on training records: their weights, `pooling` () by its number, and the `loss` () of the
        counterfactual model, where it is one of its own."""
        inside, outside = scope_queries(records)
        pooling = fitting_embedding(self, records, self.config.pooling, "whitened")[0]
        questions = [*inside, *outside]
        pairs = ScopePairs(
            pooled_prompts(self, [record.prompt for record in records], pooling),
            pooled_prompts(self, [prompt for _, prompt in questions], pooling),
            torch.tensor([index for index, _ in questions], device=self.lm.device),
            len(inside),
        )
        made = {"pooling": number_of(pooling)} | _named(SCOPE, train_scope(pairs, self.config))
        if not self.trains_answers:
            return made
        texts = encode(self.lm, [record.prompt for record in records], [record.target for record in records])
        asked = encode_prompts(self.lm, [prompt for _, prompt in inside])
        examples = [(texts[index], prompt.ids) for (index, _), prompt in zip(inside, asked, strict=True)]
        model, loss = train_counterfactual(self.lm, examples, self._separator, self.config)
        return made | {"loss": torch.tensor(loss)} | _named(COUNTERFACTUAL, model.model)

    def use_artifact(self, tensors: dict[str, Tensor]) -> None:
        """See `Editor.use_artifact`: put the weights into their networks."""
        rest = {name: each for name, each in tensors.items() if not name.startswith((SCOPE, COUNTERFACTUAL))}
        parts = {"pooling": NUMBERED, "loss": Part(optional=True)}
        layout.require(rest, parts, self.sizes(), self.site.weight.dtype, self.name)
        super().use_artifact(tensors)
        scope = partial(ScopeClassifier, self.site.weight.shape[1], self.config.scope_width)
        require_fitting(scope, self._part(SCOPE), f"{self.name}: the scope classifier")
        if self.trains_answers:
            if self.config.layers > len(tensors):
                raise ConfigError(
                    f"{self.name}: the artifact has no counterfactual model of {self.config.layers} layers"
                )
            answers = partial(untrained, self.lm, self.config)
            named = f"{self.name}: the counterfactual model"
            require_fitting(answers, self._part(COUNTERFACTUAL), named, tied=True)
        self._scope = scope().to(self.lm.device)
        self._scope.load_state_dict(self._part(SCOPE))
        self._scope.eval().requires_grad_(False)
        if self.trains_answers:
            self._counterfactual = build_counterfactual(self.lm, self.config)
            self._counterfactual.model.load_state_dict(self._part(COUNTERFACTUAL), strict=False)

    @property
    def trains_answers(self) -> bool:
        """Whether the counterfactual model is a small one of its own."""
        if self.config.counterfactual == "fitting":
            return len(self.lm.tokenizer) <= VOCABULARY
        return self.config.counterfactual == "small"

    @property
    def answering(self) -> LanguageModel:
        """The counterfactual model."""
        return self._require(self._counterfactual) if self.trains_answers else self.lm

    @property
    def embedding_size(self) -> int:
        """Of the scope classifier."""
        return self.config.scope_width

    @property
    def threshold(self) -> float:
        """The configured similarity."""
        return self.config.threshold

    def embed(self, reading: Reading) -> Tensor:
        """The classifier's embedding of the prompt, (B, e)."""
        with torch.no_grad():
            return self._require(self._scope)(pooled(reading, POOLINGS[int(self.made("pooling"))]))

    def similarity(self, queries: Tensor, keys: Tensor) -> Tensor:
        """exp(-||a - b||^2), (B, n)."""
        return torch.exp(-self._require(self._scope).distance(queries, keys))

    def rewritten(self, text: Encoded, prompt: tuple[int, ...]) -> tuple[int, ...]:
        """The input of the counterfactual model."""
        if not self.trains_answers:
            return read_first(self.lm, text, SENTENCE_END, prompt)
        return counterfactual_prompt(text, prompt, self._separator)

    def measured(self) -> dict[str, float]:
        """The counterfactual model's training loss, in nats per target token."""
        return {"counterfactual_loss": self.prepared["loss"].item()} if "loss" in self.prepared else {}

    def extra_parameters(self) -> int:
        """Keys and both networks."""
        networks = [self._scope, self._counterfactual and self._counterfactual.model]
        return super().extra_parameters() + sum(p.numel() for net in networks if net for p in net.parameters())

    def _part(self, prefix: str) -> dict[str, Tensor]:
        return {key.removeprefix(prefix): value for key, value in self.prepared.items() if key.startswith(prefix)}

    def _require(self, network: Network | None) -> Network:
        if network is None:
            raise ConfigError("serac needs its scope classifier and counterfactual model: call prepare first")
        return network


def _named(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    """The network's weights, those that are tied once."""
    seen: dict[int, Tensor] = {}
    named = {}
    for key, value in network.state_dict().items():
        if value.data_ptr() not in seen:
            seen[value.data_ptr()] = value
            named[prefix + key] = value.detach().clone()
    return named
