"""The durable tables' columns as Peewee fields: declared as our own DDL declares them, whatever the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import peewee

from durable_core.codec import json_text
from durable_core.instants import to_utc
from durable_peewee.dialects import dialect_of
from durable_sql.dialect import Dialect
from durable_sql.schema.layouts import layout_of
from durable_sql.schema.tables import Kind
from durable_sql.stored_instants import read_instant
from durable_sql.stored_json import read_json

__all__ = ["InstantField", "JsonField", "KeyField", "SequenceField", "WholeField"]

if TYPE_CHECKING:
    _CharField = peewee.CharField[Any]
    _DateTimeField = peewee.DateTimeField[Any]
    _IntegerField = peewee.IntegerField[Any]
    _TextField = peewee.TextField[Any]
    _AutoField = peewee.AutoField[Any]
else:  # at run time Peewee's fields take no type parameters
    from peewee import AutoField as _AutoField
    from peewee import CharField as _CharField
    from peewee import DateTimeField as _DateTimeField
    from peewee import IntegerField as _IntegerField
    from peewee import TextField as _TextField

_KEY_LENGTH: Final = 191


def _dialect(field: peewee.Field[Any]) -> Dialect:
    return dialect_of(field.model._meta.database)  # noqa: SLF001 - Peewee's own public name for it


def _datatype(field: peewee.Field[Any], kind: Kind) -> peewee.SQL:
    return peewee.SQL(layout_of(_dialect(field)).types[kind])


class KeyField(_CharField):
    """An exact string of at most 191 characters. Give it to a column of yours that refers to a run's id."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(_KEY_LENGTH, *args, **kwargs)

    def ddl_datatype(self, ctx: Any) -> peewee.SQL:
        """The type in our DDL, with its collation."""
        return _datatype(self, Kind.KEY)


class JsonField(_TextField):
    """JSON text as the value that it stands for; SQL NULL as None."""

    def ddl_datatype(self, ctx: Any) -> peewee.SQL:
        """The type in our DDL."""
        return _datatype(self, Kind.JSON)

    def db_value(self, value: Any) -> str | None:
        """JSON text, in the one spelling that every language of the project writes."""
        return None if value is None else json_text(value, self.name)

    def python_value(self, value: Any) -> Any:
        """The JSON value, or `UnreadableText` and a warning."""
        if not isinstance(value, str):
            return value
        return read_json(value, f"{self.model.__name__}.{self.name}")


class InstantField(_DateTimeField):
    """An instant: an aware datetime in UTC comes out, an aware datetime of any zone goes in."""

    def ddl_datatype(self, ctx: Any) -> peewee.SQL:
        """The type in our DDL."""
        return _datatype(self, Kind.INSTANT)

    def db_value(self, value: Any) -> Any:
        """The instant as the database keeps it; raises `InvalidInstant` for a naive datetime."""
        return None if value is None else _dialect(self).encode_instant(to_utc(value, self.name))

    def python_value(self, value: Any) -> Any:
        """An aware datetime in UTC."""
        return None if value is None else read_instant(value, self.name)


class WholeField(_IntegerField):
    """A signed whole number of 32 bits."""

    def ddl_datatype(self, ctx: Any) -> peewee.SQL:
        """The type in our DDL."""
        return _datatype(self, Kind.INTEGER)


class SequenceField(_AutoField):
    """A primary key that the database counts up, in 64 bits."""

    def ddl(self, ctx: Any) -> peewee.NodeList:
        """The whole column, since each database spells a counting key in another order."""
        spelled = layout_of(_dialect(self)).types[Kind.SEQUENCE]
        key = "" if "PRIMARY KEY" in spelled else " PRIMARY KEY"
        return peewee.NodeList((peewee.Entity(self.column_name), peewee.SQL(f"{spelled} NOT NULL{key}")))
