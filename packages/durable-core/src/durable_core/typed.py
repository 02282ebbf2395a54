"""Plain JSON values rebuilt to the types that the user's functions are annotated with."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import msgspec.inspect

from durable_core.codec import json_text
from durable_core.errors import DamagedHistory, InvalidDefinition, InvalidValue

__all__ = ["TypedValue", "input_type", "return_type"]

#: What a JSON reader gives is these already, or does not fit.
_OF_JSON: Final = (dict, list, str, int, bool)
_FROM_JSON: Final = (*_OF_JSON, float, type(None))


class TypedValue:
    """Rebuilds plain values to one annotated type; leaves them alone where there is no annotation.

    Dataclasses, msgspec structs, datetimes, UUIDs, Decimals, enums, tuples and keyed dicts go through msgspec,
    pydantic models and unions of them through pydantic.
    """

    def __init__(self, annotation: Any, where: str) -> None:
        self._type = Any if annotation is inspect.Parameter.empty else annotation
        self._where = where
        self._as_is = self._type in (Any, None, type(None), object, *_OF_JSON)
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
            else:
                _refuse_what_json_never_becomes(self._type, where)

    def rebuild(self, value: Any) -> Any:
        """*value* as the annotated type. Raises `DamagedHistory` when it does not fit any more."""
        try:
            return self._rebuilt(value)
        except (msgspec.ValidationError, ValueError, TypeError) as error:
            raise DamagedHistory(
                f"{self._where}: the recorded value no longer fits {self._type!r} ({error}); "
                "keep the type able to read what older versions stored, or register the change as a new version"
            ) from error

    def check(self, value: Any, field: str) -> Any:
        """*value*, plain and about to be recorded. Raises `InvalidValue` if `rebuild` could not read it again."""
        try:
            self._rebuilt(value)
        except (msgspec.ValidationError, ValueError, TypeError) as error:
            raise InvalidValue(
                f"{field} does not fit the annotation {self._type!r} ({error}): "
                "return what is annotated, or annotate what is returned"
            ) from error
        return value

    def _rebuilt(self, value: Any) -> Any:
        if self._as_is:
            if self._type in _OF_JSON and not isinstance(value, self._type):
                raise TypeError(f"it is {value!r:.80}")
            return value
        if self._adapter is not None:
            return _validated(self._adapter.validate_json, value, self._where)
        return msgspec.convert(value, self._type, strict=True, str_keys=True, dec_hook=_rebuild)


def return_type(function: Callable[..., Any], where: str) -> TypedValue:
    """The type that *function* is annotated to return."""
    return TypedValue(_hints(function, where).get("return", inspect.Parameter.empty), f"{where} return value")


def input_type(function: Callable[..., Any], parameter: str, where: str) -> TypedValue:
    """The type that *parameter* of *function* is annotated with."""
    return TypedValue(_hints(function, where).get(parameter, inspect.Parameter.empty), f"{where} input {parameter!r}")


def _hints(function: Callable[..., Any], where: str) -> dict[str, Any]:
    function = inspect.unwrap(function)
    if not inspect.isroutine(function):
        return {}  # a functools.partial or a callable object, which typing refuses
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
    raise TypeError(f"{value!r:.80} is no {kind.__name__}")


def _refuse_what_json_never_becomes(annotation: Any, where: str) -> None:
    """Raise `InvalidDefinition` for a class that msgspec leaves to `_rebuild`, and that no value could get past."""
    for kind in _left_to_us(msgspec.inspect.type_info(annotation)):
        if not hasattr(kind, "model_validate_json") and not _takes_json(kind):
            raise InvalidDefinition(
                f"{where} is annotated {annotation!r}, but nothing in JSON can be rebuilt to {kind.__name__}: "
                "use a list for an iterator, a dataclass or pydantic model for a class of your own"
            )


def _left_to_us(annotation: msgspec.inspect.Type) -> Iterator[type]:
    """Every class in *annotation*, also inside of dataclasses and containers, that msgspec does not know."""
    met: dict[int, Any] = {}
    waiting: list[Any] = [annotation]
    while waiting:
        one = waiting.pop()
        if isinstance(one, tuple):
            waiting += one
        elif isinstance(one, msgspec.inspect.Type | msgspec.inspect.Field) and id(one) not in met:
            met[id(one)] = one
            waiting += (getattr(one, part) for part in one.__struct_fields__)
            if isinstance(one, msgspec.inspect.CustomType):
                yield one.cls


def _takes_json(kind: type) -> bool:
    try:
        return any(issubclass(one, kind) for one in _FROM_JSON)
    except TypeError:  # a Protocol that cannot be asked at run time
        return False


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
