"""Plain JSON values rebuilt to the types that the user's functions are annotated with."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from durable_core.codec import json_text
from durable_core.errors import DamagedHistory, InvalidDefinition

__all__ = ["TypedValue", "input_type", "return_type"]


class TypedValue:
    """Rebuilds plain values to one annotated type; leaves them alone where there is no annotation.

    Dataclasses, msgspec structs, datetimes, UUIDs, Decimals, enums, tuples and keyed dicts go through msgspec,
    pydantic models and unions of them through pydantic.
    """

    def __init__(self, annotation: Any, where: str) -> None:
        self._type = Any if annotation is inspect.Parameter.empty else annotation
        self._where = where
        self._as_is = self._type in (Any, None, type(None), object, dict, list, str, int, bool)
        self._adapter: Any = None
        if not self._as_is:
            try:
                msgspec.json.Decoder(self._type, dec_hook=_rebuild)
            except TypeError as error:
                self._adapter = _pydantic_adapter(self._type)
                if self._adapter is None:
                    raise InvalidDefinition(
                        f"{where} is annotated {self._type!r}, which cannot be rebuilt from JSON: {error}"
                    ) from error

    def rebuild(self, value: Any) -> Any:
        """*value* as the annotated type. Raises `DamagedHistory` when it does not fit any more."""
        if self._as_is:
            return value
        try:
            if self._adapter is not None:
                return _validated(self._adapter.validate_json, value, self._where)
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
    except (NameError, AttributeError) as error:
        raise InvalidDefinition(
            f"{where}: the annotation names something that does not exist where the function is defined ({error}); "
            "import it outside `if TYPE_CHECKING`"
        ) from error


def _rebuild(kind: type, value: Any) -> Any:
    validate = getattr(kind, "model_validate_json", None)
    if validate is not None:
        return _validated(validate, value, kind.__name__)
    if isinstance(value, typing.get_origin(kind) or kind):
        return value
    raise TypeError(f"{kind.__name__} is no dataclass, struct, model or JSON type")


def _validated(validate: Callable[..., Any], value: Any, field: str) -> Any:
    # As JSON, because a strict model takes a text for a datetime there alone; by name, as the codec dumped it. Older
    # pydantic has no such option: there, models with aliases need populate_by_name.
    by_name = {"by_name": True} if "by_name" in inspect.signature(validate).parameters else {}
    return validate(json_text(value, field), **by_name)


def _pydantic_adapter(annotation: Any) -> Any:
    """What pydantic makes of a type that msgspec refuses, such as a union of models; None where no model is in it."""
    pydantic = sys.modules.get("pydantic")
    return None if pydantic is None or not _mentions_model(annotation) else pydantic.TypeAdapter(annotation)


def _mentions_model(annotation: Any) -> bool:
    return hasattr(annotation, "model_validate_json") or any(map(_mentions_model, typing.get_args(annotation)))
