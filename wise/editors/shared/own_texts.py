"""Training records that nobody gave: the model's own samples, made into pseudo-edits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from wise.editors.base import Editor
from wise.editors.shared.subject import with_subject
from wise.errors import ConfigError
from wise.lm.contexts import write_samples
from wise.lm.load import LanguageModel
from wise.records import EditRecord, Probe
from wise.seeds import derive_seed

LOG = logging.getLogger(__name__)

SAMPLES, TOKENS = 128, 16
"""How many texts the model writes, and their length."""

FEWEST = 8
"""Training records below which what editors measure on them means little; the model's own samples are then added."""


def training_records(lm: LanguageModel, given: Sequence[EditRecord], seed: int = 0) -> list[EditRecord]:
    """`given` where it suffices; else with pseudo-edits from the model's own samples beside or inside it.

    Fewer than `FEWEST` records are followed by pseudo-edits; where no record has an `irrelevant` text, each takes
    one of the samples.
    """
    records = list(given)
    lacks_texts = not any(record.irrelevant.strip() for record in records)
    if len(records) >= FEWEST and not lacks_texts:
        return records
    LOG.info("the model writes %d texts of %d tokens, to learn from what it was not given", SAMPLES, TOKENS)
    texts = _readable(lm, write_samples(lm, SAMPLES, TOKENS, derive_seed(seed, "irrelevant")))
    if lacks_texts and texts:
        records = [replace(record, irrelevant=texts[i % len(texts)]) for i, record in enumerate(records)]
    return records if len(records) >= FEWEST else [*records, *pseudo_edits(texts)]


def completed(
    editor: Editor, edits: Sequence[EditRecord], train: Sequence[EditRecord]
) -> tuple[list[EditRecord], list[EditRecord]]:
    """Edits and training records with what `editor` needs of them and nobody gave; the log says what that was.

    An edit without the subject at which it is written gets the longest name in its prompt, one without an irrelevant
    text one of the training records', and these are as `training_records` makes them. What is not needed, or is there,
    stays as it is.
    """
    edits, train = list(edits), list(train)
    lacking = [i for i, record in enumerate(edits) if editor.needs_irrelevant and not record.irrelevant.strip()]
    if editor.learns_from_records() or lacking:
        train = training_records(editor.lm, train)
    texts = [record.irrelevant for record in train if record.irrelevant.strip()]
    if lacking and texts:
        LOG.info("%d edits have no 'irrelevant' text and take one of the training records'", len(lacking))
        for place, i in enumerate(lacking):
            edits[i] = replace(edits[i], irrelevant=texts[place % len(texts)])
    if editor.needs_subject:
        for i, record in enumerate(edits):
            edits[i], note = with_subject(record)
            if note:
                LOG.info("edit '%s': %s", record.id, note)
    return edits, train


def pseudo_edits(texts: Sequence[str]) -> list[EditRecord]:
    """One record a text: the beginning of the text is to be continued as another text goes on.

    Beside it stand a paraphrase (the prompt behind a third text), a question whose answer must not change (the
    beginning of a fourth text with its own continuation), and the text itself as one to leave alone. Raises
    `ConfigError` for fewer than two texts.
    """
    parts = [_cut(text) for text in texts]
    if len(parts) < 2:
        raise ConfigError(f"at least two different texts are needed to learn from, found {len(parts)}; give more")
    records = []
    for i, (prompt, _) in enumerate(parts):
        _, target = parts[(i + 1) % len(parts)]
        before, (far, answer) = texts[(i + 2) % len(parts)], parts[(i + 3) % len(parts)]
        probes = (Probe("paraphrase", f"{before} {prompt}", target), Probe("locality_far", far, answer))
        subject = prompt.split()[-1]
        records.append(EditRecord(f"sample-{i:05d}", prompt, target, subject, irrelevant=texts[i], probes=probes))
    return records


def _readable(lm: LanguageModel, texts: Sequence[str]) -> list[str]:
    """Samples that the tokenizer reads in about as many tokens as they were written in.

    Broken characters, as an untrained model writes them, take several times as many.
    """
    counts = [len(ids) for ids in lm.tokenizer(list(texts), add_special_tokens=False)["input_ids"]] if texts else []
    return [text for text, count in zip(texts, counts, strict=True) if count <= TOKENS + 4]


def _cut(text: str) -> tuple[str, str]:
    """The first half of a text, and up to three words of the second; halves of the letters where words are few."""
    words = text.split()
    if len(words) > 1:
        half = len(words) // 2
        return " ".join(words[:half]), " ".join(words[half : half + 3])
    half = max(1, len(text) // 2)
    return text[:half], text[half:] or text
