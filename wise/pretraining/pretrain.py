"""Train a small Llama from nothing on a corpus of facts, in minutes on a CPU, or a larger one on a GPU.

Three things make a small model learn thousands of facts quickly: a *curriculum* (few subjects at
first, so that the model finds out how subject and relation select an answer before it has to store
many), more weight on the tokens that state facts, and bfloat16 arithmetic where the CPU has it, with
weights and optimiser in float32.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import nn
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from wise.errors import WiseError
from wise.files import make_readable
from wise.pretraining.checkpoint import fingerprint, read_checkpoint, write_checkpoint
from wise.pretraining.packing import NO_DOCUMENT, CorpusText, Rows, batches, pack, tokenize
from wise.pretraining.recipe import PretrainOptions, TrainingReport
from wise.pretraining.tokenizer import train_bpe, train_tokenizer
from wise.pretraining.trainer import Trainer
from wise.seeds import derive_seed, generator

LOG = logging.getLogger("wise.pretrain")

EMBEDDING = 0.5
"""Standard deviation of the token embeddings of a model with `init: even`."""


def pretrain(
    texts: Sequence[CorpusText],
    options: PretrainOptions,
    seed: int,
    workers: int = 1,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerBase, TrainingReport]:
    """Train tokenizer and model; on a CPU the same result for the same seed, however many `workers` compute it.

    After every epoch the training is written to the folder `checkpoint`, from which a second call with the same
    arguments goes on, on a CPU to the same bits. Raises `WiseError` as soon as the loss is not a number, naming the
    epoch.
    """
    started, device = time.perf_counter(), torch.device(device)
    tokenizer = _tokenizer(texts, options)
    model = build_model(options, tokenizer, seed, device)
    stages = _stages(texts, tokenizer, options, seed)
    steps = [math.ceil(len(rows) / options.batch) for rows in stages]
    trainer = Trainer(model, options, sum(steps), workers)
    report = TrainingReport(
        steps=sum(steps),
        tokens=sum(int((rows.document != NO_DOCUMENT).sum()) for rows in stages),
        parameters=model.num_parameters(),
        vocabulary=len(tokenizer),
        precision=str(trainer.dtype).removeprefix("torch."),
        threads=workers,
        device=str(device),
    )
    training = "" if checkpoint is None else fingerprint(texts, options, seed, device)
    found = None if checkpoint is None else read_checkpoint(checkpoint, training)
    if found is not None:
        report.curve = found[1]["curve"]
        started -= report.curve[-1]["seconds"]
        trainer.load_state(found[0], sum(steps[: len(report.curve)]))
        LOG.info("going on behind epoch %d of %d", len(report.curve), len(stages))
    done = len(report.curve)
    with tqdm(total=sum(steps), initial=sum(steps[:done]), desc="pretrain", unit="step", disable=None) as bar:
        for epoch, rows in enumerate(stages[done:], start=done + 1):
            loss = _epoch(trainer, batches(rows, options.batch, generator(seed, "batches", epoch)), epoch, bar)
            seconds = time.perf_counter() - started
            report.curve.append({"epoch": epoch, "loss": loss, "seconds": seconds})
            LOG.info("epoch %d of %d: loss %.3f after %.0f s", epoch, len(stages), loss, seconds)
            if checkpoint is not None:
                write_checkpoint(checkpoint, trainer.state(), {"fingerprint": training, "curve": report.curve})
    report.seconds = time.perf_counter() - started
    return model.eval(), tokenizer, report


def _epoch(trainer: Trainer, rows: Iterable[Rows], epoch: int, bar: tqdm) -> float:
    """Learn every batch once; returns the mean loss."""
    losses = []
    for batch in rows:
        losses.append(trainer.step(batch))
        bar.update()
        if not math.isfinite(losses[-1]):
            raise WiseError(f"the loss became {losses[-1]} in epoch {epoch}; a lower 'lr' should help")
    return sum(losses) / len(losses)


def _tokenizer(texts: Sequence[CorpusText], options: PretrainOptions) -> PreTrainedTokenizerBase:
    words = (text.text for text in texts)
    tokenizer = train_tokenizer(words) if options.tokenizer == "word" else train_bpe(words, options.vocabulary)
    tokenizer.model_max_length = options.context
    return tokenizer


def build_model(
    options: PretrainOptions, tokenizer: PreTrainedTokenizerBase, seed: int, device: torch.device | str = "cpu"
) -> LlamaForCausalLM:
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
        pad_token_id=cast(int, tokenizer.pad_token_id),
        bos_token_id=cast(int, tokenizer.bos_token_id),
        eos_token_id=cast(int, tokenizer.eos_token_id),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "init"))
        model = LlamaForCausalLM(config)
    if options.init == "even":
        _even_out(model, options.hidden)
    # on short rows plain products beat the fused kernel's backward on a CPU
    model.set_attn_implementation("eager" if torch.device(device).type == "cpu" else "sdpa")
    cast(nn.Module, model).to(device)
    return model


def _even_out(model: LlamaForCausalLM, hidden: int) -> None:
    """Scale what a wide model's deviation of .02 leaves too small in a narrow one.

    Embeddings are then not drowned by what the layers add to them, and queries and keys of unit norm an element tell
    tokens apart from the first step: the model learns to answer from what it reads in a third of the steps.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_tokens" in name:
                parameter.mul_(EMBEDDING / model.config.initializer_range)
            elif "q_proj" in name or "k_proj" in name:
                parameter.mul_(hidden**-0.5 / model.config.initializer_range)


def save_pretrained(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, folder: str | Path) -> None:
    """Write an ordinary Hugging Face folder: float32 safetensors, config and tokenizer."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    make_readable(folder)


def _stages(
    texts: Sequence[CorpusText], tokenizer: PreTrainedTokenizerBase, options: PretrainOptions, seed: int
) -> list[Rows]:
    """The rows of every epoch: first those of the curriculum's subjects, then everything, packed anew.

    Of texts that answer from what is given in them, each epoch reads those of its own turn, whoever they are about:
    reading is learned from many of them, best before there is much to remember.
    """
    documents = tokenize(texts, tokenizer, options.other_weight, options.read_weight)
    subjects = sorted({text.subject for text in texts})
    order = torch.randperm(len(subjects), generator=generator(seed, "curriculum"), device="cpu").tolist()
    first = {subjects[i] for i in order[: math.ceil(options.curriculum_share * len(subjects))]}
    turns = max(1, *(text.turn + 1 for text in texts))
    stages = []
    for epoch in range(options.epochs):
        early = epoch < options.curriculum_epochs
        read = [
            document
            for text, document in zip(texts, documents, strict=True)
            if (text.turn == epoch % turns if text.given else text.subject in first or not early)
        ]
        stages.append(pack(read, options.length, cast(int, tokenizer.pad_token_id), generator(seed, "pack", epoch)))
    return stages
