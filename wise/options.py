"""Options: frozen pydantic dataclasses whose fields carry type, limits, default and description.

A group of options is written once, and errors, `wise ls editors NAME` and the schema are made from it::

    @dataclass(frozen=True, config=STRICT)     # pydantic.dataclasses.dataclass
    class MyConfig:
        \"""Where the defaults come from.\"""

        lr: Positive = 5e-4
        \"""Step size of Adam.\"""
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any, NamedTuple, TypeVar

from annotated_types import Ge, Gt, Le
from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, core_schema

from wise.errors import ConfigError, printable, shown, unknown

Options = TypeVar("Options")

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
"""An integer is taken where a number is meant, nothing else is converted; the text below a field describes it."""

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What names look like that people give, of models, data and variants: they become parts of paths and of commands, and
such a name is one part that leads nowhere else."""

LARGE = 2**16
"""Most that options may ask for which decide how much is allocated at once, such as widths: more than is of use."""

Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
PositiveShare = Annotated[float, Gt(0), Le(1)]
AtLeastOne = Annotated[int, Ge(1)]
Count = Annotated[int, Ge(0)]
Prefixes = Annotated[int, Ge(0), Le(1000)]
"""Random texts that a prompt is learned behind: so many rows are computed at once."""


class OneOf:
    """Annotation of a text that has to be a key of a table, where a `Literal` would say the same thing twice."""

    def __init__(self, table: Mapping[str, object]) -> None:
        self.names = list(table)

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.literal_schema(self.names)


def build_options(kind: type[Options], values: Mapping[str, Any], where: str) -> Options:
    """An instance of the dataclass `kind` with `values` set.

    Raises `ConfigError`, which opens with `where` and names all mistakes: a key that `kind` lacks, a value of another
    type or out of its range, values that do not fit together. Where `kind` has a classmethod `preset(values)`, what it
    gives holds for keys not in `values`.
    """
    try:
        return _built(kind, values)
    except (ConfigError, ValidationError) as error:
        found = "; ".join(complaint for _, complaint in _complaints(kind, error))
        raise ConfigError(f"{where}: {found}") from error


def mistakes(kind: type, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The option and the description of all that `build_options` would refuse, "" for options that do not fit."""
    try:
        _built(kind, values)
    except (ConfigError, ValidationError) as error:
        return _complaints(kind, error)
    return []


def _built(kind: type[Options], values: Mapping[str, Any]) -> Options:
    preset = getattr(kind, "preset", None)
    return kind(**{**(preset(values) if preset else {}), **{str(key): value for key, value in values.items()}})


def _complaints(kind: type, error: ConfigError | ValidationError) -> list[tuple[str, str]]:
    if isinstance(error, ConfigError):
        return [("", str(error))]
    names = [option.name for option in described(kind)]
    details = error.errors(include_url=False)
    return [(str(detail["loc"][0]) if detail["loc"] else "", _complaint(detail, names)) for detail in details]


def require(condition: bool, message: str) -> None:
    """For `__post_init__`: values that do not fit together raise ValueError, which `build_options` explains."""
    if not condition:
        raise ValueError(message)


SIGNS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
"""How limits of a JSON schema are written for people."""


class Option(NamedTuple):
    """One option as a reader needs it.

    `limits` is such as "> 0". `choices` is empty where any value is allowed, `default` is `...` where there is none.
    """

    name: str
    type: str
    limits: str
    default: Any
    choices: tuple[Any, ...]
    description: str


def described(kind: type) -> Iterator[Option]:
    """Every option of the dataclass `kind`, in its own order."""
    for name, schema in TypeAdapter(kind).json_schema().get("properties", {}).items():
        forms = schema.get("anyOf", [schema])  # such as a number or null
        limits = ", ".join(f"{sign} {form[key]:g}" for form in forms for key, sign in SIGNS.items() if key in form)
        listed = tuple(choice for form in forms for choice in form.get("enum", ()))
        types = " or ".join(form["type"] for form in forms)
        yield Option(name, types, limits, schema.get("default", ...), listed, _description(kind, name))


def _description(kind: type, name: str) -> str:
    """The text below a field, in the class that declares it or the nearest base that describes it."""
    owners = [vars(base).get("__pydantic_fields__", {}) for base in kind.__mro__]
    texts = (fields[name].description for fields in owners if name in fields)
    return " ".join(next(filter(None, texts), "").split())


def choices(kind: type) -> dict[str, tuple[Any, ...]]:
    """The options of `kind` that choose among names, and the names."""
    return {option.name: option.choices for option in described(kind) if option.choices}


def readable(detail: ErrorDetails) -> str:
    """What is wrong with a value, to be read behind its name: "must be greater than 0, found -1"."""
    message = re.sub("^(Input|Value|List|Dictionary|String) should (be|have)", r"must \2", detail["msg"])
    message = re.sub(" after validation, not .*", "", message)
    message = message.replace("greater than or equal to", "at least").replace("less than or equal to", "at most")
    found = detail["input"]
    if detail["type"] == "float_type" and isinstance(found, str):
        with suppress(ValueError):
            return f"{message}, found {shown(found)}, which YAML reads as a text: write {float(found)} with a point"
    return f"{message}, found {shown(found)}"


def places(error: ValidationError) -> list[str]:
    """Every problem of a document, each behind the keys that lead to it: "trials.0.seconds must be ..."."""
    return [
        f"{'.'.join(printable(str(part)) for part in detail['loc'])} {readable(detail)}".strip()
        for detail in error.errors(include_url=False)
    ]


def choices_of(detail: ErrorDetails) -> list[str]:
    """The valid choices that an error about a text lists."""
    return re.findall(r"'([^']*)'", detail.get("ctx", {}).get("expected", ""))


def _complaint(detail: ErrorDetails, names: list[str]) -> str:
    if detail["type"] == "value_error" and not detail["loc"]:  # of `require`: it says what does not fit
        return str(detail.get("ctx", {}).get("error"))
    name = str(detail["loc"][0])
    if detail["type"] == "unexpected_keyword_argument":
        return str(unknown("option", name, names))
    if detail["type"] in ("missing", "missing_argument"):
        return f"option '{name}' is missing"
    if detail["type"] == "literal_error" and isinstance(detail["input"], str):
        return str(unknown(name, detail["input"], choices_of(detail)))
    return f"option '{name}' {readable(detail)}"
