"""Columns of JSON text that stay readable whatever the codec: errors, tags, search attributes, step events."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from durable_core.codec import json_text
from durable_core.records import StepError

__all__ = ["READERS", "attribute_rows", "written"]


def written(name: str, value: Any, field: str) -> str:
    """The text of *value* for the column *name*; *field* names it in errors."""
    return json_text(_members(value) if name == "error" else value, field)


def attribute_rows(run_id: str, text: str | None) -> list[dict[str, Any]]:
    """The rows that index the search attributes in *text*: numbers as float64, booleans as text, None not at all."""
    attributes = {} if text is None else json.loads(text)
    return [_attribute_row(run_id, key, value) for key, value in attributes.items() if value is not None]


def _attribute_row(run_id: str, key: str, value: str | float) -> dict[str, Any]:
    # bool before int, which it is a kind of.
    if isinstance(value, bool):
        value = "true" if value else "false"
    is_text = isinstance(value, str)
    number = None if is_text else float(value)
    return {"run_id": run_id, "key": key, "str_value": value if is_text else None, "num_value": number}


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
