"""The durable tables' columns as Pony attributes: read as our rows are written, and never created by Pony."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pony.orm import LongStr, Optional, Required
from pony.orm.dbapiprovider import Converter, DatetimeConverter

from durable_core.codec import json_text
from durable_core.instants import to_utc
from durable_pony.dialects import dialect_of
from durable_sql.schema.layouts import layout_of
from durable_sql.schema.tables import Kind
from durable_sql.stored_instants import read_instant
from durable_sql.stored_json import read_json

__all__ = ["Given", "Maybe", "forget_what_was_read"]


class _InstantConverter(DatetimeConverter):  # type: ignore[misc] # Pony has no types
    """An instant: an aware datetime in UTC comes out, an aware datetime of any zone goes in."""

    def validate(self, val: Any, obj: Any = None) -> datetime:
        return to_utc(val, self.attr.name)

    def py2sql(self, val: datetime) -> Any:
        return dialect_of(self.provider.database).encode_instant(val)

    def sql2py(self, val: Any) -> datetime:
        return read_instant(val, self.attr.name)


class _JsonConverter(Converter):  # type: ignore[misc] # Pony has no types
    """JSON text as the value that it stands for."""

    def val2dbval(self, val: Any, obj: Any = None) -> str:
        return json_text(val, self.attr.name)

    def dbval2val(self, dbval: Any, obj: Any = None) -> Any:
        return read_json(dbval, repr(self.attr)) if isinstance(dbval, str) else dbval

    def sql_type(self) -> str:
        return layout_of(dialect_of(self.provider.database)).types[Kind.JSON]


_TYPES: Final[dict[Kind, tuple[Any, dict[str, Any]]]] = {
    Kind.KEY: (str, {"max_len": 191, "autostrip": False}),
    Kind.JSON: (LongStr, {"lazy": False}),
    Kind.INSTANT: (datetime, {}),
    Kind.INTEGER: (int, {"size": 32}),
    Kind.NUMBER: (float, {}),
}
_SAVED: Final = ("loaded", "inserted", "updated")
_CONVERTERS: Final[dict[Kind, type[Converter]]] = {Kind.INSTANT: _InstantConverter, Kind.JSON: _JsonConverter}


class _Ours:
    """An attribute of a table of ours. Workers change the rows all the time, so it is volatile."""

    def __init__(self, kind: Kind, *, volatile: bool = True, **options: Any) -> None:
        py_type, defaults = _TYPES[kind]
        self._kind = kind
        super().__init__(py_type, volatile=volatile, **{**defaults, **options})  # type: ignore[call-arg] # Pony's

    def get_columns(self) -> Any:
        """What Pony asks when it maps the entity."""
        attribute: Any = self
        columns = super().get_columns()  # type: ignore[misc] # Pony's
        database = attribute.entity._database_
        converter = _CONVERTERS.get(self._kind)
        if converter is not None and not isinstance(attribute.converters[0], converter):
            attribute.converters = [_made(converter, database.provider, attribute)]
        if (table := database.schema.tables.get(attribute.entity._table_)) is not None:
            # Neither a table of other types, nor foreign keys that a worker would have to lock.
            table.get_objects_to_create = _nothing
        return columns


class Given(_Ours, Required):  # type: ignore[misc] # Pony has no types
    """A column that is never NULL."""


class Maybe(_Ours, Optional):  # type: ignore[misc] # Pony has no types
    """A column that may be NULL."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind, nullable=True)


def forget_what_was_read(cache: Any) -> None:
    """Let the host read again what this session has read: rows of ours were written past it."""
    cache.query_results.clear()
    if not any(isinstance(one, _Ours) for entity in cache.database.entities.values() for one in entity._attrs_):
        return
    for row in cache.objects:
        for attribute in row._attrs_ if row._status_ in _SAVED else ():
            if isinstance(attribute, _Ours) and attribute.is_volatile:  # type: ignore[attr-defined] # Pony's
                row._vals_.pop(attribute, None)
                row._dbvals_.pop(attribute, None)


def _made(kind: type[Converter], provider: Any, attribute: Any) -> Converter:
    # Pony's own has used the attribute's options up.
    options, attribute.kwargs = attribute.kwargs, {}
    try:
        return kind(provider, attribute.py_type, attribute)
    finally:
        attribute.kwargs = options


def _nothing(*_created_tables: Any) -> list[Any]:
    return []
