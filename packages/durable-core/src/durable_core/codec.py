"""Payload ↔ text: the one place where payloads become text, and the seam for encryption or compression.

The text is what JavaScript's ``JSON.stringify`` writes (raw UTF-8, no spaces, ``1.0`` as ``1``), so that the Node
library finds and compares what Python wrote. What Python can say and JSON cannot is either written in one
documented form or refused with `NotJsonSerializable`, naming the place; nothing is dropped and nothing is guessed.

To encrypt or compress payloads, hand a store another `Codec`, typically one that wraps `JsonCodec`:

    class Sealed:
        def encode(self, value: object, field: str) -> str:
            return seal(JsonCodec().encode(value, field))
        def decode(self, text: str) -> Any:
            return JsonCodec().decode(unseal(text))
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from durable_core.dumped_models import dumped_model, is_model
from durable_core.errors import NotJsonSerializable

__all__ = ["Codec", "JsonCodec", "json_text", "plain"]

#: A subclass of one of these is written as what it is underneath, whatever it prints as.
_BASES: Final[tuple[tuple[type[Any], Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (list, list),
    (tuple, tuple),
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
#: JavaScript writes an exponent outside of these powers of ten, Python outside of -5 and 16 already.
_JS_SMALLEST: Final = -7
_JS_LARGEST: Final = 21
#: Leaves a reader the greater part of Python's default recursion limit, which the json module counts against as well.
_DEEPEST: Final = 600
#: JavaScript keeps decimal notation down to 1e-6, Python only to 1e-4.
_JS_SMALLEST_DECIMAL: Final = -6


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


#: Python's reader lets NaN and Infinity through, which are damage: nobody could write them again.
_READER: Final = json.JSONDecoder(parse_constant=_refused)


class Codec(Protocol):
    """Turns payloads into text and back.

    Used for run input and output, checkpoint input and output, signal and event
    payloads; never for ids, tags, attributes, errors or step events, which stay readable.
    """

    def encode(self, value: object, field: str) -> str:
        """The text to store for *value*; *field* names it in errors. Raises `NotJsonSerializable`."""

    def decode(self, text: str) -> Any:
        """The plain JSON value behind *text*. Raises `ValueError` if it is damaged."""


class JsonCodec:
    """Readable JSON text."""

    def encode(self, value: object, field: str) -> str:
        """JSON text of *value*, as `json_text`."""
        return json_text(value, field)

    def decode(self, text: str) -> Any:
        """The JSON value of *text*."""
        try:
            return _READER.decode(text)
        except RecursionError:
            raise ValueError("nested too deeply to be read") from None


def plain(value: object, field: str) -> Any:
    """What comes back when *value* is stored and read: dicts, lists, strs, ints, floats, bools and None."""
    return _READER.decode(json_text(value, field))


def json_text(value: object, field: str) -> str:
    """*value* as the text that ``JSON.stringify`` would write for it.

    Beyond JSON's own types: tuples become lists; dataclasses, msgspec structs, named tuples and pydantic models
    become objects or lists; enums their value; aware datetimes UTC text with ``Z`` and at least milliseconds; dates
    and times ISO text; UUIDs and Decimals text. Refused: naive datetimes, NaN and infinities, bytes, sets, cycles,
    pydantic's secrets, and every other object.
    """
    parts: list[str] = []
    try:
        _write(value, parts.append, field, [])
    except RecursionError:
        raise NotJsonSerializable(_too_deep(field)) from None
    text = "".join(parts)
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text) if _has_surrogates(text) else text


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _write(value: Any, put: Callable[[str], None], path: str, inside: list[int]) -> None:
    # One frame per level of nesting, so that deep payloads stay far from the recursion limit.
    kind = type(value)
    if kind is str:
        put(encode_basestring(value))
    elif value is None or kind is bool:
        put("null" if value is None else "true" if value else "false")
    elif kind is int:
        put(_digits(value, path))
    elif kind is float:
        put(_number(value, path))
    elif kind is list or kind is tuple:
        _enter(value, path, inside)
        put("[")
        for index, member in enumerate(value):
            if index:
                put(",")
            _write(member, put, f"{path}[{index}]", inside)
        put("]")
        inside.pop()
    elif kind is dict or isinstance(value, Mapping):
        _enter(value, path, inside)
        put("{")
        for index, (name, member) in enumerate(_members(value, path)):
            put(f"{',' * (index > 0)}{encode_basestring(name)}:")
            _write(member, put, f"{path}.{name}", inside)
        put("}")
        inside.pop()
    else:
        _enter(value, path, inside)
        _write(_reduced(value, path), put, path, inside)
        inside.pop()


def _members(value: Mapping[Any, Any], path: str) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key, member in value.items():
        name = _key(key, path)
        if name in seen:
            raise NotJsonSerializable(f"{path} has two keys that are both {name!r} in JSON")
        seen.add(name)
        yield name, member


def _enter(value: object, path: str, inside: list[int]) -> None:
    if id(value) in inside:
        raise NotJsonSerializable(f"{path} contains itself: a cycle cannot be written as JSON")
    if len(inside) == _DEEPEST:
        raise NotJsonSerializable(_too_deep(path.partition(".")[0].partition("[")[0]))
    inside.append(id(value))


def _too_deep(field: str) -> str:
    return f"{field} is nested more than {_DEEPEST} levels deep: flatten it, or keep it elsewhere and pass its id"


def _digits(value: int, path: str) -> str:
    try:
        return int.__repr__(value)
    except ValueError:
        raise NotJsonSerializable(f"{path} is a number of thousands of digits: pass it as a text") from None


def _number(value: float, path: str) -> str:
    if not math.isfinite(value):
        raise NotJsonSerializable(f"{path} is {value!r}, which JSON cannot hold: use None or a text instead")
    digits = float.__repr__(value)
    sign, digits = ("-", digits[1:]) if digits[0] == "-" else ("", digits)
    mantissa, _, exponent = digits.partition("e")
    power = int(exponent or 0)
    figures = mantissa.replace(".", "")
    if _JS_SMALLEST < power < 0:
        text = f"0.{'0' * (-power - 1)}{figures}"
    elif 0 < power < _JS_LARGEST:
        text = figures.ljust(power + 1, "0")
    else:
        text = mantissa.removesuffix(".0") + (f"e{power:+d}" if exponent else "")
    return "0" if text == "0" else sign + text


def _key(key: object, path: str) -> str:
    if isinstance(key, enum.Enum):
        key = key.value
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, bool) or key is None:
        return json.dumps(key)
    if isinstance(key, int):
        return _digits(key, f"{path} key")
    if isinstance(key, float):
        return _number(key, f"{path} key")
    text = _scalar(key, f"{path} key")
    if text is None:
        raise NotJsonSerializable(
            f"{path} has the key {key!r}: keys must be text, numbers, bools, None, UUIDs, dates or times"
        )
    return text


def _reduced(value: Any, path: str) -> Any:
    """*value* in terms of simpler types, one level down."""
    if isinstance(value, enum.Enum):
        return value.value
    scalar = _scalar(value, path)
    return _composite(value, path) if scalar is None else scalar


def _scalar(value: Any, path: str) -> str | None:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise NotJsonSerializable(f"{path} is a naive datetime, {value!r}: give it a time zone")
        try:
            utc = value.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            raise NotJsonSerializable(f"{path} leaves the years 1 to 9999 in UTC: {value!r}") from None
        return utc.isoformat(timespec="microseconds" if utc.microsecond % 1000 else "milliseconds") + "Z"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal) and not value.is_finite():
        raise NotJsonSerializable(f"{path} is {value!r}: only finite decimals can be stored")
    return str(value) if isinstance(value, UUID | Decimal) else None


def _composite(value: Any, path: str) -> Any:
    if isinstance(value, msgspec.Struct):
        return _struct_members(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _dataclass_members(value, path)
    if is_model(value):
        return dumped_model(value, path)
    for base, reduce in _BASES:
        if isinstance(value, base):
            return reduce(value)
    raise NotJsonSerializable(_refusal(value, path))


def _dataclass_members(value: Any, path: str) -> dict[str, Any]:
    try:
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    except AttributeError as error:
        raise NotJsonSerializable(f"{path} is incomplete: {error}") from error


def _refusal(value: object, path: str) -> str:
    kind = type(value).__name__
    advice = {
        "bytes": "encode it as text, e.g. base64",
        "bytearray": "encode it as text, e.g. base64",
        "set": "use a sorted list",
        "frozenset": "use a sorted list",
        "coroutine": "await it first",
        "generator": "make it a list",
    }.get(kind, "pass its id, a dataclass, or a dict of what is needed")
    return f"{path} is a {kind}, which cannot be stored as JSON: {advice}"


def _struct_members(value: msgspec.Struct) -> dict[str, Any] | list[Any]:
    # By hand and one level down, because msgspec's own encoder would let sets and bytes through.
    config = value.__struct_config__
    members = [getattr(value, field) for field in value.__struct_fields__]
    if config.array_like:
        return members if config.tag is None else [config.tag, *members]
    tag = {} if config.tag is None else {str(config.tag_field): config.tag}
    named = zip(value.__struct_encode_fields__, members, strict=True)
    return tag | {name: member for name, member in named if member is not msgspec.UNSET}
