"""Everything that may differ between databases, as values. Nothing else may."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

from durable_sql.schema.tables import Kind
from durable_sql.stored_instants import as_aware, as_naive, as_text

__all__ = ["MYSQL", "POSTGRES", "SQLITE", "Condition", "Dialect"]

#: A piece of SQL with ``:named`` parameters, and their values.
Condition = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One database's ways. Clauses begin with the space that sets them apart."""

    name: str
    #: The driver's placeholder for the n-th parameter of a statement, from 1.
    placeholder: Callable[[int], str]
    quote: str
    #: Whether an UPDATE that finds equal values may report 0 rows: 0 then does not mean that nothing matched.
    counts_changed_rows: bool
    #: Whether INSERT, UPDATE and DELETE can return rows.
    has_returning: bool
    for_update: str
    #: FOR UPDATE that steps over what others hold locked.
    skip_locked: str
    for_share: str
    #: INSERT that does nothing where the key exists; blank where only the duplicate key's error can tell.
    insert_once: Callable[[Sequence[str]], str]
    #: INSERT that replaces the given columns where the key exists.
    upsert: Callable[[Sequence[str], Sequence[str]], str]
    #: What OFFSET needs in front of it to stand without a limit.
    no_limit: str
    #: A parameter whose type the database could not work out by itself.
    typed: Callable[[Kind, str], str]
    #: A text expression that compares by code point, whatever the column's collation.
    by_code_point: Callable[[str], str]
    #: Whether a column of JSON text, without its first and last character and between two markers, holds a text.
    holds_element: Callable[[str, str], str]
    #: Whether a column starts with a prefix, literally and case-sensitively.
    starts_with: Callable[[str, str, str], Condition]
    encode_instant: Callable[[datetime], Any]

    def quoted(self, name: str) -> str:
        """*name* as an identifier."""
        return f"{self.quote}{name}{self.quote}"

    def with_placeholder(self, placeholder: Callable[[int], str]) -> Self:
        """This dialect for a driver that writes its parameters otherwise."""
        return replace(self, placeholder=placeholder)


def _percent_s(_position: int) -> str:
    return "%s"


def _question_mark(_position: int) -> str:
    return "?"


def _as_it_is(expression: str) -> str:
    return expression


def _untyped(_kind: Kind, parameter: str) -> str:
    return parameter


def _on_conflict_nothing(keys: Sequence[str]) -> str:
    return f" ON CONFLICT ({', '.join(keys)}) DO NOTHING"


def _on_conflict_update(keys: Sequence[str], columns: Sequence[str]) -> str:
    return f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET " + ", ".join(f"{one} = excluded.{one}" for one in columns)


def _on_duplicate_error(_keys: Sequence[str]) -> str:
    # INSERT IGNORE would also turn data errors into warnings, and ON DUPLICATE KEY UPDATE reports 1 row for a
    # duplicate under FOUND_ROWS. The error undoes this statement alone, even inside a transaction.
    return ""


def _on_duplicate_update(_keys: Sequence[str], columns: Sequence[str]) -> str:
    return " ON DUPLICATE KEY UPDATE " + ", ".join(f"{one} = VALUES({one})" for one in columns)


_POSTGRES_TYPES: Final = {
    Kind.KEY: "varchar",
    Kind.JSON: "text",
    Kind.INSTANT: "timestamptz",
    Kind.INTEGER: "integer",
    Kind.NUMBER: "double precision",
    Kind.SEQUENCE: "bigint",
}


def _cast(kind: Kind, parameter: str) -> str:
    return f"CAST({parameter} AS {_POSTGRES_TYPES[kind]})"


def _in_c_collation(expression: str) -> str:
    return f'{expression} COLLATE "C"'


def _as_bytes(expression: str) -> str:
    # utf8mb4_bin pads with spaces, so that control characters would sort before the end of a text.
    return f"CAST(CONVERT({expression} USING utf8mb4) AS BINARY)"


def _sqlite_element(column: str, parameter: str) -> str:
    return f"""instr('",' || substr({column}, 2, length({column}) - 2) || ',"', {parameter}) > 0"""


def _postgres_element(column: str, parameter: str) -> str:
    inside = f"""'",' || substr({column}, 2, greatest(length({column}) - 2, 0)) || ',"'"""
    return f"strpos({inside}, CAST({parameter} AS text)) > 0"


def _mysql_element(column: str, parameter: str) -> str:
    inside = f"""CONCAT('",', SUBSTRING({column}, 2, CHAR_LENGTH({column}) - 2), ',"')"""
    return f"LOCATE(CONVERT({parameter} USING utf8mb4) COLLATE utf8mb4_bin, {inside}) > 0"


def _bounded(compared: Callable[[str], str]) -> Callable[[str, str, str], Condition]:
    """Between the prefix and the first text behind all that start with it: an index serves that, unlike LIKE."""

    def starts_with(column: str, name: str, prefix: str) -> Condition:
        condition, bounds = f"{compared(column)} >= :{name}", {name: prefix}
        if (beyond := _first_beyond(prefix)) is not None:
            condition, bounds = f"{condition} AND {compared(column)} < :{name}_end", {**bounds, f"{name}_end": beyond}
        return condition, bounds

    return starts_with


def _bounded_and_exact(column: str, name: str, prefix: str) -> Condition:
    # The index finds the neighbourhood, and bytes decide: MySQL compares texts as if spaces went on behind their end,
    # and its LIKE looks into the same index with bounds that leave out control characters.
    near, bounds = _bounded(_as_it_is)(column, f"{name}_low", prefix)
    exact = f"LEFT({_as_bytes(column)}, :{name}_length) = {_as_bytes(f':{name}')}"
    bounds |= {f"{name}_low": f"{prefix}\0", name: prefix, f"{name}_length": len(prefix.encode())}
    return f"{near} AND {exact}", bounds


def _first_beyond(prefix: str) -> str | None:
    """The least text that is greater than every text starting with *prefix*; None if there is none."""
    kept = prefix.rstrip(chr(sys.maxunicode))
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)  # noqa: PLR2004 - surrogates are no text


SQLITE: Final = Dialect(
    name="sqlite",
    placeholder=_question_mark,
    quote='"',
    counts_changed_rows=False,
    has_returning=True,
    for_update="",  # a transaction of ours holds the file's one write lock from its beginning
    skip_locked="",
    for_share="",
    insert_once=_on_conflict_nothing,
    upsert=_on_conflict_update,
    no_limit=" LIMIT -1",
    typed=_untyped,
    by_code_point=_as_it_is,
    holds_element=_sqlite_element,
    starts_with=_bounded(_as_it_is),
    encode_instant=as_text,
)

POSTGRES: Final = Dialect(
    name="postgres",
    placeholder=_percent_s,
    quote='"',
    counts_changed_rows=False,
    has_returning=True,
    for_update=" FOR UPDATE",
    skip_locked=" FOR UPDATE SKIP LOCKED",
    for_share=" FOR SHARE",
    insert_once=_on_conflict_nothing,
    upsert=_on_conflict_update,
    no_limit="",
    typed=_cast,
    by_code_point=_in_c_collation,
    holds_element=_postgres_element,
    starts_with=_bounded(_in_c_collation),
    encode_instant=as_aware,
)

#: MySQL and MariaDB: what both have.
MYSQL: Final = Dialect(
    name="mysql",
    placeholder=_percent_s,
    quote="`",
    counts_changed_rows=True,
    has_returning=False,
    for_update=" FOR UPDATE",
    skip_locked=" FOR UPDATE SKIP LOCKED",
    for_share=" LOCK IN SHARE MODE",
    insert_once=_on_duplicate_error,
    upsert=_on_duplicate_update,
    no_limit=" LIMIT 18446744073709551615",
    typed=_untyped,
    by_code_point=_as_bytes,
    holds_element=_mysql_element,
    starts_with=_bounded_and_exact,
    encode_instant=as_naive,
)
