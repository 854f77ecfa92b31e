"""A model of random weights that is large enough for its weights to weigh more than everything else.

    python benchmarks/large_model.py 0.2 results-large/random-0.2b
    WISE_WARM= snakemake --cores 1 --configfile benchmarks/large.yaml
    python benchmarks/resources.py benchmarks/large.yaml

Its answers mean nothing; it shows what jobs take beside and in proportion to the weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HIDDEN, LAYER = 1024, 4 * 1024**2 + 3 * 1024 * 4096
"""Width, and parameters of a layer of that width."""


def main() -> None:
    """Write the model and a tokenizer of single bytes."""
    parser = argparse.ArgumentParser(description="Write a model of random weights.")
    parser.add_argument("billions", type=float, help="of parameters, about")
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    torch.manual_seed(0)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(["<unk>", "<eos>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<eos>")
    fast.save_pretrained(args.folder)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=HIDDEN, intermediate_size=4 * HIDDEN, num_attention_heads=16,
        num_hidden_layers=max(1, round(args.billions * 1e9 / LAYER)), eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(args.folder)


if __name__ == "__main__":
    main()
