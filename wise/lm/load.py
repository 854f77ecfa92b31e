"""Load a causal language model and its tokenizer from a Hugging Face folder or hub name."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from wise.documents import refuse_archive
from wise.errors import ConfigError, refusing, unknown
from wise.lm.chat import ChatTemplate
from wise.lm.devices import find_devices
from wise.lm.model_folder import check_folder, require_complete, require_finite
from wise.lm.spread import gathered, spread
from wise.lm.text_cache import TextCache
from wise.lm.text_part import own_weights, text_options

if TYPE_CHECKING:

    class CausalModel(PreTrainedModel):
        """What `AutoModelForCausalLM` loads, in plain types: those of transformers are wider or missing."""

        generation_config: GenerationConfig

        def to(self, *args: Any, **kwargs: Any) -> CausalModel: ...
        def generate(self, *args: Any, **kwargs: Any) -> Tensor: ...
        def get_output_embeddings(self) -> nn.Linear: ...
        def get_input_embeddings(self) -> nn.Embedding: ...


DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64, "float16": torch.float16}


@dataclass(frozen=True)
class LanguageModel:
    """A causal model in evaluation mode, frozen, with its fast tokenizer.

    `template` is the chat template that is put around every prompt, None where prompts are continued as they are.
    `texts` keeps what the model writes itself, None for nothing.
    """

    model: CausalModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    template: ChatTemplate | None = None
    texts: TextCache | None = None

    @property
    def chat(self) -> bool:
        """Whether prompts are questions of a user, which the assistant answers."""
        return self.template is not None

    @property
    def device(self) -> torch.device:
        """Where the model's input goes, and its output comes from: its home, where its layers lie on several."""
        return self.model.device

    @property
    def pad(self) -> int:
        """Id of the token that rows of a batch are filled up with."""
        return cast(int, self.tokenizer.pad_token_id)

    @property
    def ends(self) -> list[int]:
        """Ids of the tokens that end an answer: the tokenizer's, and those at which the model's `generate` stops, such
        as the end of a turn."""
        told = self.model.generation_config.eos_token_id
        named = [self.tokenizer.eos_token_id, *(told if isinstance(told, list | tuple) else [told])]
        return sorted({cast(int, token) for token in named if token is not None})

    @property
    def vocabulary(self) -> int:
        """Tokens that the model has a vector for; a tokenizer may know more."""
        return self.model.get_input_embeddings().weight.shape[0]

    @property
    def context_length(self) -> int:
        """Longest sequence, in tokens, that the model's positions reach."""
        return int(getattr(self.model.config, "max_position_embeddings", 0) or 2**31 - 1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) from final hidden states (..., d), soft-capped where the model does so (Gemma 2).

        cap * tanh(logits / cap), with cap = `config.final_logit_softcapping`.
        """
        logits = self.model.get_output_embeddings()(hidden)  # (..., d) x (d, V)
        return logits if self.softcap is None else self.softcap * torch.tanh(logits / self.softcap)

    @property
    def softcap(self) -> float | None:
        """Bound of the logits, None where the model has none."""
        return getattr(self.model.config, "final_logit_softcapping", None)


def load_language_model(
    path: str | Path,
    revision: str | None = None,
    device: str = "auto",
    dtype: str | torch.dtype = "float32",
    chat: bool = False,
) -> LanguageModel:
    """Load `path`, a local folder or a hub name, without running code that comes with it.

    Of a model that also reads images only the text part is loaded, see `wise.lm.text_part`.

    `device` is "auto" (a GPU when there is one), "cpu", "cuda", ..., or several, among which the layers are shared: all
    GPUs by "spread", or some such as "cuda:0,cuda:1" (see `wise.lm.spread`). `dtype` is one of `DTYPES`; `chat` wraps
    every prompt in the tokenizer's chat template. Raises `ConfigError` when the model cannot be found, has no fast
    tokenizer (character offsets are needed to tell a target's tokens from the prompt's), or no template, where its
    files lack weights (see `wise.lm.model_folder`), and where these do not fit on the devices.
    """
    dtype = str(dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    options = {"revision": revision, "trust_remote_code": False}
    if not sys.stderr.isatty():
        disable_progress_bar()  # a log file is no place for it
    if Path(path).is_file():
        refuse_archive(path)
    if Path(path).is_dir():
        check_folder(Path(path))
    with refusing(f"cannot load a language model from '{path}'", ConfigError):
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
        part = text_options(path, **options)
        told: Any = {"dtype": DTYPES[dtype], "use_safetensors": True, "output_loading_info": True, **options, **part}
        model, found = cast(Any, AutoModelForCausalLM.from_pretrained(path, **told))
    if part:
        found["unexpected_keys"] = own_weights(found["unexpected_keys"])
    require_complete(found, model.config.num_hidden_layers, path)
    require_finite(model, path)
    devices = find_devices(device)
    if len(devices) > 1:
        spread(model, devices)
    else:
        model.to(devices[0])
    return wrap(model, tokenizer, str(path), chat)


def require_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Give a tokenizer a pad token that the model has; raises `ConfigError` where it has no end token either."""
    held = cast("CausalModel", model).get_input_embeddings().weight.shape[0]
    if tokenizer.pad_token_id is None or cast(int, tokenizer.pad_token_id) >= held:
        if tokenizer.eos_token_id is None or cast(int, tokenizer.eos_token_id) >= held:
            raise ConfigError(f"'{name}' has neither a pad token nor an end token, one of which is needed")
        tokenizer.pad_token = tokenizer.eos_token


def wrap(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str, chat: bool = False) -> LanguageModel:
    """Freeze a loaded model and pair it with its tokenizer; the end token becomes the pad token where that is missing,
    or was added to the tokenizer and not to the model.

    A model that transformers has put on several devices is taken over, see `wise.lm.spread.gathered`.
    """
    if not tokenizer.is_fast:
        raise ConfigError(f"the tokenizer of '{name}' is not a fast one, which offsets of target tokens need")
    require_padding(model, tokenizer, name)
    if model.get_output_embeddings() is None:
        raise ConfigError(f"'{name}' ({type(model).__name__}) predicts no words; load it with AutoModelForCausalLM")
    if any(weight.is_inference() for weight in model.parameters()):
        raise ConfigError(f"'{name}' was loaded in torch.inference_mode, where nothing can be learned: load it outside")
    gathered(model)
    model.eval().requires_grad_(False)
    template = ChatTemplate.of(tokenizer, name) if chat else None
    return LanguageModel(cast("CausalModel", model), tokenizer, name, template)


def weights_digest(lm: LanguageModel) -> str:
    """sha256 over the names and bytes of every weight, to tell one base model from another."""
    digest = hashlib.sha256()
    for name, tensor in sorted(lm.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def text_digest(lm: LanguageModel) -> str:
    """sha256 over all that decides what the model writes: its weights, configuration and tokenizer."""
    aside = "_name_or_path", "transformers_version"
    described = {key: value for key, value in lm.model.config.to_dict().items() if key not in aside}
    tokenizer = _described(cast(Any, lm.tokenizer).backend_tokenizer)
    parts = weights_digest(lm), json.dumps(described, sort_keys=True, default=str), tokenizer
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _described(backend: Any) -> str:
    """A tokenizer in JSON, without the padding and truncation that its last call has left set."""
    padding, truncation = backend.padding, backend.truncation
    backend.no_padding()
    backend.no_truncation()
    described = backend.to_str()
    if padding is not None:
        backend.enable_padding(**padding)
    if truncation is not None:
        backend.enable_truncation(**truncation)
    return described
