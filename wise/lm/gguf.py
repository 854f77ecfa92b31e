"""Turn a GGUF file, the format of llama.cpp, into an ordinary folder of safetensors weights.

transformers reads such a file and gives its numbers back in full precision; what a quantised file lost stays lost. The
folder then needs neither the file nor the packages that read it.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from packaging.version import Version
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from wise.documents import refuse_archive
from wise.errors import ConfigError, refusing, unknown
from wise.files import make_readable, sha256, write_json
from wise.lm.architectures import default_layer
from wise.lm.load import DTYPES, require_padding
from wise.lm.model_folder import require_complete, require_count, require_finite
from wise.lm.own_words import require_whole_words

LOG = logging.getLogger("wise.convert")

READERS = ("gguf", "accelerate")
"""What transformers needs to read a GGUF file; accelerate brings psutil."""

SOUND = "5.23"
"""Version of transformers from which on tokenizers of such files were seen to be read as they are meant. In 5.18 to
5.22 Gemma 3 has no token at the beginning of a text, in 5.17 hardly any merges: it answers, and understands little."""

INSTALL = "To install them: pip install -c constraints.txt -e '.[gguf]'"

HEADER = struct.Struct("<4sIQQ")
"""How a GGUF file begins: its sign, the version, and how many tensors and entries there are."""

LEAST = 12
"""Bytes that the description of a tensor or entry takes at least."""

COPIES = 2.5
"""Main memory that a conversion takes at most, in sizes of the converted weights."""


def convert(file: str | Path, out: str | Path, dtype: str = "float32", digest: str = "") -> None:
    """Write the model and the tokenizer of a GGUF file to the folder `out`, which is whole or absent.

    `dtype` is the precision of the written weights, `digest` the sha256 that the file must have, empty for any.
    Beside them `converted.json` says what they were made from. Raises `ConfigError` for a file that is missing, has
    another digest, is no GGUF file or holds a model that transformers or this project does not know, and where main
    memory is too small.
    """
    file, out = Path(file), Path(out)
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    if not file.is_file():
        raise ConfigError(f"{file}: no such file; it should be a model in GGUF format")
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out}: holds something already; delete it, or name another folder")
    _require_readers()
    refuse_archive(file)
    _tensors(file)
    found = sha256(file)
    if digest and found != digest.lower():
        raise ConfigError(f"{file}: expected sha256 {digest}, found {found}; get the file again, or correct 'sha256'")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _write(file, partial, dtype)
    write_json(partial / "converted.json", {"file": file.name.removeprefix("."), "sha256": found, "dtype": dtype})
    os.replace(partial, out)
    LOG.info("%s: %s (sha256 %s) in %s", out, file.name.removeprefix("."), found, dtype)


def _tensors(file: Path) -> int:
    """How many tensors a GGUF file has by its header, which fits its size; raises `ConfigError` for another file."""
    with file.open("rb") as stream:
        header = stream.read(HEADER.size)
    if len(header) < HEADER.size or header[:4] != b"GGUF":
        raise ConfigError(f"{file}: no file in GGUF format")
    _, _, tensors, entries = HEADER.unpack(header)
    if max(tensors, entries) > file.stat().st_size // LEAST:
        raise ConfigError(f"{file}: no file in GGUF format (its header claims more than the file holds)")
    return tensors


def _require_readers() -> None:
    missing = [name for name in READERS if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"a GGUF file is read with the packages {' and '.join(READERS)}, and {' and '.join(missing)} cannot be "
            f"found. {INSTALL}"
        )
    if Version(transformers.__version__) < Version(SOUND):
        raise ConfigError(
            f"transformers {transformers.__version__} reads the tokenizers of GGUF files wrongly; {SOUND} or later does"
            f" not. {INSTALL}"
        )


def _write(file: Path, folder: Path, dtype: str) -> None:
    """The weights as transformers reads them, in a model that does not count as quantised and so can be saved."""
    if not sys.stderr.isatty():
        disable_progress_bar()
    source = {"gguf_file": file.name, "trust_remote_code": False}
    with _readable(file):
        config = AutoConfig.from_pretrained(file.parent, **source)
    config.__dict__.pop("quantization_config", None)
    require_count(file, config.to_dict(), _tensors(file))
    with _readable(file), torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config, dtype=DTYPES[dtype])
    default_layer(plain)  # raises for a family that cannot be edited
    _require_memory(file, plain.num_parameters(), dtype)
    quiet = nullcontext() if sys.stderr.isatty() else redirect_stderr(io.StringIO())  # a bar that no switch turns off
    with _readable(file), quiet:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **source)
        # with its configuration at hand, the file's long list of words is not read once more
        told: Any = {"output_loading_info": True, "dtype": DTYPES[dtype], **source}
        loaded, found = cast(Any, AutoModelForCausalLM.from_pretrained(file.parent, config=config, **told))
    require_complete(found, plain.config.num_hidden_layers, file)
    require_finite(loaded, file)
    require_padding(loaded, tokenizer, str(file))
    advice = f"transformers {transformers.__version__} does not read it as it was meant"
    require_whole_words(tokenizer, str(file), advice)
    plain.load_state_dict(loaded.state_dict(), assign=True)  # no second copy
    plain.tie_weights()
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    make_readable(folder)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Raises `ConfigError`, with the architectures that transformers knows, where it cannot read the file."""
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    known = ", ".join(sorted(set(GGUF_SUPPORTED_ARCHITECTURES) - {"general", "tokenizer"}))
    with refusing(f"cannot read {file}; transformers reads these architectures: {known}", ConfigError):
        yield


def _require_memory(file: Path, parameters: int, dtype: str) -> None:
    """Raise `ConfigError` where main memory is too small for what a conversion holds at once."""
    import psutil  # comes with accelerate

    if parameters > 8 * file.stat().st_size:
        raise ConfigError(f"{file}: describes a model of {parameters} numbers, more than the file can hold")
    need, free = COPIES * parameters * DTYPES[dtype].itemsize, psutil.virtual_memory().available
    LOG.info("%s: %.0f million parameters", file.name.removeprefix("."), parameters / 1e6)
    if need > free:
        advice = "" if DTYPES[dtype].itemsize <= 2 else ", or dtype bfloat16"
        raise ConfigError(
            f"{file}: converting {parameters / 1e9:.2f} billion parameters to {dtype} takes about {need / 2**30:.1f} "
            f"GiB of main memory, and {free / 2**30:.1f} GiB are free; convert it on a larger machine{advice}"
        )
