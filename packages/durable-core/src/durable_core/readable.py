"""What stays readable whatever the codec: errors, tags, search attributes and step events, as text and as an index.

Every store writes and reads them through this module, so that one database's rows mean the same as another's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, NamedTuple

from durable_core.codec import json_text
from durable_core.records import StepError

__all__ = ["READERS", "AttributeIndex", "attribute_index", "readable_text"]


class AttributeIndex(NamedTuple):
    """One search attribute as it is compared: a text or a float64, never both."""

    key: str
    str_value: str | None
    num_value: float | None


def readable_text(name: str, value: Any, field: str) -> str:
    """The text of *value* for the column *name*; *field* names it in errors. Raises `NotJsonSerializable`."""
    return json_text(_members(value) if name == "error" else value, field)


def attribute_index(text: str | None) -> Iterator[AttributeIndex]:
    """The index of the search attributes in *text*: numbers as float64, booleans as text, None not at all."""
    attributes = {} if text is None else json.loads(text)
    for key, value in attributes.items():
        if isinstance(value, bool):  # before numbers, of which Python says it is one
            yield AttributeIndex(key, "true" if value else "false", None)
        elif isinstance(value, str):
            yield AttributeIndex(key, value, None)
        elif value is not None:
            yield AttributeIndex(key, None, float(value))


def _members(error: StepError) -> dict[str, Any]:
    members = {field.name: getattr(error, field.name) for field in fields(StepError)}
    return {name: value for name, value in members.items() if value is not None}


def _read_error(text: str) -> StepError:
    members = json.loads(text)
    if not isinstance(members, dict) or not isinstance(members.get("message"), str):
        raise ValueError(f"an error is an object with a message, got {members!r}")  # noqa: TRY004 - the text is wrong
    known: dict[str, Any] = {field.name: members.get(field.name) for field in fields(StepError)}
    return StepError(**known)


def _read_tags(text: str) -> tuple[str, ...]:
    tags = json.loads(text)
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ValueError(f"tags are a list of texts, got {tags!r}")
    return tuple(tags)


def _read_attributes(text: str) -> dict[str, Any]:
    attributes = json.loads(text)
    if not isinstance(attributes, dict):
        raise ValueError(f"search attributes are an object, got {attributes!r}")  # noqa: TRY004 - the text is wrong
    return attributes


def _read_events(text: str) -> list[dict[str, Any]]:
    events = json.loads(text)
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise ValueError(f"events are a list of objects, got {events!r}")
    return events


#: How each of these columns is read; ValueError where the text is damaged.
READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "error": _read_error,
    "tags": _read_tags,
    "search_attributes": _read_attributes,
    "events": _read_events,
}
