"""Edits that nobody means: the model's own samples, cut and recombined, for editors that learn from records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wise.errors import ConfigError
from wise.lm.load import LanguageModel
from wise.lm.questions import Asked
from wise.records import EditRecord, Probe

FEWEST = 8
"""Samples that are kept in any case, broken or not."""


def pseudo_edits(texts: Sequence[str], asked: Sequence[str] = ()) -> list[EditRecord]:
    """One record a text: the beginning of the text is to be continued as another text goes on.

    Beside it stand a paraphrase (the prompt behind a third text), a question whose answer must not change (the
    beginning of a fourth text with its own continuation), and the other text as one to leave alone, whose beginning is
    its prompt; the prompts `asked` take its place where there are some. Raises `ConfigError` for fewer than two texts.
    """
    parts = [_cut(text) for text in texts]
    if len(parts) < 2:
        raise ConfigError(f"at least two different texts are needed to learn from, found {len(parts)}; give more")
    records = []
    for i, (prompt, _) in enumerate(parts):
        other, target = parts[(i + 1) % len(parts)]
        before, (far, answer) = texts[(i + 2) % len(parts)], parts[(i + 3) % len(parts)]
        probes = (Probe("paraphrase", f"{before} {prompt}", target), Probe("locality_far", far, answer))
        subject = prompt.split()[-1]
        alone = asked[i % len(asked)] if asked else other
        text = {"irrelevant": f"{alone} {target}", "irrelevant_prompt": alone}
        records.append(EditRecord(f"sample-{i:05d}", prompt, target, subject, probes=probes, **text))
    return records


def question_edits(texts: Sequence[str], asked: Iterable[Asked]) -> list[EditRecord]:
    """One record for each of `asked`, whose answer shall be as one of the texts goes on.

    Prompts as people ask them, of which running text tells little: its paraphrase has other words, and questions about
    somebody else must not change.
    """
    parts = [_cut(text) for text in texts]
    records = []
    for i, each in enumerate(asked):
        (alone, rest), (_, target), (_, answer) = (parts[(i + step) % len(parts)] for step in range(3))
        far = [Probe("locality_far", prompt, answer) for prompt in each.far]
        probes = (Probe("paraphrase", each.other, target), *far)
        text = {"irrelevant": f"{alone} {rest}", "irrelevant_prompt": alone}
        records.append(EditRecord(f"asked-{i:05d}", each.prompt, target, each.name, probes=probes, **text))
    return records


def unrelated(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Each text as one that edits leave alone, and the beginning of it that counts as its prompt."""
    return [(text, beginning if text.startswith(beginning) else "") for text in texts for beginning, _ in [_cut(text)]]


def readable(lm: LanguageModel, texts: Sequence[str], tokens: int) -> list[str]:
    """Samples that the tokenizer reads in about as many tokens as the `tokens` that they were written in.

    Broken characters, as an untrained model writes them, take several times as many. Where nearly all texts are of that
    kind, the `FEWEST` that take the fewest are better than none.
    """
    counts = [len(ids) for ids in lm.tokenizer(list(texts), add_special_tokens=False)["input_ids"]] if texts else []
    most = max([tokens + 4, *sorted(counts)[:FEWEST]])
    return [text for text, count in zip(texts, counts, strict=True) if count <= most]


def _cut(text: str) -> tuple[str, str]:
    """The first half of a text, and up to three words of the second; halves of the letters where words are few."""
    words = text.split()
    if len(words) > 1:
        half = len(words) // 2
        return " ".join(words[:half]), " ".join(words[half : half + 3])
    half = max(1, len(text) // 2)
    return text[:half], text[half:] or text
