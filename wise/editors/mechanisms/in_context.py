"""Editors that leave the model alone and rewrite its input: an edit is a text, kept with a key that finds it."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from wise.editors.base import Editor, EditOutcome
from wise.editors.copies import NotPickled
from wise.editors.decision import Reading, Routing
from wise.editors.layout import Layout, Part
from wise.editors.mechanisms.generate_arguments import Prompts
from wise.editors.mechanisms.model_methods import Replaced, beside_the_model
from wise.editors.shared.loss import finite
from wise.errors import DataError
from wise.lm.batch import Encoded, collate, encode, encode_prompts
from wise.lm.likelihood import token_nll
from wise.lm.load import LanguageModel
from wise.records import EditRecord
from wise.tail.frozen_states import FrozenStates

SENTENCE_END = ".\n"
"""Between an edit's text and the prompt that it is put in front of."""


class RewritingEditor(NotPickled, Editor):
    """A memory of texts; a prompt is answered from the text of the edit that it is most similar to, if it is enough.

    The decision falls on the prompt. A routed question is then asked anew, from another input and perhaps of
    another model (`answering`), so there is nothing to hook into a forward pass: `answer` and
    `model.generate` are edited, and *a plain forward call of the model is unedited*.
    """

    in_forward = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._methods: Replaced | None = None
        self._forget()

    # What a subclass provides

    @property
    @abstractmethod
    def answering(self) -> LanguageModel:
        """The model that answers rewritten prompts."""

    @property
    @abstractmethod
    def embedding_size(self) -> int:
        """Size e of the vectors of `embed`."""

    @property
    @abstractmethod
    def threshold(self) -> float:
        """The similarity from which an edit answers."""

    @abstractmethod
    def embed(self, reading: Reading) -> Tensor:
        """The vectors by which prompts and edits are compared, (B, e)."""

    @abstractmethod
    def similarity(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Of embedded prompts (B, e) to embedded edits (n, e): (B, n)."""

    @abstractmethod
    def rewritten(self, text: Encoded, prompt: tuple[int, ...]) -> tuple[int, ...]:
        """The tokens that are read in the place of `prompt`; `text` is the edit's prompt with its target."""

    # The contract

    def decide(self, reading: Reading) -> Routing | None:
        """The most similar edit, where it is similar enough; the score is the similarity."""
        if not self._texts:
            return None
        score, nearest = self.similarity(self.embed(reading), self._keys).max(1)  # (B, e), (n, e) -> (B,)
        threshold = torch.full_like(score, self.threshold)
        return Routing(score, threshold, torch.where(score >= threshold, nearest + 1, 0))

    def output(self, inner: Tensor, base: Tensor, routing: Routing | None, last: Tensor | None) -> Tensor:
        """See `Editor.output`: the matrix is the unedited one."""
        return base

    def answer(self, frozen: FrozenStates, routing: Routing | None) -> Tensor:
        """Logits (N, V): those of routed rows from the rewritten prompt with the same target behind it."""
        logits = self.tail.logits(frozen, frozen.output)
        choice = [0] * len(frozen.batch.start) if routing is None else routing.choice.tolist()
        routed = [row for row, memory in enumerate(choice) if memory]
        if routed:
            asked = [_sequence(frozen, row) for row in routed]
            texts = [self._texts[choice[row] - 1] for row in routed]
            sequences = [self._instead(text, question) for text, question in zip(texts, asked, strict=True)]
            chosen = torch.isin(frozen.targets.rows, torch.tensor(routed, device=logits.device))
            logits[chosen] = self._read(sequences)[0].to(logits)
        return logits

    def holder(self, record_id: str) -> int:
        """Every edit has a text of its own."""
        return next((index for index, record in enumerate(self.edits, start=1) if record.id == record_id), 0)

    def memory_bytes(self) -> int:
        """Bytes of texts and keys, and of what was prepared for all of them."""
        return super().memory_bytes() + sum(tensor.nbytes for tensor in self.prepared.values())

    def extra_parameters(self) -> int:
        """The keys."""
        return self._keys.numel()

    def _learn(self, record: EditRecord) -> EditOutcome:
        """Keep the edit's text and key; no step is taken, the loss is that of the edit's own prompt, rewritten."""
        (text,) = encode(self.lm, [record.prompt], [record.target])
        key = self.embed(Reading.of(self.frozen(encode_prompts(self.lm, [record.prompt]))))  # (1, e)
        logits, tokens = self._read([self._instead(text, text)])
        loss = finite(token_nll(logits, tokens).mean().item(), record)
        self._keys = torch.cat([self._keys, key]) if self._texts else key
        self._texts = [*self._texts, text]
        return EditOutcome(0, loss)

    def _instead(self, text: Encoded, question: Encoded) -> Encoded:
        """What is read in the place of `question`: its rewritten prompt and its target, if it has one.

        Raises `DataError` where that exceeds the context of the model that answers.
        """
        prompt = self.rewritten(text, question.ids[: question.start])
        ids = (*prompt, *question.target)
        if len(ids) > self.answering.context_length:
            raise DataError(
                f"{self.name}: with the edit's text in front a prompt needs {len(ids)} tokens, the context of the "
                f"model that answers holds {self.answering.context_length}"
            )
        return Encoded(ids, len(prompt))

    @torch.no_grad()
    def _read(self, sequences: list[Encoded]) -> tuple[Tensor, Tensor]:
        """Logits (N, V) of the model that answers at the tokens that predict targets, and those targets (N,)."""
        lm = self.answering
        batch = collate(sequences, lm.pad, lm.device)
        with self.unedited():
            read = lm.model.base_model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
        rows, positions = batch.predicting()
        logits = lm.logits(read.last_hidden_state[rows, positions])  # (N, d) x (d, V)
        return logits, batch.input_ids[rows, positions + 1]

    # Generation

    def _attach(self) -> None:
        if self._methods is None:
            model = self.lm.model
            self._methods = Replaced(model, {"generate": self._generate} | beside_the_model(self.name, model))

    def _detach(self) -> None:
        if self._methods is not None:
            self._methods.give_back()
        self._methods = None

    def _settings(self) -> GenerationConfig:
        """A copy of the settings of the model that is asked, with the tokenizer's end among its end tokens."""
        settings = copy.deepcopy(self.lm.model.generation_config)
        settings.eos_token_id = self.lm.ends
        return settings

    def _generate(self, *args: Any, **kwargs: Any) -> Tensor:
        """`model.generate` of the edited model: tokens (B * returned, L + new), the prompts as they were given.

        Raises `ConfigError` for what has no rewritten form: embeddings, a filled cache, more than tokens asked back.
        """
        with self.unedited():  # inside, `generate` is the model's own, also for a model that drafts for itself
            prompts = Prompts.of(self.name, self.lm, args, kwargs)
            questions = [Encoded(ids, len(ids)) for ids in prompts.rows()]
            with torch.inference_mode():
                routing = self.decide(Reading.of(self.frozen(questions)))
            choice = [0] * len(questions) if routing is None else routing.choice.tolist()
            parts = {}
            own = [row for row, memory in enumerate(choice) if not memory]
            if own:
                ids, mask = prompts.ids[own], prompts.mask[own]
                parts |= prompts.continued(self.lm, own, ids, mask)
            routed = [row for row, memory in enumerate(choice) if memory]
            if routed:
                sequences = [self._instead(self._texts[choice[row] - 1], questions[row]) for row in routed]
                batch = collate(sequences, prompts.pad, self.lm.device, side="left")
                if self.answering is not self.lm:  # answers under the settings of the model that is asked
                    self.answering.model.generation_config = self._settings()
                parts |= prompts.continued(self.answering, routed, batch.input_ids, batch.attention_mask)
            return prompts.followed_by(parts)

    # Memory

    def _forget(self) -> None:
        self._texts: list[Encoded] = []
        self._keys = self.site.weight.new_empty(0, 0)

    def memory(self) -> dict[str, Tensor]:
        tokens = [token for text in self._texts for token in text.ids]
        spans = [(len(text.ids), text.start) for text in self._texts]
        return {
            "keys": self._keys,
            "tokens": torch.tensor(tokens, dtype=torch.int32),
            "spans": torch.tensor(spans, dtype=torch.int32).reshape(-1, 2),
        }

    def layout(self, edits: int) -> Layout:
        """See `Editor.layout`."""
        return {
            "keys": Part(f"T {self.embedding_size}" if edits else "T T"),
            "tokens": Part("m", "int", below="V"),
            "spans": Part("T 2", "int", below="m+1"),
        }

    def _take_memory(self, memory: dict[str, Tensor]) -> None:
        self._keys = memory["keys"]
        sizes, starts = memory["spans"].cpu().unbind(1)
        if int(sizes.sum()) != len(memory["tokens"]) or not bool((starts <= sizes).all()):
            raise DataError("the tensor 'spans' does not divide the tensor 'tokens' into texts")
        texts = memory["tokens"].cpu().split(sizes.tolist())
        self._texts = [Encoded(tuple(ids.tolist()), start) for ids, start in zip(texts, starts.tolist(), strict=True)]


def read_first(lm: LanguageModel, text: Encoded, separator: str, prompt: tuple[int, ...]) -> tuple[int, ...]:
    """The tokens of an edit's text, of the separator, and of a prompt without a first token of its own."""
    between = lm.tokenizer(separator, add_special_tokens=False)["input_ids"]
    has_first = len(prompt) > 1 and prompt[0] == lm.tokenizer.bos_token_id
    return (*text.ids, *between, *(prompt[1:] if has_first else prompt))


def _sequence(frozen: FrozenStates, row: int) -> Encoded:
    """One row of a batch without its padding, which is on the right."""
    batch = frozen.batch
    return Encoded(tuple(batch.input_ids[row, : int(batch.length[row])].tolist()), int(batch.start[row]))
