"""Read what is there of our tables, from the catalogue of our own schema or database alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from durable_sql.schema.layout import Layout
from durable_sql.schema.layouts import layout_of
from durable_sql.schema.live import LiveColumn, LiveIndex, LiveTable
from durable_sql.schema.tables import TABLES
from durable_sql.session import Row, Session, Statement

__all__ = ["exists", "inspect_tables"]


async def exists(session: Session, table: str) -> bool:
    """Whether an unqualified *table* would be found."""
    (row,) = await session.fetch(Statement(layout_of(session.dialect).glance((table,))))
    return bool(row["tables"])


async def inspect_tables(session: Session) -> dict[str, LiveTable]:
    """The tables of ours that exist, by name, as they are."""
    layout = layout_of(session.dialect)
    names = tuple(table.name for table in TABLES)
    columns: dict[str, dict[str, LiveColumn]] = {}
    engines: dict[str, str | None] = {}
    for row in await session.fetch(Statement(layout.columns(names))):
        column = _column(row)
        columns.setdefault(_text(row["table_name"]), {})[column.name] = column
        engines[_text(row["table_name"])] = _maybe_text(row["engine"])
    indexes = await _indexes(session, layout, names)
    live = {
        name: LiveTable(name=name, columns=members, indexes=indexes.get(name, ()), engine=engines[name])
        for name, members in columns.items()
    }
    return await _with_contents(session, layout, live)


async def _indexes(session: Session, layout: Layout, names: tuple[str, ...]) -> Mapping[str, tuple[LiveIndex, ...]]:
    members: dict[tuple[str, str], list[str | None]] = {}
    traits: dict[tuple[str, str], Row] = {}
    plain: dict[tuple[str, str], bool] = {}
    for row in await session.fetch(Statement(layout.indexes(names))):
        place = _text(row["table_name"]), _text(row["index_name"])
        traits[place] = row
        members.setdefault(place, []).append(_maybe_text(row["column_name"]))
        plain[place] = plain.get(place, True) and bool(row["plain"])
    found: dict[str, tuple[LiveIndex, ...]] = {}
    for place, parts in members.items():
        table, name = place
        index = LiveIndex(
            name=name,
            columns=tuple(part or "" for part in parts),
            unique=bool(traits[place]["is_unique"]),
            primary=bool(traits[place]["is_primary"]),
            plain=plain[place] and None not in parts,
        )
        found[table] = (*found.get(table, ()), index)
    return found


async def _with_contents(session: Session, layout: Layout, live: dict[str, LiveTable]) -> dict[str, LiveTable]:
    if layout.contents is None or not live:
        return live
    for row in await session.fetch(Statement(layout.contents(live))):
        table, name = live[_text(row["table_name"])], _text(row["column_name"])
        column = replace(table.columns[name], stored=_text(row["stored"]))
        live[table.name] = replace(table, columns={**table.columns, name: column})
    return live


def _column(row: Row) -> LiveColumn:
    return LiveColumn(
        name=_text(row["column_name"]),
        type=_text(row["column_type"]),
        nullable=bool(row["nullable"]),
        default=_maybe_text(row["column_default"]),
        collation=_maybe_text(row["collation"]),
        generated=bool(row["generated"]),
        declaration=_maybe_text(row["declaration"]),
    )


def _text(value: Any) -> str:
    # Some drivers give the catalogue's own columns as bytes.
    return value.decode() if isinstance(value, bytes | bytearray) else str(value)


def _maybe_text(value: Any) -> str | None:
    return None if value is None else _text(value)
