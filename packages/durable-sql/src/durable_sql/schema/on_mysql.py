"""The layout on MySQL and MariaDB, where the defaults lose case, milliseconds and emoji."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from durable_sql.schema.layout import Fault, Layout
from durable_sql.schema.live import LiveColumn, LiveTable
from durable_sql.schema.render import column_definition, literals, quoted
from durable_sql.schema.tables import Column, Kind

__all__ = ["MYSQL_LAYOUT"]

_OLDEST_MYSQL: Final = (8, 0, 1)
_OLDEST_MARIADB: Final = (10, 6, 0)
_KEY_LENGTH: Final = 191
_MILLISECONDS: Final = 3
_WHOLE: Final = ("int", "bigint")
_EXACT: Final = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
#: The library's lock on this server is one per database, and its name may have 64 characters.
_LOCK_NAME: Final = "CONCAT('durable_schema:', MD5(DATABASE()))"
_LOCK_SECONDS: Final = 60


def _glance(names: Sequence[str]) -> str:
    return (
        "SELECT VERSION() AS version, (SELECT COUNT(*) FROM information_schema.tables "
        f"WHERE table_schema = DATABASE() AND table_name IN ({literals(*names)})) AS tables"
    )


def _columns(names: Sequence[str]) -> str:
    return (
        "SELECT c.table_name AS table_name, c.column_name AS column_name, c.column_type AS column_type, "
        "c.is_nullable = 'YES' AS nullable, c.column_default AS column_default, c.collation_name AS collation, "
        "INSTR(c.extra, 'auto_increment') > 0 OR INSTR(c.extra, ' GENERATED') > 0 AS `generated`, "
        "NULL AS declaration, t.engine AS engine "
        "FROM information_schema.columns c JOIN information_schema.tables t "
        "ON t.table_schema = c.table_schema AND t.table_name = c.table_name "
        f"WHERE c.table_schema = DATABASE() AND c.table_name IN ({literals(*names)}) "
        "ORDER BY c.table_name, c.ordinal_position"
    )


def _indexes(names: Sequence[str]) -> str:
    return (
        "SELECT table_name AS table_name, index_name AS index_name, non_unique = 0 AS is_unique, "
        "index_name = 'PRIMARY' AS is_primary, "
        "sub_part IS NULL AND index_type = 'BTREE' AND COALESCE(collation, 'A') = 'A' AS plain, "
        "column_name AS column_name FROM information_schema.statistics "
        f"WHERE table_schema = DATABASE() AND table_name IN ({literals(*names)}) "
        "ORDER BY table_name, index_name, seq_in_index"
    )


def _complaint(column: Column, live: LiveColumn) -> str | None:
    return _COMPLAINTS[column.kind](live)


def _key(live: LiveColumn) -> str | None:
    if live.base != "varchar":
        return f"is {live.type}, not varchar({_KEY_LENGTH})"
    if live.size is not None and live.size < _KEY_LENGTH:
        return f"is {live.type}, too short: identifiers may have {_KEY_LENGTH} characters"
    if not (live.collation or "").startswith("utf8mb4_"):
        return f"is in {live.collation}, which cannot hold every character"
    if not (live.collation or "").endswith("_bin"):
        return f"has the collation {live.collation}, which takes different identifiers for one ('a', 'A' and 'á')"
    return None


def _json(live: LiveColumn) -> str | None:
    if live.base not in ("longtext", "mediumtext"):
        return f"is {live.type}, not longtext" + (", and holds 64 KB at most" if live.base == "text" else "")
    if not (live.collation or "").startswith("utf8mb4_"):
        return f"is in {live.collation}, which cannot hold every character"
    return None


def _instant(live: LiveColumn) -> str | None:
    if live.base != "datetime":
        return f"is {live.type}, not datetime(3)"
    if (live.size or 0) < _MILLISECONDS:
        return f"is {live.type}, which cuts off milliseconds: leases would end early and order within a second is lost"
    return None


def _integer(live: LiveColumn) -> str | None:
    if live.base.endswith("unsigned"):
        return f"is {live.type}: compensations are saved at negative positions"
    return None if live.base in _WHOLE else f"is {live.type}, not int"


def _number(live: LiveColumn) -> str | None:
    if live.base == "float":
        return "is float, which keeps 7 digits: equality finds no 0.1"
    return None if live.base == "double" else f"is {live.type}, not double"


def _sequence(live: LiveColumn) -> str | None:
    if live.base.removesuffix(" unsigned") not in _WHOLE:
        return f"is {live.type}, not bigint"
    return None if live.generated else f"is {live.type}, and the database does not count it up"


_COMPLAINTS: Final = {
    Kind.KEY: _key,
    Kind.JSON: _json,
    Kind.INSTANT: _instant,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.SEQUENCE: _sequence,
}


def _reservation(column: Column, live: LiveColumn) -> str | None:
    if column.kind is Kind.JSON and live.base == "mediumtext":
        return "is mediumtext, and holds 16 MB at most"
    if column.kind is Kind.SEQUENCE and live.base.startswith("int"):
        return f"is {live.type}, and ends at 2147483647 or a little later"
    return None


def _mends(faults: Sequence[Fault], live: LiveTable) -> tuple[str, ...]:
    """One ALTER for the whole table, since each one copies it; numbers that stand for instants become text before."""
    table = faults[0].table
    before: list[str] = []
    changes: list[str] = []
    for fault in faults:
        column = fault.column
        if column is None:
            continue
        was = live.columns[column.name]
        if column.kind is Kind.INSTANT and was.base in ("bigint", "bigint unsigned"):
            before += _as_text(table.name, column.name)
        if column.kind is Kind.INSTANT and was.base == "timestamp":
            before.insert(0, "SET time_zone = '+00:00'")
        definition = column_definition(MYSQL_LAYOUT, column)
        if not column.nullable and was.nullable:
            definition = definition.replace(" NOT NULL", "")
        changes.append(f"MODIFY {definition}")
    if not live.has_transactions:
        changes.append("ENGINE=InnoDB")
    if not live.identifies(table.primary_key):
        changes.append(f"ADD PRIMARY KEY ({quoted('`', *table.primary_key)})")
    changes += [f"MODIFY `{it.name}` {it.type}" for it in live.strangers(table.column_names) if it.demanding]
    return (*before, f"ALTER TABLE `{table.name}`\n  " + ",\n  ".join(changes))


def _as_text(table: str, column: str) -> tuple[str, str]:
    instant = f"TIMESTAMPADD(MICROSECOND, `{column}` * 1000, '1970-01-01 00:00:00.000')"
    return (
        f"ALTER TABLE `{table}` MODIFY `{column}` varchar(32)",
        f"UPDATE `{table}` SET `{column}` = {instant} WHERE `{column}` IS NOT NULL",
    )


def _supports(version: str) -> bool:
    # MariaDB may put an old MySQL's number before its own: 5.5.5-10.11.6-MariaDB.
    numbers = version.removeprefix("5.5.5-") if "mariadb" in version.lower() else version
    found = tuple(int(part) for part in re.findall(r"\d+", numbers)[:3])
    return found >= (_OLDEST_MARIADB if "mariadb" in version.lower() else _OLDEST_MYSQL)


MYSQL_LAYOUT: Final = Layout(
    quote="`",
    types={
        Kind.KEY: f"varchar(191) {_EXACT}",
        Kind.JSON: f"longtext {_EXACT}",
        Kind.INSTANT: "datetime(3)",
        Kind.INTEGER: "int",
        Kind.NUMBER: "double",
        Kind.SEQUENCE: "bigint AUTO_INCREMENT",
    },
    table_options=" ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    transactional_ddl=False,
    glance=_glance,
    columns=_columns,
    indexes=_indexes,
    contents=None,
    opening=(),
    transaction_lock=None,
    connection_lock=(f"SELECT GET_LOCK({_LOCK_NAME}, {_LOCK_SECONDS}) AS taken", f"SELECT RELEASE_LOCK({_LOCK_NAME})"),
    now_ms="CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
    marker_upsert="ON DUPLICATE KEY UPDATE fingerprint = VALUES(fingerprint), applied_at = VALUES(applied_at)",
    supported="MySQL 8.0.1 or later, or MariaDB 10.6 or later (SKIP LOCKED)",
    supports=_supports,
    complaint=_complaint,
    reservation=_reservation,
    mends=_mends,
)
