"""A tokenizer that takes the words of its own vocabulary to pieces is found."""

from itertools import product

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from wise.errors import ConfigError
from wise.lm.own_words import require_whole_words, whole_words

LETTERS = "abdeiou"
WORDS = ["".join(letters) for letters in product("bd", "aeio", "bd", "aeiou")]


def bpe(merges: bool) -> PreTrainedTokenizerFast:
    """Eighty words of four letters, each a merge of two pairs; without its merges only letters come out."""
    pairs = [left + right for left, right in product("bd", "aeiou")]
    vocabulary = {token: index for index, token in enumerate([*LETTERS, "\u0120", *pairs, *WORDS])}
    rules = [tuple(pair) for pair in pairs] + [(word[:2], word[2:]) for word in WORDS]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=rules if merges else []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def test_words_of_a_sound_tokenizer_come_out_whole():
    assert whole_words(bpe(merges=True)) == 1
    require_whole_words(bpe(merges=True), "a model", "nothing to do")


def test_a_tokenizer_without_its_merges_is_refused_with_advice():
    assert whole_words(bpe(merges=False)) == 0
    with pytest.raises(ConfigError, match="a model: the tokenizer writes 0% of the words.*take another version"):
        require_whole_words(bpe(merges=False), "a model", "take another version")


def test_nothing_is_said_of_a_vocabulary_without_words():
    tokenizer = Tokenizer(models.WordLevel({str(number): number for number in range(300)}, "0"))
    assert whole_words(PreTrainedTokenizerFast(tokenizer_object=tokenizer)) is None
