"""What computing the frozen prefix once is worth: one WISE edit through the tail against full forward passes.

    python benchmarks/edit_tail.py --out benchmarks/results/edit_tail.json

Both paths make the same edit on a random Llama, in turn, in one process. The result states their
ratio, the largest difference between the updates they learn, and the hardware.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from wise.editors.wise.config import WiseConfig
from wise.editors.wise.routing import Margins
from wise.editors.wise.training import train_shard
from wise.files import write_json
from wise.lm.batch import Encoded
from wise.lm.load import LanguageModel
from wise.lm.sites import find_site
from wise.lm.tail import Prefix, Tail
from wise.records import EditRecord
from wise.tracking.run_record import hardware, versions

log = logging.getLogger("benchmark")


class FullForward(Tail):
    """The straightforward way: every iteration runs the whole model, with the edited output put in place."""

    def hidden(self, prefix: Prefix, output: Tensor) -> Tensor:
        """See `Tail.hidden`; only the matrix's input is reused."""
        hook = self.site.module.register_forward_hook(lambda *_: output)
        try:
            return self.lm.model.base_model(
                input_ids=prefix.batch.input_ids, attention_mask=prefix.batch.attention_mask, use_cache=False
            ).last_hidden_state
        finally:
            hook.remove()


def random_llama(layers: int, hidden: int, intermediate: int, vocabulary: int) -> LanguageModel:
    """A frozen random model; `edit_tail` gives it token ids, so its tokenizer only names the pad token."""
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=max(1, hidden // 64),
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    return LanguageModel(model, _PadOnly(), "random")


class _PadOnly(PreTrainedTokenizerFast):
    def __init__(self) -> None:
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel

        super().__init__(tokenizer_object=Tokenizer(WordLevel({"<pad>": 0}, "<pad>")), pad_token="<pad>")


def edit(path: Tail, sequences: list[Encoded], iterations: int) -> tuple[float, Tensor]:
    """Seconds of one edit of `iterations` steps, prefix included, and the update (d, f) that it learns."""
    width, features = path.site.weight.shape
    draw = torch.Generator().manual_seed(1)
    mask = torch.rand(width, features, generator=draw) < 0.2
    irrelevant = torch.randn(64, features, generator=draw)
    config = WiseConfig(steps=iterations, stop_loss=-1.0)
    record = EditRecord("benchmark", "prompt", "target", "subject")
    started = time.perf_counter()
    prefix = path.prefix(sequences)
    delta, _ = train_shard(
        path, prefix, irrelevant, torch.zeros(width, features), mask, 0.1, Margins(1.0, 4.0, 2.0), config, record
    )
    return time.perf_counter() - started, delta


def main() -> None:
    """Measure and write the result."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    defaults = {"layers": 12, "hidden": 512, "intermediate": 1376, "vocab": 32000, "edit-layer": 10}
    for name, value in (defaults | {"rows": 12, "length": 40, "iterations": 10, "repeats": 3}).items():
        parser.add_argument(f"--{name}", type=int, default=value, help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    lm = random_llama(args.layers, args.hidden, args.intermediate, args.vocab)
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(1, args.vocab, (args.rows, args.length), generator=draw).tolist()
    sequences = [Encoded(tuple(row), args.length - 4) for row in ids]
    seconds: dict[str, list[float]] = {"tail": [], "full": []}
    deltas: dict[str, Tensor] = {}
    for _ in range(args.repeats):
        for name, kind in (("tail", Tail), ("full", FullForward)):
            taken, deltas[name] = edit(kind(lm, find_site(lm.model, args.edit_layer)), sequences, args.iterations)
            seconds[name].append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    result = {
        "settings": {key: value for key, value in vars(args).items() if key != "out"},
        "seconds_an_edit": medians,
        "ratio_full_to_tail": medians["full"] / medians["tail"],
        "largest_difference_of_updates": (deltas["tail"] - deltas["full"]).abs().max().item(),
        "largest_update": deltas["full"].abs().max().item(),
        "hardware": hardware("cpu", torch.get_num_threads()),
        "versions": versions(),
    }
    write_json(args.out, result)
    log.info(
        "full forward %.2f s, tail %.2f s: %.1f times faster",
        medians["full"],
        medians["tail"],
        result["ratio_full_to_tail"],
    )


if __name__ == "__main__":
    main()
