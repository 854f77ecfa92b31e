"""A random Llama of any shape with a word-level tokenizer, so that a benchmark needs no files."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

from wise.errors import ConfigError, unknown
from wise.lm.devices import find_device
from wise.lm.load import DTYPES, LanguageModel, wrap
from wise.seeds import derive_seed, generator

SPECIAL = ("<pad>", "<end>")
HEAD_SIZE = 64


@dataclass(frozen=True)
class Shape:
    """Size of a Llama: `hidden` = d, `intermediate` = f, `vocab` = V."""

    layers: int
    hidden: int
    intermediate: int
    vocab: int

    def __post_init__(self) -> None:
        if min(self.layers, self.hidden, self.intermediate) < 1:
            raise ConfigError("layers, hidden and intermediate must be at least 1")
        if self.vocab <= len(SPECIAL):
            raise ConfigError(f"vocab must be above {len(SPECIAL)}, the tokens that no text holds")
        if self.hidden % (2 * self.heads):
            raise ConfigError(f"hidden {self.hidden} does not divide into {self.heads} heads of even size")

    @property
    def heads(self) -> int:
        """Attention heads, of 64 dimensions where `hidden` is a multiple of that."""
        return max(1, self.hidden // HEAD_SIZE)


def random_llama(shape: Shape, device: str = "cpu", dtype: str = "float32", seed: int = 0) -> LanguageModel:
    """A frozen random model, the same for the same seed on the same device; `device` may be "auto".

    Raises `ConfigError` for a device that is not there and for an unknown `dtype`.
    """
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    config = LlamaConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    with torch.random.fork_rng(), find_device(device):
        torch.manual_seed(derive_seed(seed, "model"))
        model = AutoModelForCausalLM.from_config(config, dtype=DTYPES[dtype])
    return wrap(model, word_tokenizer(shape.vocab), "random Llama")


def word_tokenizer(vocab: int) -> PreTrainedTokenizerFast:
    """One token a word: token i is the word "i" for all but the special ones."""
    words = {word: index for index, word in enumerate(SPECIAL)}
    words |= {str(index): index for index in range(len(SPECIAL), vocab)}
    tokenizer = Tokenizer(models.WordLevel(words, SPECIAL[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=SPECIAL[0], eos_token=SPECIAL[1])


def random_texts(count: int, length: int, vocab: int, seed: int, purpose: str) -> list[tuple[int, ...]]:
    """`count` texts of `length` token ids each, none of them special."""
    ids = torch.randint(len(SPECIAL), vocab, (count, length), generator=generator(seed, purpose), device="cpu")
    return [tuple(row) for row in ids.tolist()]


def words(ids: tuple[int, ...]) -> str:
    """The text that the tokenizer turns into `ids`."""
    return " ".join(map(str, ids))
