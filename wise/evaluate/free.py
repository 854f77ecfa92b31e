"""Free answers to edit prompts: the answer itself, and its ending, which is what follows the target.

An edit says what the answer is and nothing about what comes behind it. There the edited model should end, or go on as
the unedited model does behind the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from wise.evaluate.fluency import TEXT_TOKENS
from wise.lm.answer import answer_sequences
from wise.lm.batch import Encoded, encode
from wise.lm.generate import continue_tokens, generate_tokens
from wise.lm.load import LanguageModel

SPARE_TOKENS = 6
"""A free answer may be this much longer than the target, so that going on where one should stop counts as wrong."""

ENDING_TOKENS = 16
"""How many tokens behind the target are looked at, at most."""


@dataclass(frozen=True)
class Ending:
    """What follows the target: its `text`, and whether it `stopped` with the model's end token.

    `nll` has the unedited model's loss of each token in nats, that of the end token included.
    """

    text: str
    nll: list[float]
    stopped: bool


@dataclass(frozen=True)
class Free:
    """What was written freely behind a prompt: none of it where it was not asked for.

    `text`: a greedy answer, and its `ending` where it begins with the target. `longer`: a text for its fluency.
    """

    text: str | None = None
    ending: Ending | None = None
    longer: str | None = None


def free_answers(
    lm: LanguageModel,
    prompts: Sequence[str],
    targets: Sequence[str],
    batch_size: int = 64,
    unedited: Callable[[], AbstractContextManager] = nullcontext,
) -> list[Free]:
    """Greedy answers of the model as it is; `unedited` makes it the unedited one, which judges the endings."""
    longest = max(len(ids) for ids in lm.tokenizer(list(targets), add_special_tokens=False)["input_ids"])
    tokens = generate_tokens(lm, prompts, longest + ENDING_TOKENS, batch_size)
    texts = _decoded(lm, [row[: longest + SPARE_TOKENS] for row in tokens])
    told = encode(lm, prompts, targets)
    begun = {i: len(s.target) for i, s in enumerate(told) if tuple(tokens[i][: len(s.target)]) == s.target}
    following = {i: _followed(lm, tokens[i][size : size + ENDING_TOKENS]) for i, size in begun.items()}
    following = {i: ids for i, ids in following.items() if ids}
    with unedited():
        endings = _endings(lm, [told[i] for i in following], list(following.values()), batch_size)
    by_place = dict(zip(following, endings, strict=True))
    return [Free(text.strip(), by_place.get(i)) for i, text in enumerate(texts)]


def generation_settings(answers: bool, fluency: str) -> dict[str, Any] | None:
    """How free answers, their endings and texts for fluency are generated, for the run record; None without any."""
    made: dict[str, Any] = {}
    if answers:
        longest = f"longest target + {SPARE_TOKENS}"
        made |= {"max_new_tokens": longest, "ending_tokens": ENDING_TOKENS, "stop": "end token"}
    if fluency != "none":
        made |= {"fluency": fluency, "text_tokens": TEXT_TOKENS}
    return made | {"kv_cache": True} if made else None


def own_endings(
    lm: LanguageModel, prompts: Sequence[str], targets: Sequence[str], batch_size: int = 64
) -> list[Ending]:
    """What the model as it is writes behind each prompt and target that it is given."""
    told = encode(lm, prompts, targets)
    new = continue_tokens(lm, [list(s.ids) for s in told], ENDING_TOKENS, batch_size)
    return _endings(lm, told, [_followed(lm, ids) for ids in new], batch_size)


def _followed(lm: LanguageModel, tokens: list[int]) -> list[int]:
    """New tokens up to the end token, without the padding behind it."""
    ends = lm.ends
    end = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
    return tokens[: end + 1]


def _endings(
    lm: LanguageModel, told: Sequence[Encoded], following: Sequence[list[int]], batch_size: int
) -> list[Ending]:
    """Endings from prompts with targets and the tokens that follow them, judged by the model as it is."""
    whole = [Encoded((*s.ids, *ids), len(s.ids)) for s, ids in zip(told, following, strict=True)]
    answers = answer_sequences(lm, whole, batch_size)
    texts = _decoded(lm, following)
    ended = [bool({*lm.ends} & {*ids}) for ids in following]
    return [Ending(text, answer.nll, stop) for text, answer, stop in zip(texts, answers, ended, strict=True)]


def _decoded(lm: LanguageModel, rows: Sequence[list[int]]) -> list[str]:
    return lm.tokenizer.batch_decode(list(rows), skip_special_tokens=True) if rows else []
