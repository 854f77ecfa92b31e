"""A tiny random Llama and the token rows of a few edits, for golden runs."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

PAD, BOS = 2, 1
VOCABULARY = 50
LAYER = 1
CONFIG = {
    "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 24, "head_dim": 8,
    "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 128,
    "bos_token_id": BOS, "eos_token_id": PAD, "pad_token_id": PAD, "tie_word_embeddings": False,
}  # fmt: skip


def tiny_model(dtype: torch.dtype, seed: int = 0) -> PreTrainedModel:
    """Drawn in float64 and rounded, so that it is the same model in every precision."""
    attention = "sdpa" if dtype is torch.float64 else "eager"
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(**CONFIG), dtype=torch.float64, attn_implementation=attention
    )
    draw = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            values = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
            scale = 3.0 if "lm_head" in name else 1.0  # sharp enough that an edit's loss can vanish
            parameter.data = scale * values / parameter.shape[1] ** 0.5
    return model.to(dtype).eval().requires_grad_(False)


@dataclass(frozen=True)
class Edit:
    """Token ids without padding: four `rows` that end with `target`, an irrelevant text, two other questions.

    `subject` (first, behind) are the positions of the subject's tokens, counted from the end of a row.
    """

    rows: list[list[int]]
    irrelevant: list[int]
    target: list[int]
    rephrase: list[int]
    locality: list[int]
    subject: tuple[int, int]

    def padded(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Ids, attention mask and labels, (5, L) each, padded on the left; labels are -100 but for the targets."""
        texts = [*self.rows, self.irrelevant]
        width = max(map(len, texts))
        ids = torch.tensor([[PAD] * (width - len(text)) + text for text in texts])
        mask = torch.tensor([[0] * (width - len(text)) + [1] * len(text) for text in texts])
        labels = torch.full_like(ids, -100)
        labels[:-1, -len(self.target) :] = ids[:-1, -len(self.target) :]
        labels[-1] = torch.where(mask[-1] == 1, ids[-1], -100)
        return ids, mask, labels

    def subject_mask(self) -> torch.Tensor:
        """Where the subject is in the edit's rows, bool (4, L)."""
        width = max(map(len, [*self.rows, self.irrelevant]))
        inside = torch.zeros(len(self.rows), width, dtype=torch.bool)
        inside[:, -self.subject[0] : -self.subject[1]] = True
        return inside


def draw_edits(count: int, seed: int = 1) -> list[Edit]:
    """Random edits; every second one has a locality question of more than 100 tokens."""
    draw = Random(seed)

    def text(length: int) -> list[int]:
        return [draw.randrange(3, VOCABULARY) for _ in range(length)]

    edits = []
    for number in range(count):
        prompt, target = text(draw.randint(3, 5)), text(draw.randint(1, 3))
        rows = [[BOS, *context, *prompt, *target] for context in ([], text(1), text(2), text(4))]
        locality = [BOS, *text(105 if number % 2 else 6)]
        irrelevant, rephrase = [BOS, *text(draw.randint(4, 9))], [BOS, *text(2), *prompt[1:], *target]
        edits.append(Edit(rows, irrelevant, target, rephrase, locality, (len(target) + 3, len(target) + 1)))
    return edits
