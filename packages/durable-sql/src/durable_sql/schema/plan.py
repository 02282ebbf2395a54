"""Compare the tables that are declared with those that are there: what to create, and what to refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from durable_core.errors import SchemaMismatch
from durable_sql.schema.hazards import Hazard, hazards_in
from durable_sql.schema.inspect import inspect_tables
from durable_sql.schema.layout import Fault, Layout
from durable_sql.schema.layouts import layout_of
from durable_sql.schema.live import LiveTable
from durable_sql.schema.render import add_column, create_index, create_table, quoted
from durable_sql.schema.tables import TABLES, Index, Table
from durable_sql.session import Session

__all__ = ["Plan", "plan_schema"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The DDL that adds what is missing, in order; and what is less than it could be."""

    missing: tuple[str, ...]
    hazards: tuple[Hazard, ...]


async def plan_schema(session: Session) -> Plan:
    """Read the catalogue and plan; raises `SchemaMismatch` when a table cannot be served, whatever else is missing."""
    layout = layout_of(session.dialect)
    live = await inspect_tables(session)
    _refuse_faults(layout, live)
    tables = [create_table(layout, table) for table in TABLES if table.name not in live]
    additions = [statement for table in TABLES for statement in _additions(layout, table, live.get(table.name))]
    return Plan(missing=(*tables, *additions), hazards=tuple(hazards_in(layout, live)))


def _additions(layout: Layout, table: Table, live: LiveTable | None) -> Iterator[str]:
    for column in table.columns:
        if live is not None and column.name not in live.columns:
            yield add_column(layout, table, column)
    for index in table.indexes:
        if live is None or not live.serves(index.columns):
            yield create_index(layout, table, index, _free_name(index, live))


def _free_name(index: Index, live: LiveTable | None) -> str:
    """A name that no other index of the table has: one of ours may stand there over fewer columns."""
    taken = {other.name for other in live.indexes} if live is not None else set()
    name = index.name
    while name in taken:
        name += "_durable"
    return name


def _refuse_faults(layout: Layout, live: Mapping[str, LiveTable]) -> None:
    faults = {table: list(_faults(layout, table, live[table.name])) for table in TABLES if table.name in live}
    found = [fault for members in faults.values() for fault in members]
    if not found:
        return
    mends: list[str] = []
    for table, members in faults.items():
        if any(_is_absent(fault, live[table.name]) for fault in members):
            mends.append(f"ALTER TABLE {quoted(layout.quote, table.name)} RENAME TO {table.name}_of_another_tool")
        elif members:
            mends += layout.mends(members, live[table.name])
    raise SchemaMismatch(
        "the durable tables are laid out in a way that cannot be served safely, and nothing was changed:\n"
        + "".join(f"  - {fault}\n" for fault in found)
        + "To mend it, stop every process that uses these tables, make a backup, and run:\n"
        + "".join(f"{statement};\n" for statement in mends),
        tuple(mends),
    )


def _faults(layout: Layout, table: Table, live: LiveTable) -> Iterator[Fault]:
    for column in table.columns:
        was = live.columns.get(column.name)
        if was is None:
            if not column.nullable and column.default is None:
                yield Fault(table, column, "is missing, so this is no durable table; it has to make room for one")
            continue
        what = layout.complaint(column, was)
        if what is not None:
            yield Fault(table, column, what)
        elif column.nullable and not was.nullable:
            yield Fault(table, column, "is NOT NULL, but has to be empty at times")
    if not live.has_transactions:
        yield Fault(table, None, f"is kept by {live.engine}, which has no transactions")
    if not live.identifies(table.primary_key):
        yield Fault(table, None, f"has no primary key or unique index over exactly ({', '.join(table.primary_key)})")
    for stranger in live.strangers(table.column_names):
        if stranger.demanding:
            yield Fault(table, None, f"has a column of its own, {stranger.name}, that is NOT NULL without a default")


def _is_absent(fault: Fault, live: LiveTable) -> bool:
    return fault.column is not None and fault.column.name not in live.columns
