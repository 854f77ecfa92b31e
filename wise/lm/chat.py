"""Prompts as a chat model is asked them: one user turn, answered by the assistant."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from wise.errors import ConfigError

QUESTION, REPLY = "<<the question>>", "<<the reply>>"
"""Stand for the two texts while a template is taken apart."""

DATE = "26 Jul 2024"
"""The date that Llama 3's template states unless told another; others would state that of today."""


@dataclass(frozen=True)
class ChatTemplate:
    """A tokenizer's chat template around a question: `before` it, `after` it up to the reply, `lead` in front of the
    reply's first word where the template writes something there itself, such as the space of Llama 2.
    """

    before: str
    after: str
    lead: str

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, name: str) -> ChatTemplate:
        """Take the template of `tokenizer` apart; raises `ConfigError` where there is none or it loses the question."""
        if not tokenizer.chat_template:
            raise ConfigError(f"chat: the tokenizer of '{name}' has no chat template; leave 'chat' out for this model")
        question = {"role": "user", "content": QUESTION}
        options = {"tokenize": False, "date_string": DATE}
        try:
            asked = tokenizer.apply_chat_template([question], add_generation_prompt=True, **options)
            replied = tokenizer.apply_chat_template([question, {"role": "assistant", "content": REPLY}], **options)
            asked, replied = str(asked), str(replied)
        except (TemplateError, ValueError) as error:
            raise ConfigError(f"chat: the template of '{name}' takes no single question ({error})") from error
        before, found, after = asked.rpartition(QUESTION)
        if not found:
            raise ConfigError(f"chat: the template of '{name}' does not repeat the question as it was given")
        between = replied.rpartition(QUESTION)[2].partition(REPLY)[0]
        return cls(before, after, between[len(after) :] if between.startswith(after) else "")
