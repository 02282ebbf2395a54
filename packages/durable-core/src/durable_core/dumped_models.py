"""Pydantic models as plain values, as their own serializers write them; secrets that those hide are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from durable_core.errors import NotJsonSerializable

__all__ = ["dumped_model", "is_model"]

#: What pydantic writes for a secret of bytes, which prints otherwise.
_STARS: Final = "**********"


def is_model(value: object) -> bool:
    """Whether *value* is an instance of a pydantic model."""
    return hasattr(value, "model_dump") and hasattr(type(value), "model_validate")


def dumped_model(value: Any, path: str) -> Any:
    """*value* by field name and without computed fields: what `TypedValue` hands back to the model."""
    dumped = value.model_dump(mode="json", by_alias=False, round_trip=True)
    _refuse_masked(value.model_dump(by_alias=False, round_trip=True), dumped, path)
    return dumped


def _refuse_masked(kept: Any, dumped: Any, path: str) -> None:
    """Raise `NotJsonSerializable` where *kept* has a secret and *dumped* the stars that it prints as."""
    if hasattr(kept, "get_secret_value"):
        if dumped in (str(kept), _STARS) and dumped != kept.get_secret_value():
            raise NotJsonSerializable(
                f"{path} is a {type(kept).__name__}, of which only {dumped!r} would be stored: pass an id to look the "
                "secret up by, or give the field a serializer that reveals it (and the store a codec that encrypts)"
            )
    elif isinstance(kept, Mapping) and isinstance(dumped, dict):
        for (name, member), written in zip(kept.items(), dumped.values(), strict=False):
            _refuse_masked(member, written, f"{path}.{name}")
    elif isinstance(kept, list | tuple | set | frozenset) and isinstance(dumped, list):
        for index, (member, written) in enumerate(zip(kept, dumped, strict=False)):
            _refuse_masked(member, written, f"{path}[{index}]")
