"""Types of the keys of a configuration, which its sections share."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Annotated, Any, TypeVar

from annotated_types import Le
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, create_model
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from wise.options import NAME, AtLeastOne, mistakes

NUMBER = "^[1-9][0-9]{0,8}$"
"""What numbers look like that are keys."""

FOLDER = r"^[A-Za-z0-9_./][A-Za-z0-9_./+@%,:=-]*$"
"""What a folder of results looks like: it stands in every command of the rules, so it has no sign of a shell."""

PACKAGE = r"^([A-Za-z_][A-Za-z0-9_]*)?$"
"""What names of Python packages look like; empty for none."""

TITLE = r"^[A-Za-z0-9][A-Za-z0-9 ._/-]*$"
"""What names of MLflow's experiments look like, which stand in its search expressions."""

SIGNS = {
    NAME: "the name {found} may only have letters, digits, '.', '_' and '-', and no such sign in front",
    NUMBER: "must be a whole number from 1 on, in quotes, found {found}",
    FOLDER: "may only have letters, digits and / . _ + @ % , : = -, since it stands in commands, found {found}",
    PACKAGE: "must be the name of a Python package, found {found}",
    TITLE: "may only have letters, digits, spaces and . _ / -, and a letter or digit in front, found {found}",
}
"""What each pattern asks for, in words."""

Item = TypeVar("Item", bound=Hashable)


class Section(BaseModel):
    """A part of the configuration: keys that are not listed are refused, and defaults are checked too."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, validate_default=True, use_attribute_docstrings=True
    )


def made_section(name: str, base: type[Section], about: str | None, fields: Mapping[str, Any]) -> type[Section]:
    """`base` with more keys, from a table: their descriptions stand in `fields`, and no source is searched for them."""
    return create_model(
        name, __base__=base, __doc__=about, __cls_kwargs__={"use_attribute_docstrings": False}, **dict(fields)
    )


def default(value: Any) -> Any:
    """A default as people would write it, which is then checked as what they write is."""
    return Field(value)


def _different(items: list[Item]) -> list[Item]:
    repeated = [item for index, item in enumerate(items) if item in items[:index]]
    if repeated:
        raise PydanticCustomError("repeated", "must not list {item} twice", {"item": repr(repeated[0])})
    return items


Unique = Annotated[
    list[Item], Field(max_length=1000), AfterValidator(_different), Field(json_schema_extra={"uniqueItems": True})
]
"""A list in which no item stands twice."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seeds = Annotated[Unique[Seed], Field(min_length=1)]
Name = Annotated[str, Field(pattern=NAME)]
Text = Annotated[str, Field(min_length=1)]
Folder = Annotated[str, Field(pattern=FOLDER)]
Package = Annotated[str, Field(pattern=PACKAGE)]
Title = Annotated[str, Field(pattern=TITLE)]
Chunks = Annotated[dict[Annotated[str, Field(pattern=NUMBER)], Annotated[AtLeastOne, Le(10**6)]], Field(min_length=1)]
"""T, in quotes, to the number of chunks of T edits."""


class OptionsOf:
    """Annotation of a dictionary of options of the dataclass `kind`, checked key by key and left as it is written."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        if found := mistakes(self.kind, values):
            text = "; ".join(complaint for _, complaint in found)
            raise PydanticCustomError("options", "{text}", {"text": text})
        return values
