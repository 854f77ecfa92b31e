"""The README.md beside a saved memory or an exported checkpoint: the model card that people read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOST = (
    "The router is gone: every prompt, whether or not it has to do with an edit, now passes through the side memory. "
    "Locality that was measured with the router does not hold any more, and the edits can be neither continued, "
    "listed nor undone."
)
"""What a checkpoint with a merged memory gives up."""

NOTHING_LOST = (
    "This editor has no router: the checkpoint answers as the edited model did. The edits can be neither continued, "
    "listed nor undone."
)


def memory_card(config: Mapping[str, Any]) -> str:
    """Model card of a saved memory, from its config.json."""
    base, edits = config["base"], config["edits"]
    head, shape = _front_matter(base["name"], "wise"), " x ".join(map(str, base["shape"]))
    return f"""{head}# A memory of {edits} edits for {base["name"]}

Made by the editor `{config["editor"]}`. It is no model by itself: it answers together with the base model, whose
weights stay as they are.

| | |
|---|---|
| base model | `{base["name"]}` |
| edited matrix | `{config["site"]}`, {shape}, sha256 `{base["sha256"]}` (values in float32) |
| edits | {edits}, listed in `edits.jsonl` |
| editor, layer, seed | `{config["editor"]}`, {config["layer"]}, {config["seed"]}; options in `config.json` |

```python
import wise

editor = wise.load("FOLDER", "{base["name"]}")
editor.ask("...")  # answer, which memory gave it, score against threshold, and the unedited model's answer
editor.undo("all")  # or "shard": the edits of the last shard only
```

Limits: it loads onto this base model alone (the digest is compared). An edit holds for its prompt and, as far as the
editor generalizes, for other wordings; consequences of an edit are not deduced. Unrelated prompts can be routed
to the memory by mistake: `wise evaluate` measures how often answers change that should not.
"""


def checkpoint_card(config: Mapping[str, Any], lost: str) -> str:
    """Model card of a plain checkpoint into which a memory was merged; `config` describes the memory."""
    base = config["base"]
    return f"""{_front_matter(base["name"], "transformers")}# {base["name"]} with {config["edits"]} edits merged in

A plain checkpoint: `{config["site"]}` is the base model's matrix plus the memory of the editor `{config["editor"]}`.
Everything else is the base model.

{lost}
"""


def _front_matter(base: str, library: str) -> str:
    """YAML for a model hub; the base is linked only where its name is one of a hub, not a local folder."""
    hub = base.count("/") == 1 and not base.startswith((".", "/", "~")) and not Path(base).exists()
    link = f"base_model: {base}\n" if hub else ""
    return f"---\nlibrary_name: {library}\n{link}tags:\n- knowledge-editing\n- wise\n---\n\n"
