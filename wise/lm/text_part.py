"""The language model inside of one that also reads images: only that part is loaded, and edited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from transformers import AutoConfig

PART = "text_config"
"""Where the config of such a model describes its text part."""

NAMES = {
    r"^language_model\.model\.": "model.",
    r"^model\.language_model\.": "model.",
    r"^language_model\.lm_head\.": "lm_head.",
}
"""Beginnings of its weights' names in the files, and what they are in the text part alone."""

OWN = "model.layers."
"""What the names of weights inside the text part's layers begin with."""


def text_options(path: Any, **options: Any) -> dict[str, Any]:
    """Options of `from_pretrained` that load the text part of `path` alone; none for a model that is all text."""
    whole = AutoConfig.from_pretrained(path, **options)
    text = whole.get_text_config()
    return {} if text is whole else {"config": text, "key_mapping": NAMES}


def own_weights(names: Iterable[str]) -> list[str]:
    """Those `names` of weights that are in layers of the text part, and not of what reads images."""
    return [name for name in names if name.startswith(OWN)]


def text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a model's `config.json` says of its text part; all of it for a model that is all text."""
    part = config.get(PART)
    return part if isinstance(part, dict) and "model_type" in part else config
