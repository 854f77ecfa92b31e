"""SERAC's counterfactual model: a small Llama that answers a question from the text of an edit."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM

from wise.editors.serac.config import SeracConfig
from wise.errors import WiseError
from wise.lm.batch import Encoded, collate
from wise.lm.likelihood import token_nll
from wise.lm.load import LanguageModel, wrap
from wise.seeds import derive_seed, generator

if TYPE_CHECKING:
    from wise.lm.load import CausalModel

LONGEST = 16
"""Tokens of the longest invented target; long ones teach copying in fewer steps."""

INITIAL = 0.08
"""Standard deviation of the initial weights: so wide that attention is not flat at the start in a small model."""

Example = tuple[Encoded, tuple[int, ...]]
"""An edit's text and a question in its scope (tokens of the prompt)."""


def build_counterfactual(lm: LanguageModel, config: SeracConfig) -> LanguageModel:
    """An untrained model of the configured size for the tokenizer and context of `lm`, always the same."""
    model = untrained(lm, config)
    model.set_attn_implementation("eager")
    model.generation_config = copy.deepcopy(lm.model.generation_config)
    return wrap(cast("CausalModel", model).to(lm.device), lm.tokenizer, f"{lm.name} (counterfactual)")


def untrained(lm: LanguageModel, config: SeracConfig) -> LlamaForCausalLM:
    """The model alone."""
    shape = LlamaConfig(
        vocab_size=lm.model.get_input_embeddings().weight.shape[0],
        hidden_size=config.hidden,
        intermediate_size=2 * config.hidden,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=2 * min(lm.context_length, 2**20),
        tie_word_embeddings=True,
        initializer_range=INITIAL,
        pad_token_id=lm.pad,
        bos_token_id=cast(int, lm.tokenizer.bos_token_id),
        eos_token_id=cast(int, lm.tokenizer.eos_token_id),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(0, "serac", "counterfactual"))
        return LlamaForCausalLM(shape)


def counterfactual_prompt(text: Encoded, prompt: tuple[int, ...], separator: int) -> tuple[int, ...]:
    """`edit prompt | target | question |`: to answer is to repeat what stood behind the first separator."""
    return (*text.ids[: text.start], separator, *text.target, separator, *prompt, separator)


def train_counterfactual(
    lm: LanguageModel, examples: Sequence[Example], separator: int, config: SeracConfig
) -> tuple[LanguageModel, float]:
    """Train on `edit text, question -> target`; returns the model and its mean loss over the last steps, in nats.

    In the share `invented` of the examples the target is made of random tokens, so that the model learns to copy
    whatever an edit says instead of the training targets. Raises `WiseError` when the loss is not a number.
    """
    answering = build_counterfactual(lm, config)
    model = answering.model.requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, betas=(0.9, 0.98), weight_decay=0.01)
    warm = max(1, config.steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * step / config.steps))
    )
    draw = generator(0, "serac", "batches")
    losses: list[float] = []
    for step in tqdm(range(config.steps), desc="counterfactual model", unit="step", disable=None):
        sequences = []
        for index in torch.randint(len(examples), (config.batch,), generator=draw, device=draw.device).tolist():
            text, question = examples[index]
            if torch.rand((), generator=draw, device=draw.device) < config.invented:
                text = invented(text, answering, draw)
            prompt = counterfactual_prompt(text, question, separator)
            sequences.append(Encoded((*prompt, *text.target, separator), len(prompt)))
        loss = _loss(answering, sequences)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise WiseError(f"the counterfactual model's loss became {losses[-1]} in step {step}; a lower 'lr' helps")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval().requires_grad_(False)
    last = losses[-max(1, config.steps // 20) :]
    return answering, sum(last) / len(last)


def invented(text: Encoded, lm: LanguageModel, draw: torch.Generator) -> Encoded:
    """The same edit with another target of 1 to `LONGEST` tokens, drawn from all of them but the special ones."""
    ordinary = sorted(set(range(len(lm.tokenizer))) - set(lm.tokenizer.all_special_ids))
    length = int(torch.randint(1, LONGEST + 1, (), generator=draw, device=draw.device))
    chosen = torch.randint(len(ordinary), (length,), generator=draw, device=draw.device).tolist()
    return Encoded((*text.ids[: text.start], *(ordinary[index] for index in chosen)), text.start)


def _loss(lm: LanguageModel, sequences: list[Encoded]) -> Tensor:
    batch = collate(sequences, lm.pad, lm.device)
    read = lm.model.base_model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False)
    rows, positions = batch.predicting()
    logits = lm.logits(read.last_hidden_state[rows, positions])  # (N, d) x (d, V)
    return token_nll(logits, batch.input_ids[rows, positions + 1]).mean()
