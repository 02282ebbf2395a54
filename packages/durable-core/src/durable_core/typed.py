"""Plain JSON values rebuilt to the types that the user's functions are annotated with."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, Final

import msgspec

from durable_core.errors import DamagedHistory, InvalidDefinition

__all__ = ["TypedValue", "input_type", "return_type"]


class TypedValue:
    """Rebuilds plain values to one annotated type; leaves them alone where there is no annotation.

    Dataclasses, msgspec structs, datetimes, UUIDs, Decimals, enums, tuples and keyed dicts go through msgspec,
    pydantic models through ``model_validate``.
    """

    def __init__(self, annotation: Any, where: str) -> None:
        self._type = Any if annotation is inspect.Parameter.empty else annotation
        self._where = where
        self._as_is = self._type in (Any, None, type(None), object, dict, list, str, int, bool)
        if not self._as_is:
            try:
                msgspec.json.Decoder(self._type, dec_hook=_rebuild)
            except TypeError as error:
                raise InvalidDefinition(
                    f"{where} is annotated {self._type!r}, which cannot be rebuilt from JSON: {error}"
                ) from error

    def rebuild(self, value: Any) -> Any:
        """*value* as the annotated type. Raises `DamagedHistory` when it does not fit any more."""
        if self._as_is:
            return value
        try:
            return msgspec.convert(value, self._type, strict=True, str_keys=True, dec_hook=_rebuild)
        except (msgspec.ValidationError, ValueError, TypeError) as error:
            raise DamagedHistory(
                f"{self._where}: the recorded value no longer fits {self._type!r} ({error}); "
                "keep the type able to read what older versions stored, or register the change as a new version"
            ) from error


def return_type(function: Callable[..., Any], where: str) -> TypedValue:
    """The type that *function* is annotated to return."""
    return TypedValue(_hints(function, where).get("return", inspect.Parameter.empty), f"{where} return value")


def input_type(function: Callable[..., Any], parameter: str, where: str) -> TypedValue:
    """The type that *parameter* of *function* is annotated with."""
    return TypedValue(_hints(function, where).get(parameter, inspect.Parameter.empty), f"{where} input {parameter!r}")


def _hints(function: Callable[..., Any], where: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError as error:
        raise InvalidDefinition(
            f"{where}: the annotation names something that does not exist where the function is defined ({error}); "
            "import it outside `if TYPE_CHECKING`"
        ) from error


_PYDANTIC: Final = "model_validate"


def _rebuild(kind: type, value: Any) -> Any:
    validate = getattr(kind, _PYDANTIC, None)
    if validate is not None:
        return validate(value)
    if isinstance(value, kind):
        return value
    raise TypeError(f"{kind.__name__} is no dataclass, struct, model or JSON type")
