"""The space that a search for an editor's options looks in, declared with each option as part of its type.

An option that is to be searched says so with `Range` or `Among`; all others keep their value::

    lr: Annotated[Positive, Own(2.0, "step", 5e-4), Range(0.2, 20.0)] = OPEN
    token: Annotated[Token, Among(("subject_last", "prompt_last"))] = "subject_last"

Where the option has a unit of the model's own (`wise.editors.own_units`), the limits of a `Range` are multiples of that
unit, so that the same space fits a model of any size.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_type_hints

from wise.editors.own_units import Own, open_options


class Range(NamedTuple):
    """Numbers from `low` to `high`, whole ones where both are; drawn evenly, or evenly in the logarithm."""

    low: float
    high: float
    log: bool = True

    def holds(self, value: Any) -> bool:
        """Whether `value` lies in it."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


class Among(NamedTuple):
    """One of a few `values`."""

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Whether `value` is one of them."""
        return any(type(value) is type(each) and value == each for each in self.values)


Choice = Range | Among


def space(kind: type) -> dict[str, Choice]:
    """The options of a config class that are searched, in their order; empty for a class that declares none."""
    hints = get_type_hints(kind, include_extras=True)
    found = {
        name: [part for part in getattr(hint, "__metadata__", ()) if isinstance(part, Choice)]
        for name, hint in hints.items()
    }
    return {name: choices[0] for name, choices in found.items() if choices}


def described_space(kind: type) -> dict[str, dict[str, Any]]:
    """The space as plain data, with units: what a digest is taken of, and what documentation shows."""
    owns = open_options(kind)
    return {name: _plain(choice, owns.get(name)) for name, choice in space(kind).items()}


def in_words(plain: dict[str, Any]) -> str:
    """One entry of `described_space` for people: "0.2 to 20 step (log)"."""
    if "among" in plain:
        return ", ".join(_word(value) for value in plain["among"])
    unit = f" {plain['unit']}" if plain.get("unit", "one") != "one" else ""
    return f"{plain['low']:g} to {plain['high']:g}{unit}{' (log)' if plain['log'] else ''}"


def _plain(choice: Choice, own: Own | None) -> dict[str, Any]:
    if isinstance(choice, Among):
        return {"among": list(choice.values)}
    return {**choice._asdict(), **({"unit": own.unit} if own else {})}


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)
