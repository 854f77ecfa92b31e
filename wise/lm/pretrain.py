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
from torch import Tensor
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from wise.errors import WiseError
from wise.lm.packing import NO_DOCUMENT, CorpusText, Rows, batches, pack, tokenize
from wise.lm.tokenizer import train_tokenizer
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
    epochs: int = 10
    """Passes over the corpus, those of the curriculum included."""
    curriculum_epochs: int = 6
    """First passes, over the documents of `curriculum_share` of the subjects only."""
    curriculum_share: float = 0.2
    lr: float = 1.5e-3
    warmup: float = 0.02
    """Share of the steps in which the learning rate rises; it then falls by a cosine."""
    weight_decay: float = 0.05
    batch: int = 16
    """Rows a step."""
    length: int = 72
    """Tokens a row; at least those of the longest document."""
    other_weight: float = 0.3
    """Weight in the loss of tokens that are not part of an answer, which have weight 1."""

    def __post_init__(self) -> None:
        for name in ("hidden", "intermediate", "layers", "heads", "context", "epochs", "batch", "length"):
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
    texts: Sequence[CorpusText], options: PretrainOptions, seed: int
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerBase, TrainingReport]:
    """Train tokenizer and model; the same result for the same seed and number of threads.

    Raises `WiseError` as soon as the loss is not a number, naming the epoch.
    """
    started = time.perf_counter()
    tokenizer = train_tokenizer(text.text for text in texts)
    tokenizer.model_max_length = options.context
    model = build_model(options, tokenizer, seed)
    stages = _stages(texts, tokenizer, options, seed)
    steps = sum(math.ceil(len(rows) / options.batch) for rows in stages)
    trainer = Trainer(model, options, steps)
    report = TrainingReport(
        steps=steps,
        tokens=sum(int((rows.document != NO_DOCUMENT).sum()) for rows in stages),
        parameters=model.num_parameters(),
        vocabulary=len(tokenizer),
        precision=str(trainer.dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
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


class Trainer:
    """AdamW with warm-up and cosine on one model, `steps` steps long."""

    def __init__(self, model: LlamaForCausalLM, options: PretrainOptions, steps: int) -> None:
        self.model = model.train()
        self.dtype = training_dtype()
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=options.lr, betas=(0.9, 0.98), weight_decay=options.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: warmup_cosine(step, steps, options.warmup)
        )

    def step(self, batch: Rows) -> float:
        """Learn one batch; returns its loss."""
        with torch.autocast("cpu", dtype=self.dtype, enabled=self.dtype != torch.float32):
            logits = self.model(
                input_ids=batch.ids,
                position_ids=batch.position,
                attention_mask=batch.attention_bias(self.dtype),
                use_cache=False,
            ).logits  # (B, L, V)
        loss = weighted_loss(logits[:, :-1], batch.ids[:, 1:], batch.weight[:, 1:])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        return loss.item()


def weighted_loss(logits: Tensor, targets: Tensor, weight: Tensor) -> Tensor:
    """Mean negative log likelihood over tokens, each counted by its weight: sum(w nll) / sum(w).

    `logits` (B, L, V), `targets` and `weight` (B, L).
    """
    nll = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
    return (nll * weight.flatten()).sum() / weight.sum()


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """Factor on the learning rate: linear rise over the first `warmup` share, then a half cosine to 0."""
    rise = max(1, round(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def training_dtype() -> torch.dtype:
    """bfloat16 where the CPU multiplies it natively, else float32."""
    known = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
    native = any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.bfloat16 if native else torch.float32


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
