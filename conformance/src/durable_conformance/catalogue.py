"""The catalogue: what every clause promises, read from the file that other languages read as well."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from types import MappingProxyType
from typing import Final

__all__ = ["Entry", "Level", "catalogue", "installed_version", "is_preview"]

_FIRST: Final = "0.1"
_HEAD: Final = re.compile(r"(?P<id>[A-Z]+-\d\d):")
_FIELD: Final = re.compile(r"  (?P<name>level|since|promise): (?P<value>[a-z]+|\".*\")")


class Level(enum.IntEnum):
    """How much of the contract a profile asks for; each level asks for those before it as well."""

    CORE = 1
    TXN = 2
    QUEUE = 3
    FULL = 4

    @property
    def word(self) -> str:
        """As it stands in the catalogue and on the command line."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Level:
        """The level of that word. Raises `ValueError` that lists the words."""
        try:
            return cls[word.upper()]
        except KeyError:
            raise ValueError(f"{word!r} is no level: {', '.join(one.word for one in cls)}") from None


@dataclass(frozen=True, slots=True)
class Entry:
    """One clause as the catalogue has it."""

    id: str
    level: Level
    since: str
    promise: str


@cache
def catalogue() -> Mapping[str, Entry]:
    """Every entry by its id, in the order of the file."""
    text = files("durable_conformance").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    entries: dict[str, dict[str, str]] = {}
    fields: dict[str, str] = {}
    # The file keeps to a corner of YAML that needs no parser of it, so that the suite depends on pytest alone.
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        if (head := _HEAD.fullmatch(line)) and head["id"] not in entries:
            fields = entries[head["id"]] = {}
        elif (field := _FIELD.fullmatch(line)) and field["name"] not in fields:
            value = field["value"]
            fields[field["name"]] = json.loads(value) if value.startswith('"') else value
        else:
            raise ValueError(f"catalogue.yaml:{number}: neither a new id nor a new field of one: {line!r}")
    return MappingProxyType({one: _entry(one, fields) for one, fields in entries.items()})


def is_preview(since: str, installed: str) -> bool:
    """Whether a clause that came in *since* fails nobody in *installed*: one minor version long, save in the first."""
    return since != _FIRST and _minor(since) >= _minor(installed)


def installed_version() -> str:
    """The version of this suite."""
    return version("durable-conformance")


def _entry(id: str, fields: Mapping[str, str]) -> Entry:
    return Entry(id, Level.of(fields["level"]), fields["since"], fields["promise"])


def _minor(text: str) -> tuple[int, int]:
    major, minor, *_ = text.split(".")
    return int(major), int(minor)
