"""The language model inside of one that also sees or hears: only that is loaded, and edited."""

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
"""How its weights are called in files, and in the text part alone."""

OWN = "model.layers."
"""What the names of weights inside the text part's layers begin with."""


def text_options(path: Any, **options: Any) -> dict[str, Any]:
    """What `from_pretrained` is told besides, to load the text part of `path` alone; nothing where it has no other."""
    whole = AutoConfig.from_pretrained(path, **options)
    text = whole.get_text_config()
    return {} if text is whole else {"config": text, "key_mapping": NAMES}


def own_weights(names: Iterable[str]) -> list[str]:
    """Those of weights that nobody asked for, without the ones of other parts."""
    return [name for name in names if name.startswith(OWN)]


def text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The text part of a model's `config.json`: the whole, where that has no other part."""
    part = config.get(PART)
    return part if isinstance(part, dict) and "model_type" in part else config
