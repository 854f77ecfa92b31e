"""`EditedModel`: what people hold in their hands: a model, an editor on it, and the log of its edits."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, overload

import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from wise.editors.base import Editor, EditOutcome
from wise.editors.copies import NotPickled
from wise.editors.shared.subject import with_subject
from wise.errors import ConfigError, DataError, EditError
from wise.evaluate.taken import judged, warn_of_failures
from wise.lm.batch import encode, encode_prompts
from wise.lm.generate import generate_answers
from wise.lm.modes import answering, gradients, learning, within
from wise.lm.vocabulary import require_writable
from wise.memory.artifact import write_artifact
from wise.memory.export import merged_weights, push_folder, put, what_is_lost, write_checkpoint
from wise.memory.manifest import describe
from wise.memory.routing_report import routes
from wise.memory.store import save
from wise.records import EditRecord, free_id, record_from_dict, require_filled

LOG = logging.getLogger(__name__)

_OWNER = "wise_editor"
"""Attribute of a model that names the `EditedModel` which is attached to it."""


@dataclass(frozen=True)
class FreeAnswer:
    """A free greedy answer, and how it came about.

    `memory` is "main" (the unedited model) or "side 1", ..., which answers where `score` reaches `threshold`;
    all three are None for an editor without a router. `unedited` is what the model answers without any edit.
    """

    prompt: str
    answer: str
    memory: str | None
    score: float | None
    threshold: float | None
    unedited: str

    def __str__(self) -> str:
        return self.answer


class EditedModel(NotPickled):
    """A language model with an editor attached to it; see `wise.attach` and `wise.load`.

    `model` is an ordinary module and answers edited, in `generate()` and in pipelines alike. As a context
    manager, or by `close()`, it gives the unedited model back, bit for bit; the edits are then forgotten, so
    `save_pretrained` before.
    """

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self._closed = False
        if not editor.batch_editing:  # it reads each edit and each question once, and a process may live long
            editor.tail.keep_nothing()
        setattr(editor.lm.model, _OWNER, self)
        self._place = _place_of(editor)

    @property
    def model(self) -> PreTrainedModel:
        """The edited model."""
        return self.editor.lm.model

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The model's tokenizer."""
        return self.editor.lm.tokenizer

    @property
    def edits(self) -> list[EditRecord]:
        """The edits that the memory holds, in the order in which they were made."""
        return list(self.editor.edits)

    @overload
    def edit(self, prompt: str, target: str, subject: str = "", irrelevant: str = "") -> EditOutcome: ...
    @overload
    def edit(self, prompt: EditRecord) -> EditOutcome: ...
    @overload
    def edit(self, prompt: Sequence[EditRecord]) -> list[EditOutcome]: ...

    def edit(self, prompt, target="", subject="", irrelevant=""):
        """Make the model answer a prompt with `target` from now on; `prompt` may also be a record, or several.

        `irrelevant` is a text that the edit must leave alone. All records are checked before the first is
        learned. The outcome says whether the edit took, which is seen by asking the model; where it did not, a
        warning `EditNotTaken` names the option to change. An editor that needs a `subject` and is given none takes
        the longest name in the prompt, or else its last word, and says so in the outcome's `note`.

        Raises `DataError` for an empty prompt or target, one that is too long for the model or that its tokenizer
        cannot write, and an id that an earlier edit has, and `EditError` where an edit's loss is not finite (earlier
        ones stay, those before this call where edits are learned together), or the model was moved or cast.
        """
        self._require_open()
        self._require_unmoved()
        if not isinstance(prompt, str):
            if target or subject or irrelevant:
                raise ConfigError("target, subject and irrelevant go with a prompt; a record has its own")
            if isinstance(prompt, EditRecord):
                return self._learn([prompt])[0]
            return self._learn(_records(prompt))
        name = free_id(f"edit-{len(self.edits) + 1:05d}", {record.id for record in self.edits})
        row = {"id": name, "prompt": prompt, "target": target, "subject": subject, "irrelevant": irrelevant}
        return self._learn([record_from_dict(row, "edit")])[0]

    @overload
    def ask(self, prompts: str, max_new_tokens: int = 16, batch_size: int = 64) -> FreeAnswer: ...
    @overload
    def ask(self, prompts: Sequence[str], max_new_tokens: int = 16, batch_size: int = 64) -> list[FreeAnswer]: ...

    @within(answering)
    def ask(self, prompts, max_new_tokens=16, batch_size=64):
        """What the edited model answers freely, which memory did, and what the unedited one answers.

        Raises `DataError` for an empty prompt and for one that leaves no room for `max_new_tokens`.
        """
        self._require_open()
        if max_new_tokens < 1:
            raise ConfigError(f"max_new_tokens is {max_new_tokens}; an answer has at least one token")
        if isinstance(prompts, str):
            return self.ask([prompts], max_new_tokens, batch_size)[0]
        prompts, lm = list(prompts), self.editor.lm
        if not prompts:
            return []
        for prompt, encoded in zip(prompts, encode_prompts(lm, prompts), strict=True):
            if len(encoded.ids) + max_new_tokens > lm.context_length:
                raise DataError(
                    f"prompt {prompt[:80]!r} has {len(encoded.ids)} tokens; with {max_new_tokens} new ones that is "
                    f"more than the model's context of {lm.context_length}"
                )
        edited = generate_answers(lm, prompts, max_new_tokens, batch_size)
        found = routes(self.editor, prompts, batch_size)
        with self.editor.unedited():
            before = generate_answers(lm, prompts, max_new_tokens, batch_size)
        return [
            FreeAnswer(prompt, answer, route.memory, route.score, route.threshold, unedited)
            for prompt, answer, route, unedited in zip(prompts, edited, found, before, strict=True)
        ]

    def generate(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """`model.generate` of the edited model."""
        self._require_open()
        return self.editor.lm.model.generate(*args, **kwargs)

    def undo(self, what: str = "shard") -> list[EditRecord]:
        """Forget the edits of the last "shard", or "all" of them; returns those that are gone.

        Raises `ConfigError` for an editor that does not learn in shards.
        """
        self._require_open()
        gone = self.editor.undo(what)
        for record in gone:
            self.editor.not_taken.pop(record.id, None)
        return gone

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the memory (not the base model) to `folder`, for `wise.load`; see `wise.memory.folder`."""
        self._require_open()
        save(self.editor, folder)

    def save_artifact(self, path: str | Path) -> None:
        """Write what the editor learned before its edits (statistics, networks), for `attach(..., artifact=path)`.

        Raises `ConfigError` for an editor that needs nothing of the kind.
        """
        self._require_open()
        if not self.editor.prepared:
            raise ConfigError(f"{self.editor.name} prepared no artifact that could be saved")
        write_artifact(self.editor.prepared, path)

    def push_to_hub(self, repo_id: str, private: bool = True, token: str | None = None) -> str:
        """Upload what `save_pretrained` writes to a model repository of the Hugging Face hub; returns its address.

        Prompts, targets and random prefixes of the edits go with it. The repository is made private unless
        asked otherwise; raises `ConfigError` where it exists and is public although `private` was asked.
        """
        self._require_open()
        return push_folder(self.save_pretrained, repo_id, private, token)

    @gradients()
    def merge_and_unload(self, folder: str | Path | None = None) -> PreTrainedModel:
        """The plain model whose matrix is W0 + memory, without this editor; also written to `folder` if given.

        For editors with one memory: WISE-Merge, and those that change the matrix itself. A router is lost with
        it, which a warning and the checkpoint's README.md say. Raises `ConfigError` for another editor, for no edits,
        and where `folder` holds something.
        """
        self._require_open()
        weights, lost = merged_weights(self.editor), what_is_lost(self.editor)
        if folder is not None:
            write_checkpoint(self.editor, weights, describe(self.editor), lost, folder)
        LOG.warning("%s", lost)
        with self.editor.unedited():  # what can fail comes before the edits are forgotten
            put(weights)
            self.close()
        return self.model

    def close(self) -> None:
        """Detach the editor: the unedited model, bit for bit; called again when that was done."""
        if not self._closed:
            self.editor.rollback()
            delattr(self.model, _OWNER)
            self._closed = True

    def __enter__(self) -> EditedModel:
        self._require_open()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self.editor.edits)} edits"
        return f"{self.editor.name} on {self.editor.lm.name}, layer {self.editor.layer}, {state}"

    @within(learning)
    def _learn(self, records: Sequence[EditRecord]) -> list[EditOutcome]:
        taken = {record.id for record in self.editor.edits}
        for record in records:
            require_filled(record)
            if record.id in taken:
                raise DataError(f"an edit with the id '{record.id}' was made already; give this one another id")
            taken.add(record.id)
        if not records:
            return []
        require_writable(self.editor.lm, records)
        encode(self.editor.lm, [record.prompt for record in records], [record.target for record in records])
        kept = [with_subject(record) if self.editor.needs_subject else (record, "") for record in records]
        completed, notes = zip(*kept, strict=True)
        made = self._made(completed)
        noted = [replace(outcome, note=note) for outcome, note in zip(made, notes, strict=True)]
        outcomes = judged(self.editor, completed, noted)
        warn_of_failures(self.editor, completed, outcomes)
        return outcomes

    def _made(self, records: Sequence[EditRecord]) -> list[EditOutcome]:
        """Make the edits, with a bar on a terminal for more than one."""
        quiet = None if len(records) > 1 else True  # None: a bar on a terminal, none in a log file
        with tqdm(total=len(records), unit="edit", desc=self.editor.name, disable=quiet) as bar:
            done = 0.0

            def report(share: float) -> None:
                nonlocal done
                done += share * len(records)
                bar.update(round(done) - bar.n)

            return self.editor.edit_all(records, report)

    def _require_open(self) -> None:
        if self._closed:
            raise ConfigError("this editor was detached, its edits are gone: attach or load again")

    def _require_unmoved(self) -> None:
        """Raise `EditError` where the model is not where it was, or not in its number format of then."""
        now = _place_of(self.editor)
        if now != self._place:
            was, found = (f"{dtype} on {device}".removeprefix("torch.") for dtype, device in (self._place, now))
            raise EditError(
                f"the model was moved or cast after attach (it was {was}, it is {found}), so that what this editor "
                "measured and learned does not fit it: move it back, or close the editor and attach again, which "
                "forgets its edits"
            )


def _place_of(editor: Editor) -> tuple[torch.dtype, torch.device]:
    """Number format and device of the edited matrix."""
    return editor.site.own.dtype, editor.site.own.device


def _records(given: Sequence[EditRecord]) -> list[EditRecord]:
    """What `edit` was given in the place of a prompt, as a list; raises `ConfigError` for anything but records."""
    several = isinstance(given, Iterable) and not isinstance(given, Mapping)
    listed: list[EditRecord] = list(given) if several else [cast(EditRecord, given)]
    for index, item in enumerate(listed):
        if not isinstance(item, EditRecord):
            raise ConfigError(
                f"edit takes a prompt and its target, an EditRecord, or a list of EditRecords (wise.records); item "
                f"{index} is of the type {type(item).__name__}"
            )
    return listed


def busy_with(model: PreTrainedModel) -> EditedModel | None:
    """The editor that is attached to `model`, if there is one."""
    return getattr(model, _OWNER, None)
