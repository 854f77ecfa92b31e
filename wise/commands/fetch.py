"""`wise fetch`: copy a model from the hub into a folder, from which every other verb then loads it."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
from pathlib import Path

from wise.errors import ConfigError
from wise.files import write_json

LOG = logging.getLogger("wise.fetch")

WANTED = ("*.json", "*.safetensors", "*.jinja", "tokenizer*", "*.model", "merges.txt", "vocab*")
UNWANTED = ("*/*", "consolidated*", "pytorch_model*", "*.bin", "*.h5", "*.msgpack", "*.pth", "*.onnx", "*.gguf")
"""Other copies of the weights: in folders of their own, in other formats, and none that unpickling would read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model, and where to."""
    parser.add_argument("--model", required=True, help="hub name, such as Qwen/Qwen2.5-1.5B")
    parser.add_argument("--revision", help="commit, tag or branch (default: the newest)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model; absent until it is whole")


def run(args: argparse.Namespace) -> None:
    """Download beside the folder, going on with what a broken-off download has left, then rename."""
    # not at the top: only this verb needs it
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HFValidationError

    partial = args.out.with_name(f".{args.out.name}.partial")
    try:
        found = HfApi().model_info(args.model, revision=args.revision)
        _require_safetensors(args, [file.rfilename for file in found.siblings or ()])
        snapshot_download(
            args.model,
            revision=found.sha,
            local_dir=partial,
            allow_patterns=list(WANTED),
            ignore_patterns=list(UNWANTED),
        )
    except (HFValidationError, OSError) as error:  # OSError: no network, no such model, no access, a full disk
        raise ConfigError(
            f"cannot fetch '{args.model}': {error}. What was downloaded stays in {partial} and is used next time. "
            "A model behind a licence needs an account that has accepted it, and its token in HF_TOKEN"
        ) from error
    shutil.rmtree(partial / ".cache", ignore_errors=True)  # how far each file was
    write_json(partial / "fetched.json", {"model": args.model, "revision": found.sha})
    os.replace(partial, args.out)
    LOG.info("%s: %s at %s", args.out, args.model, found.sha)


def _require_safetensors(args: argparse.Namespace, files: list[str]) -> None:
    if not any(name.endswith(".safetensors") and "/" not in name for name in files):
        raise ConfigError(
            f"'{args.model}' has no safetensors weights at revision {args.revision or 'main'}, and pickled ones "
            "are not loaded; name a revision that has some, or a folder that save_pretrained() has written"
        )
