"""Tokenizers trained on a corpus, of whole words or of parts of words, saved as ordinary Hugging Face ones."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, BEGIN, END = "<pad>", "<unk>", "<bos>", "<eos>"


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Every word and every punctuation mark of `texts` becomes one token; <bos> opens each sequence.

    Decoding puts one space between words and none before a full stop, comma, colon or question mark, so
    texts with ordinary spacing and without line breaks come back as they were. Ids follow frequency, then the
    alphabet.
    """
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
    trainer = trainers.WordLevelTrainer(special_tokens=[PAD, UNKNOWN, BEGIN, END], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    joined = decoders.WordPiece(prefix="##", cleanup=True)  # by spaces, and closes up punctuation but for colons
    tokenizer.decoder = decoders.Sequence([joined, decoders.Replace(" :", ":")])
    tokenizer.post_processor = _opening(tokenizer)
    return _wrapped(tokenizer)


def train_bpe(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level pair encoding with at most `vocabulary` tokens; <bos> opens each sequence.

    A word carries the space in front of it, and the first word of a text is given one, so that a name has the same
    tokens wherever it stands and `prompt + " " + target` those of both one after the other. Decoding takes that
    space away again; there is no text that does not come back as it was, but for one that begins with a space.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, UNKNOWN, BEGIN, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(content=" ", left=1, right=0)])
    tokenizer.post_processor = _opening(tokenizer)
    return _wrapped(tokenizer)


def _opening(tokenizer: Tokenizer) -> processors.TemplateProcessing:
    """<bos> in front of each sequence."""
    return processors.TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))])


def _wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=BEGIN,
        eos_token=END,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )
