"""Train a small Llama from nothing on a corpus of facts, in minutes on a CPU.

Three things make a small model learn thousands of facts quickly: a *curriculum* (few subjects at
first, so that the model finds out how subject and relation select an answer before it has to store
many), more weight on the tokens that state facts, and bfloat16 arithmetic where the CPU has it, with
weights and optimiser in float32.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from wise.errors import WiseError
from wise.lm.packing import NO_DOCUMENT, CorpusText, Rows, batches, pack, tokenize
from wise.lm.tokenizer import train_tokenizer
from wise.lm.trainer import Trainer
from wise.options import require
from wise.seeds import derive_seed, generator

log = logging.getLogger("wise.pretrain")


@dataclass(frozen=True)
class PretrainOptions:
    """Architecture and recipe; a value that cannot work raises ValueError."""

    hidden: int = 256
    intermediate: int = 1024
    layers: int = 6
    heads: int = 4
    context: int = 256
    """Longest sequence in tokens that the model is made for."""
    epochs: int = 11
    """Passes over the corpus, those of the curriculum included."""
    curriculum_epochs: int = 6
    """First passes, over the documents of `curriculum_share` of the subjects only."""
    curriculum_share: float = 0.2
    lr: float = 2e-3
    warmup: float = 0.02
    """Share of the steps in which the learning rate rises; it then falls by a cosine."""
    weight_decay: float = 0.05
    batch: int = 32
    """Rows a step."""
    part: int = 16
    """Rows that one worker computes at a time; a step adds up the gradients of its parts."""
    length: int = 72
    """Tokens a row; at least those of the longest document."""
    other_weight: float = 0.3
    """Weight in the loss of tokens that are not part of an answer, which have weight 1."""

    def __post_init__(self) -> None:
        for name in ("hidden", "intermediate", "layers", "heads", "context", "epochs", "batch", "part", "length"):
            require(getattr(self, name) >= 1, f"{name} must be positive, found {getattr(self, name)}")
        even = self.hidden % (2 * self.heads) == 0  # rotary embeddings turn pairs of a head's dimensions
        require(even, f"hidden ({self.hidden}) must be a multiple of 2 x heads ({self.heads})")
        require(self.length <= self.context, f"length ({self.length}) exceeds context ({self.context})")
        require(0 <= self.curriculum_epochs < self.epochs, "curriculum_epochs must be fewer than epochs")
        require(0.0 < self.curriculum_share <= 1.0, "curriculum_share must lie in (0, 1]")
        require(self.lr > 0.0 and 0.0 <= self.warmup < 1.0, "lr must be positive and warmup lie in [0, 1)")


@dataclass
class TrainingReport:
    """What a training did: one entry of `curve` for each epoch (loss in nats per weighted token)."""

    seconds: float = 0.0
    tokens: int = 0
    steps: int = 0
    parameters: int = 0
    vocabulary: int = 0
    precision: str = ""
    threads: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)


def pretrain(
    texts: Sequence[CorpusText], options: PretrainOptions, seed: int, workers: int = 1
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerBase, TrainingReport]:
    """Train tokenizer and model; the same result for the same seed, however many `workers` compute it.

    Raises `WiseError` as soon as the loss is not a number, naming the epoch.
    """
    started = time.perf_counter()
    tokenizer = train_tokenizer(text.text for text in texts)
    tokenizer.model_max_length = options.context
    model = build_model(options, tokenizer, seed)
    stages = _stages(texts, tokenizer, options, seed)
    steps = sum(math.ceil(len(rows) / options.batch) for rows in stages)
    trainer = Trainer(model, options, steps, workers)
    report = TrainingReport(
        steps=steps,
        tokens=sum(int((rows.document != NO_DOCUMENT).sum()) for rows in stages),
        parameters=model.num_parameters(),
        vocabulary=len(tokenizer),
        precision=str(trainer.dtype).removeprefix("torch."),
        threads=workers,
    )
    with tqdm(total=steps, desc="pretrain", unit="step", disable=None) as bar:
        for epoch, rows in enumerate(stages, start=1):
            losses = []
            for batch in batches(rows, options.batch, generator(seed, "batches", epoch)):
                losses.append(trainer.step(batch))
                bar.update()
                if not math.isfinite(losses[-1]):
                    raise WiseError(f"the loss became {losses[-1]} in epoch {epoch}; a lower 'lr' should help")
            loss, seconds = sum(losses) / len(losses), time.perf_counter() - started
            report.curve.append({"epoch": epoch, "loss": loss, "seconds": seconds})
            log.info("epoch %d of %d: loss %.3f after %.0f s", epoch, len(stages), loss, seconds)
    report.seconds = time.perf_counter() - started
    return model.eval(), tokenizer, report


def build_model(options: PretrainOptions, tokenizer: PreTrainedTokenizerBase, seed: int) -> LlamaForCausalLM:
    """An untrained Llama whose weights depend on `seed` alone."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=options.hidden,
        intermediate_size=options.intermediate,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        num_key_value_heads=options.heads,
        max_position_embeddings=options.context,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "init"))
        model = LlamaForCausalLM(config)
    model.set_attn_implementation("eager")  # on short rows plain products beat the fused kernel's backward
    return model


def save_pretrained(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, folder: str | Path) -> None:
    """Write an ordinary Hugging Face folder: float32 safetensors, config and tokenizer."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _stages(
    texts: Sequence[CorpusText], tokenizer: PreTrainedTokenizerBase, options: PretrainOptions, seed: int
) -> list[Rows]:
    """The rows of every epoch: first those of the curriculum's subjects, then everything, packed anew."""
    documents = tokenize(texts, tokenizer, options.other_weight)
    subjects = sorted({text.subject for text in texts})
    order = torch.randperm(len(subjects), generator=generator(seed, "curriculum")).tolist()
    first = {subjects[i] for i in order[: math.ceil(options.curriculum_share * len(subjects))]}
    early = [document for text, document in zip(texts, documents, strict=True) if text.subject in first]
    stages = [early] * options.curriculum_epochs + [documents] * (options.epochs - options.curriculum_epochs)
    return [
        pack(stage, options.length, tokenizer.pad_token_id, generator(seed, "pack", epoch))
        for epoch, stage in enumerate(stages)
    ]
