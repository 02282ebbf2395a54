"""What is served, but less well than it could be: reported, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from durable_sql.schema.inspect import inspect_tables
from durable_sql.schema.layout import Fault, Layout
from durable_sql.schema.layouts import layout_of
from durable_sql.schema.live import LiveTable
from durable_sql.schema.tables import TABLES, Column, Table
from durable_sql.session import Session

__all__ = ["Hazard", "hazards", "hazards_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard:
    """One column that is served, but less well than it could be; *mend* is the DDL that ends it."""

    table: str
    column: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column} {self.what}; to mend it: {self.mend}"


async def hazards(session: Session) -> list[Hazard]:
    """The hazards of the tables that exist; changes nothing."""
    return hazards_in(layout_of(session.dialect), await inspect_tables(session))


def hazards_in(layout: Layout, live: Mapping[str, LiveTable]) -> list[Hazard]:
    """The hazards in what was read of the catalogue."""
    found: list[Hazard] = []
    for table in TABLES:
        if table.name not in live:
            continue
        for column in table.columns:
            was = live[table.name].columns.get(column.name)
            what = None if was is None else layout.reservation(column, was)
            if what is not None:
                mend = "; ".join(layout.mends([Fault(table, column, what)], live[table.name]))
                found.append(Hazard(table=table.name, column=column.name, what=what, mend=mend))
            if was is not None and was.nullable and column.default is not None:
                found.append(_unseen(table, column, column.default))
    return found


def _unseen(table: Table, column: Column, default: str) -> Hazard:
    # To look for both in every poll would cost the polls their index.
    return Hazard(
        table=table.name,
        column=column.name,
        what=f"may be NULL, which reads as {default!r}, but no filter on {default!r} finds it and no worker claims it",
        mend=f"UPDATE {table.name} SET {column.name} = '{default}' WHERE {column.name} IS NULL",
    )
