"""The division of the first world's subjects.

* *Train* subjects prepare editors and lend irrelevant texts; no evaluation ever edits or asks them.
* Every other subject keeps one *reserved* fact, dealt out evenly over the relations. Reserved facts
  are never edited, at any length of the stream, and locality probes ask nothing else, so no edit can
  make the answer of another edit's locality probe a wrong one.
* The long-form edits leave some subjects alone, *bystanders*, who are asked about.
"""

from __future__ import annotations

from wise.datasets.factworld.options import FactWorldOptions
from wise.datasets.factworld.split import EDIT, TRAIN, Role, Split
from wise.datasets.factworld.world import World, stream


def divide(world: World, options: FactWorldOptions) -> Split:
    """Draw the roles of all editable subjects, kind by kind so that each kind is in each role."""
    draw = stream(options, "split")
    train: list[str] = []
    bystanders: list[str] = []
    edited: list[str] = []
    reserved: dict[str, str] = {}
    for kind in world.kinds:
        names = world.of_kind(kind)
        draw.shuffle(names)
        first = max(2, round(options.train_share * len(names)))
        second = first + max(1, round(options.bystander_share * len(names)))
        relations = world.relations_of(kind)
        for position, name in enumerate(names):
            reserved[name] = relations[position % len(relations)].name
        train += names[:first]
        bystanders += names[first:second]
        edited += names[second:]
    roles = {TRAIN: Role(tuple(train), tuple(train)), EDIT: Role(tuple(edited), tuple(bystanders))}
    return Split(roles, reserved)


def stream_subjects(split: Split, role: str) -> tuple[str, ...]:
    """Whose single facts are edited: everybody but the train subjects, or these."""
    subjects = split.roles[role]
    return subjects.edited if role == TRAIN else (*subjects.asked, *subjects.edited)
