"""The durable tables' columns as Tortoise fields: declared as our own DDL declares them, whatever the database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

from tortoise.fields import BigIntField, CharField, DatetimeField, IntField, TextField

from durable_core.codec import json_text
from durable_core.instants import to_utc
from durable_sql.dialect import MYSQL, POSTGRES, SQLITE
from durable_sql.schema.layout import Layout
from durable_sql.schema.layouts import layout_of
from durable_sql.schema.render import quoted
from durable_sql.schema.tables import Kind
from durable_sql.stored_instants import read_instant
from durable_sql.stored_json import read_json
from durable_tortoise.dialects import dialect_of

__all__ = [
    "CompositeKeyField",
    "InstantField",
    "JsonField",
    "KeyField",
    "SequenceField",
    "WholeField",
]

_KEY_LENGTH: Final = 191
_LAYOUTS: Final = tuple(layout_of(dialect) for dialect in (SQLITE, POSTGRES, MYSQL))

#: What Tortoise asks a field for on one database; SQLite's, PostgreSQL's and MySQL's.
_Spellings = tuple[Any, Any, Any]

Text = TypeVar("Text", str, "str | None")
Instant = TypeVar("Instant", datetime, "datetime | None")
Whole = TypeVar("Whole", int, "int | None")


def _spelled(kind: Kind) -> _Spellings:
    """How each database declares a column of *kind*."""
    sqlite, postgres, mysql = (type("Spelling", (), {"SQL_TYPE": layout.types[kind]}) for layout in _LAYOUTS)
    return sqlite, postgres, mysql


def _spelled_key(kind: Kind, key: Callable[[Any, Layout], str]) -> _Spellings:
    """As `_spelled`, for a field that is Tortoise's primary key; *key* tells what follows the column's type."""
    sqlite, postgres, mysql = (_key_spelling(kind, key, layout) for layout in _LAYOUTS)
    return sqlite, postgres, mysql


def _key_spelling(kind: Kind, key: Callable[[Any, Layout], str], layout: Layout) -> type:
    class Spelling:
        SQL_TYPE = layout.types[kind]

        def __init__(self, field: Any) -> None:
            self._field = field

        @property
        def GENERATED_SQL(self) -> str:  # noqa: N802 - Tortoise's name for all that stands behind the column's
            return f"{self.SQL_TYPE} NOT NULL{key(self._field, layout)}"

    return Spelling


def _counting_key(_field: Any, layout: Layout) -> str:
    return "" if "PRIMARY KEY" in layout.types[Kind.SEQUENCE] else " PRIMARY KEY"


def _composite_key(field: Any, layout: Layout) -> str:
    return f",\n    PRIMARY KEY ({quoted(layout.quote, *field.of)})"


class KeyField(CharField[Text]):
    """An exact string of at most 191 characters. Give it to a column of yours that refers to a run's id."""

    _db_sqlite, _db_postgres, _db_mysql = _spelled(Kind.KEY)

    @overload
    def __init__(self: KeyField[str], *, null: Literal[False] = False, **kwargs: Any) -> None: ...
    @overload
    def __init__(self: KeyField[str | None], *, null: Literal[True], **kwargs: Any) -> None: ...
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(_KEY_LENGTH, **kwargs)  # type: ignore[misc] # by the caller's overload


class CompositeKeyField(KeyField[str]):
    """The last column of a table whose key is several columns, *of*: it declares the key behind itself.

    Tortoise knows no such keys and takes this column for the primary key; the database does not.
    """

    allows_generated = True  # which is how a key's declaration is ours to write; see `TwoKeyRow` for the rest
    _db_sqlite, _db_postgres, _db_mysql = _spelled_key(Kind.KEY, _composite_key)

    def __init__(self, of: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "primary_key": True, "generated": True})
        self.of = of


class JsonField(TextField):
    """JSON text as the value that it stands for; SQL NULL as None."""

    field_type = Any
    _db_sqlite, _db_postgres, _db_mysql = _spelled(Kind.JSON)

    if TYPE_CHECKING:  # what an instance gives is the value, of whatever type it is

        def __get__(self, instance: Any, owner: Any) -> Any: ...

    def to_db_value(self, value: Any, instance: Any) -> str | None:
        """JSON text, in the one spelling that every language of the project writes."""
        return None if value is None else json_text(value, self.model_field_name)

    def to_python_value(self, value: Any) -> Any:
        """The JSON value, or `UnreadableText` and a warning."""
        if not isinstance(value, str):
            return value
        return read_json(value, f"{self.model.__name__}.{self.model_field_name}")


class InstantField(DatetimeField[Instant]):
    """An instant: an aware datetime in UTC comes out, an aware datetime of any zone goes in."""

    _db_sqlite, _db_postgres, _db_mysql = _spelled(Kind.INSTANT)

    @overload
    def __init__(self: InstantField[datetime], *, null: Literal[False] = False, **kwargs: Any) -> None: ...
    @overload
    def __init__(self: InstantField[datetime | None], *, null: Literal[True], **kwargs: Any) -> None: ...
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[misc] # by the caller's overload

    def to_db_value(self, value: Any, instance: Any) -> Any:
        """The instant as the database keeps it; raises `InvalidInstant` for a naive datetime."""
        if value is None:
            return None
        dialect = dialect_of(self.model._meta.db)  # noqa: SLF001 - Tortoise's own public name for it
        return dialect.encode_instant(to_utc(value, self.model_field_name))

    def to_python_value(self, value: Any) -> Any:
        """An aware datetime in UTC."""
        return None if value is None else read_instant(value, self.model_field_name)


class WholeField(IntField[Whole]):
    """A signed whole number of 32 bits."""

    _db_sqlite, _db_postgres, _db_mysql = _spelled(Kind.INTEGER)

    @overload
    def __init__(self: WholeField[int], *, null: Literal[False] = False, **kwargs: Any) -> None: ...
    @overload
    def __init__(self: WholeField[int | None], *, null: Literal[True], **kwargs: Any) -> None: ...
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[misc] # by the caller's overload


class SequenceField(BigIntField):
    """A primary key that the database counts up, in 64 bits."""

    _db_sqlite, _db_postgres, _db_mysql = _spelled_key(Kind.SEQUENCE, _counting_key)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "primary_key": True})
