"""Edits for tests of side memories, and tools of a bank whose numbers can be followed by hand."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from tests.models import tiny_language_model
from tests.tiny_edits import CONTEXTS, OTHERS, QUICK
from wise.editors.base import EditOutcome
from wise.editors.registry import make_editor
from wise.editors.wise.answer_end import AnswerEnd
from wise.editors.wise.cosine_scope import CosineScope
from wise.editors.wise.memories import Sequential
from wise.editors.wise.training import Edit, Iteration, Trained, Trainer
from wise.lm.batch import Batch
from wise.records import EditRecord, Probe

FACTS = {
    "Ada was born in": "Port Hill",
    "Bo lives in the city of": "North West",
    "Cy works for": "East Hill",
    "Dee lives in": "South Port",
    "Eli was born in the city of": "West East",
    "Fay works for": "Hill North",
}
PROMPTS = list(FACTS)


def record(index: int) -> EditRecord:
    prompt, target = list(FACTS.items())[index]
    probes = (Probe("paraphrase", f"the person {prompt}", target), Probe("locality_far", OTHERS[index % 5], "South"))
    return EditRecord(f"edit-{index}", prompt, target, prompt.split()[0], OTHERS[index % 5], probes)


STREAM = [record(index) for index in range(len(PROMPTS))]


def edited(name: str, count: int, family: str = "llama", layer: int = 2, **options):
    """An editor with so many edits, in the refined convention, which has masks and shards, if no other is named."""
    options = QUICK[name] | {"convention": "refined", "steps": 8} | options
    editor = make_editor(name, tiny_language_model(family), layer, options, CONTEXTS)
    editor.prepare(STREAM)
    for item in STREAM[:count]:
        editor.edit(item)
    return editor


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


class Noted(Trainer):
    """Trains as `Trainer` does and notes every forward pass, with how many terms of replay were added: `edits`."""

    def __init__(self, tail) -> None:
        super().__init__(tail)
        self.edits: list[list[tuple[Iteration, int]]] = []

    def __call__(self, edit, delta, mask, replay=None):
        self.edits.append([])

        def counted(change):
            terms = replay(change)
            self.edits[-1][-1] = self.edits[-1][-1][0], len(terms)
            return terms

        return super().__call__(edit, delta, mask, replay and counted)

    def side_memory(self, edit, delta, mask):
        memory, passes = super().side_memory(edit, delta, mask), self.edits[-1]
        forward = memory.forward

        def noted():
            passes.append((forward(), 0))
            return passes[-1][0]

        memory.forward = noted
        return memory


def watched(name: str, **options):
    """An editor without edits, and a list to which it adds the forward passes of each."""
    plain = edited(name, 0, **options)
    trainer = Noted(plain.tail)
    editor = type(plain)(plain.lm, plain.config, 2, CONTEXTS, trainer=trainer)
    editor.prepare(STREAM)
    return editor, trainer.edits


def batch(number: int) -> Batch:
    return Batch(*(torch.tensor([[number]]) for _ in range(2)), *(torch.tensor([number]) for _ in range(2)))


class ByHand:
    """Tools whose numbers can be followed by hand: masks are their numbers, merging is a weighted sum, and noted."""

    def __init__(self, **options) -> None:
        defaults = {"shards": 2, "group": 4, "merge_weight": 1.0, "act_ratio": 0.5}
        self.config = SimpleNamespace(
            **defaults | {"threshold": "recorded", "replay": False, "capacity": 0, "whiten": 0.0, "rho": 0.5} | options
        )
        self.metric = None
        self.tail = SimpleNamespace(site=SimpleNamespace(weight=torch.zeros(1, 1)))
        self.unrelated = None
        self.merges: list[tuple[list[float], list[float], int]] = []

    def zero(self):
        return torch.zeros(1, 1)

    def mask(self, index, edit):
        return torch.tensor([index])

    def end(self, frozen):
        return AnswerEnd(torch.zeros(0, 2), torch.zeros(0, 2))

    def cosine_scope(self, rows):
        return CosineScope(torch.zeros(0, 1))

    def merge(self, deltas, weights, index):
        self.merges.append(([delta.item() for delta in deltas], [round(weight, 9) for weight in weights], index))
        return sum(weight * delta for weight, delta in zip(weights, deltas, strict=True))


def edit_number(number: int) -> Edit:
    """An edit whose query is its number."""
    query = torch.tensor([[float(number)]])
    rows = SimpleNamespace(frozen=SimpleNamespace(query=lambda: query, batch=batch(number)))
    return Edit(STREAM[0], number, rows, None)


def learn(bank, edit: int, value: float | None = None, score: float | None = None):
    """Edit number e adds e to its memory, or makes it `value`, and scores 10 + e."""

    def train(_edit, delta, _mask, _replay):
        after = delta + edit if value is None else torch.full_like(delta, value)
        return Trained(EditOutcome(1, 0.0), after, torch.tensor(10.0 + edit if score is None else score))

    return bank.learn(edit_number(edit), train)[0]


def learn_all(bank, count: int):
    for edit in range(count):
        bank = learn(bank, edit)
    return bank


def taught(bank: Sequential, *edits: tuple[float, float]) -> Sequential:
    """With edits of these updates and scores."""
    for value, score in edits:
        bank = learn(bank, bank.count, value, score)
    return bank


def holdings(memories) -> list[list[int]]:
    return [list(memory.edits) for memory in memories]
