"""The layout on PostgreSQL: the tables that an unqualified name finds on the search path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from durable_sql.schema.layout import Fault, Layout
from durable_sql.schema.live import LiveColumn, LiveTable
from durable_sql.schema.render import quoted
from durable_sql.schema.tables import Column, Kind

__all__ = ["POSTGRES_LAYOUT"]

_OLDEST: Final = 120000
_KEY_LENGTH: Final = 191
_MILLISECONDS: Final = 3
#: Ours alone: the Node library's lock may stay held for ever on a pooled connection of its own.
_LOCK_KEY: Final = 0x6475_7261_626C_65  # "durable"
_VARCHAR, _TEXT = "character varying", "text"
_TIMESTAMPTZ, _TIMESTAMP = "timestamp with time zone", "timestamp without time zone"
_WHOLE: Final = ("integer", "bigint")
_JSON_TYPES: Final = ("json", "jsonb")


def _found(names: Sequence[str]) -> str:
    return ", ".join(f"to_regclass('{name}')" for name in names)


def _glance(names: Sequence[str]) -> str:
    return (
        "SELECT current_setting('server_version_num') AS version, "
        f"(SELECT COUNT(*) FROM unnest(ARRAY[{_found(names)}]) AS found "
        "WHERE has_table_privilege(found, 'SELECT')) AS tables"
    )


def _columns(names: Sequence[str]) -> str:
    return (
        "SELECT c.relname AS table_name, a.attname AS column_name, "
        "format_type(a.atttypid, a.atttypmod) AS column_type, NOT a.attnotnull AS nullable, "
        "pg_get_expr(d.adbin, d.adrelid) AS column_default, "
        "CASE WHEN o.collisdeterministic THEN o.collname ELSE 'nondeterministic ' || o.collname END AS collation, "
        "a.attidentity <> '' OR a.attgenerated <> '' AS generated, NULL AS declaration, NULL AS engine "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
        "LEFT JOIN pg_collation o ON o.oid = a.attcollation "
        f"WHERE c.oid = ANY (ARRAY[{_found(names)}]::oid[]) ORDER BY c.relname, a.attnum"
    )


def _indexes(names: Sequence[str]) -> str:
    return (
        "SELECT c.relname AS table_name, i.relname AS index_name, x.indisunique AS is_unique, "
        "x.indisprimary AS is_primary, "
        "x.indpred IS NULL AND x.indisvalid AND m.amname = 'btree' AND x.indoption[k.n - 1] & 1 = 0 AS plain, "
        "a.attname AS column_name "
        "FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid "
        "JOIN pg_am m ON m.oid = i.relam "
        "CROSS JOIN LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY AS k (attnum, n) "
        "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum > 0 "
        f"WHERE c.oid = ANY (ARRAY[{_found(names)}]::oid[]) AND k.n <= x.indnkeyatts "
        "ORDER BY c.relname, i.relname, k.n"
    )


def _complaint(column: Column, live: LiveColumn) -> str | None:
    return _TEXTS[column.kind](live) if column.kind in _TEXTS else _PLAIN[column.kind](live)


def _key(live: LiveColumn) -> str | None:
    if live.base not in (_VARCHAR, _TEXT):
        return f"is {live.type}, not varchar({_KEY_LENGTH})"
    if live.size is not None and live.size < _KEY_LENGTH:
        return f"is {live.type}, too short: identifiers may have {_KEY_LENGTH} characters"
    if (live.collation or "").startswith("nondeterministic "):
        return f"has the {live.collation} collation, which takes different identifiers for one"
    return None


def _json(live: LiveColumn) -> str | None:
    if live.base in _JSON_TYPES:
        return f"is {live.type}, which rewrites numbers, keys and spaces and refuses some texts: payloads are text"
    if live.base not in (_VARCHAR, _TEXT) or live.size is not None:
        return f"is {live.type}, not text"
    return None


def _instant(live: LiveColumn) -> str | None:
    if live.base == _TIMESTAMP:
        return f"is {live.type}, which means another instant in every session's time zone"
    if live.base != _TIMESTAMPTZ:
        return f"is {live.type}, not timestamp with time zone"
    if live.size is not None and live.size < _MILLISECONDS:
        return f"is {live.type}, which rounds instants: leases and order within a second need milliseconds"
    return None


def _integer(live: LiveColumn) -> str | None:
    return None if live.base in _WHOLE else f"is {live.type}, not integer"


def _number(live: LiveColumn) -> str | None:
    if live.base == "real":
        return "is real, which keeps 7 digits: equality finds no 0.1"
    return None if live.base == "double precision" else f"is {live.type}, not double precision"


def _sequence(live: LiveColumn) -> str | None:
    if live.base not in _WHOLE:
        return f"is {live.type}, not bigint"
    if not live.generated and live.default is None:
        return f"is {live.type}, and the database does not count it up"
    return None


_TEXTS: Final = {Kind.KEY: _key, Kind.JSON: _json}
_PLAIN: Final = {Kind.INSTANT: _instant, Kind.INTEGER: _integer, Kind.NUMBER: _number, Kind.SEQUENCE: _sequence}


def _reservation(column: Column, live: LiveColumn) -> str | None:
    if column.kind is Kind.KEY and live.collation != "C":
        return f'has the collation {live.collation}, not "C": its order is the locale\'s, its indexes serve no prefix'
    if column.kind is Kind.SEQUENCE and live.base == "integer":
        return "is integer, and ends at 2147483647"
    return None


def _mends(faults: Sequence[Fault], live: LiveTable) -> tuple[str, ...]:
    table = faults[0].table
    changes = []
    for fault in faults:
        if fault.column is not None:
            changes += _changes(fault.column, live.columns[fault.column.name])
    if not live.identifies(table.primary_key):
        changes.append(f"ADD PRIMARY KEY ({quoted(POSTGRES_LAYOUT.quote, *table.primary_key)})")
    changes += [f'ALTER COLUMN "{it.name}" DROP NOT NULL' for it in live.strangers(table.column_names) if it.demanding]
    # One statement for the whole table, since it may have to copy it.
    return (f'ALTER TABLE "{table.name}"\n  ' + ",\n  ".join(changes),)


def _changes(column: Column, live: LiveColumn) -> list[str]:
    alter = f'ALTER COLUMN "{column.name}"'
    if column.kind is Kind.SEQUENCE:
        counts = live.generated or live.default is not None
        return [f"{alter} TYPE bigint", *([] if counts else [f"{alter} ADD GENERATED BY DEFAULT AS IDENTITY"])]
    changes = []
    if column.nullable and not live.nullable:
        changes.append(f"{alter} DROP NOT NULL")
    if _complaint(column, live) is not None or _reservation(column, live) is not None:
        target = POSTGRES_LAYOUT.types[column.kind]
        changes.append(f"{alter} TYPE {target} USING {_converted(column, live)}")
    return changes


def _converted(column: Column, live: LiveColumn) -> str:
    name = f'"{column.name}"'
    if column.kind is Kind.INSTANT and live.base == _TIMESTAMP:
        return f"{name} AT TIME ZONE 'UTC'"
    if column.kind is Kind.INSTANT and live.base in (*_WHOLE, "numeric"):
        return f"to_timestamp({name} / 1000.0)"
    return f"{name}::{POSTGRES_LAYOUT.types[column.kind].partition(' COLLATE')[0]}"


POSTGRES_LAYOUT: Final = Layout(
    quote='"',
    types={
        Kind.KEY: 'varchar(191) COLLATE "C"',
        Kind.JSON: "text",
        Kind.INSTANT: "timestamptz(3)",
        Kind.INTEGER: "integer",
        Kind.NUMBER: "double precision",
        Kind.SEQUENCE: "bigint GENERATED BY DEFAULT AS IDENTITY",
    },
    table_options="",
    transactional_ddl=True,
    glance=_glance,
    columns=_columns,
    indexes=_indexes,
    contents=None,
    opening=("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET LOCAL lock_timeout = '10s'"),
    transaction_lock=f"SELECT pg_advisory_xact_lock({_LOCK_KEY})",
    connection_lock=None,
    now_ms="CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint)",
    marker_upsert=(
        "ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, applied_at = excluded.applied_at"
    ),
    supported="PostgreSQL 12 or later",
    supports=lambda version: int(version) >= _OLDEST,
    complaint=_complaint,
    reservation=_reservation,
    mends=_mends,
)
