"""The layout on SQLite and libSQL: declared types are advice, so what is stored counts as well."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from durable_sql.schema.layout import Fault, Layout
from durable_sql.schema.live import LiveColumn, LiveTable
from durable_sql.schema.render import create_index, create_table, literals, quoted
from durable_sql.schema.tables import TABLES, Column, Kind, Table

__all__ = ["SQLITE_LAYOUT"]

_OLDEST: Final = (3, 35)
#: Affinities in which text stays text, as the database derives them from a declared type.
_TEXT, _INTEGER, _REAL, _BLOB, _NUMERIC = "text", "integer", "real", "blob", "numeric"


def _glance(names: Sequence[str]) -> str:
    return (
        "SELECT sqlite_version() AS version, (SELECT COUNT(*) FROM sqlite_master "
        f"WHERE type = 'table' AND name IN ({literals(*names)})) AS tables"
    )


def _columns(names: Sequence[str]) -> str:
    return (
        "SELECT m.name AS table_name, c.name AS column_name, c.type AS column_type, "
        'c."notnull" = 0 AS nullable, c.dflt_value AS column_default, NULL AS collation, '
        "c.pk = 1 AND lower(c.type) = 'integer' AS generated, m.sql AS declaration, NULL AS engine "
        "FROM sqlite_master m JOIN pragma_table_info(m.name) c "
        f"WHERE m.type = 'table' AND m.name IN ({literals(*names)}) ORDER BY m.name, c.cid"
    )


def _indexes(names: Sequence[str]) -> str:
    listed = literals(*names)
    return (
        "SELECT m.name AS table_name, l.name AS index_name, l.\"unique\" AS is_unique, l.origin = 'pk' AS is_primary, "
        "l.partial = 0 AND x.\"desc\" = 0 AND x.coll = 'BINARY' AS plain, x.name AS column_name, x.seqno AS position "
        "FROM sqlite_master m JOIN pragma_index_list(m.name) l JOIN pragma_index_xinfo(l.name) x "
        f"WHERE m.type = 'table' AND m.name IN ({listed}) AND x.key = 1 "
        # The key that is the row's own number has no index to list.
        "UNION ALL SELECT m.name, '', 1, 1, 1, c.name, 0 FROM sqlite_master m JOIN pragma_table_info(m.name) c "
        f"WHERE m.type = 'table' AND m.name IN ({listed}) AND c.pk = 1 AND lower(c.type) = 'integer' "
        "ORDER BY 1, 2, 7"
    )


def _contents(live: Mapping[str, LiveTable]) -> str:
    """Instants that are no text: other Node adapters store epoch numbers in columns declared `datetime`."""
    found = ["SELECT '' AS table_name, '' AS column_name, '' AS stored WHERE 0"]
    for table in TABLES:
        for column in table.columns:
            if column.kind is Kind.INSTANT and table.name in live and column.name in live[table.name].columns:
                odd = f"typeof(\"{column.name}\") IN ('integer', 'real', 'blob')"
                found.append(
                    f"SELECT '{table.name}', '{column.name}', "
                    f'(SELECT typeof("{column.name}") FROM "{table.name}" WHERE {odd} LIMIT 1) '
                    f'WHERE EXISTS (SELECT 1 FROM "{table.name}" WHERE {odd})'
                )
    return " UNION ALL ".join(found)


def _affinity(declared: str) -> str:
    upper = declared.upper()
    if "INT" in upper:
        return _INTEGER
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return _TEXT
    if not upper or "BLOB" in upper:
        return _BLOB
    if any(word in upper for word in ("REAL", "FLOA", "DOUB")):
        return _REAL
    return _NUMERIC


def _complaint(column: Column, live: LiveColumn) -> str | None:
    collation = re.search(
        rf"""["`[]?\b{live.name}\b[^,]*?\bCOLLATE\s+["`[]?(\w+)""", live.declaration or "", re.IGNORECASE
    )
    if collation is not None and collation[1].upper() != "BINARY":
        return f"has the collation {collation[1]}, which takes different texts for one"
    return _COMPLAINTS[column.kind](live, _affinity(live.type))


def _text(live: LiveColumn, affinity: str) -> str | None:
    if affinity in (_TEXT, _BLOB):
        return None
    return f"is declared {live.type}, which turns text that looks like a number into a number"


def _instant(live: LiveColumn, affinity: str) -> str | None:
    if live.stored is not None:
        return (
            f"holds values that are {live.stored}: instants are text 'YYYY-MM-DD HH:MM:SS.mmm', which sorts elsewhere"
        )
    if affinity in (_INTEGER, _REAL):
        return f"is declared {live.type}: whoever declared it stores epoch numbers, which sort before our text"
    return None


def _integer(live: LiveColumn, affinity: str) -> str | None:
    return None if affinity in (_INTEGER, _NUMERIC) else f"is declared {live.type}, not integer"


def _number(live: LiveColumn, affinity: str) -> str | None:
    return None if affinity in (_REAL, _NUMERIC) else f"is declared {live.type}, not real"


def _sequence(live: LiveColumn, _affinity: str) -> str | None:
    return None if live.generated else f"is declared {live.type}, not INTEGER PRIMARY KEY: nothing counts it up"


_COMPLAINTS: Final = {
    Kind.KEY: _text,
    Kind.JSON: _text,
    Kind.INSTANT: _instant,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.SEQUENCE: _sequence,
}


def _mends(faults: Sequence[Fault], live: LiveTable) -> tuple[str, ...]:
    """Copy the table into one that is declared right: no ALTER of this database changes a column's type.

    The copy takes the name last, so that what refers to the table by name keeps doing so; and foreign keys are off,
    since dropping a table would delete what refers to its rows.
    """
    table = faults[0].table
    copy = Table(f"{table.name}_mended", table.columns, table.primary_key)
    shared = [column for column in table.columns if column.name in live.columns]
    strangers = live.strangers(table.column_names)
    names = quoted('"', *(column.name for column in shared), *(column.name for column in strangers))
    values = ", ".join([*(_converted(column) for column in shared), *(f'"{it.name}"' for it in strangers)])
    return (
        "PRAGMA foreign_keys = OFF",
        create_table(SQLITE_LAYOUT, copy, [f'"{it.name}" {it.type}' for it in strangers]),
        f'INSERT INTO "{copy.name}" ({names}) SELECT {values} FROM "{table.name}"',
        f'DROP TABLE "{table.name}"',
        f'ALTER TABLE "{copy.name}" RENAME TO "{table.name}"',
        *(create_index(SQLITE_LAYOUT, table, index) for index in table.indexes),
    )


def _converted(column: Column) -> str:
    name = f'"{column.name}"'
    if column.kind is not Kind.INSTANT:
        return f"COALESCE({name}, '{column.default}')" if column.default is not None else name
    from_ms = f"strftime('%Y-%m-%d %H:%M:%f', {name} / 1000.0, 'unixepoch')"
    return f"CASE WHEN typeof({name}) IN ('integer', 'real') THEN {from_ms} ELSE {name} END"


def _supports(version: str) -> bool:
    parts = re.findall(r"\d+", version)
    return tuple(int(part) for part in parts[:2]) >= _OLDEST


SQLITE_LAYOUT: Final = Layout(
    quote='"',
    types={
        Kind.KEY: "varchar(191)",
        Kind.JSON: "text",
        Kind.INSTANT: "datetime",
        Kind.INTEGER: "integer",
        Kind.NUMBER: "real",
        Kind.SEQUENCE: "integer PRIMARY KEY AUTOINCREMENT",
    },
    table_options="",
    transactional_ddl=True,
    glance=_glance,
    columns=_columns,
    indexes=_indexes,
    contents=_contents,
    opening=(),
    transaction_lock=None,  # the transaction itself takes the file's write lock
    connection_lock=None,
    now_ms="CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    marker_upsert=(
        "ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, applied_at = excluded.applied_at"
    ),
    supported="SQLite 3.35 or later (RETURNING)",
    supports=_supports,
    complaint=_complaint,
    reservation=lambda _column, _live: None,
    mends=_mends,
)
