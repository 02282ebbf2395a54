"""Create what is missing of the tables, once, however many processes boot together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from durable_core.errors import SchemaMismatch, SchemaMissing, StoreContention, StoreError, StoreUnavailable
from durable_sql.schema.gate import is_current, write_marker
from durable_sql.schema.hazards import Hazard
from durable_sql.schema.layouts import layout_of
from durable_sql.schema.plan import Plan, plan_schema
from durable_sql.session import Session, Statement

__all__ = ["ensure_schema", "verify_schema"]

_LOG: Final = logging.getLogger(__name__)
_ATTEMPTS: Final = 4


async def ensure_schema(session: Session, *, inside_transaction: bool = False) -> None:
    """Create the tables, columns and indexes that are missing; two cheap queries when none is.

    Only ever adds. Raises `SchemaMismatch` for a layout that cannot be served, and `SchemaMissing`, with the DDL, when
    something is missing but DDL is refused, or a transaction of the caller is open: *inside_transaction* says that
    the DDL shall be part of it, where the database can do that.
    """
    if await is_current(session):
        return
    joins = session.in_transaction()
    if joins and not (inside_transaction and layout_of(session.dialect).transactional_ddl):
        _refuse_missing(session, await plan_schema(session), _why_not_here(session))
        return
    async with session.connected():
        for attempt in range(1, _ATTEMPTS + 1):
            if await _tried(session, retries=0 if joins else _ATTEMPTS - attempt):
                return
            await session.back_off(attempt)


async def verify_schema(session: Session) -> None:
    """Change nothing; raise `SchemaMissing` with the exact DDL, or `SchemaMismatch`, if the tables are not right."""
    await is_current(session)  # for the version
    plan = await plan_schema(session)
    _refuse_missing(session, plan, "creating what is missing is switched off. Switch it on")
    _warn(plan)


async def _tried(session: Session, *, retries: int) -> bool:
    """Add what is missing; False when others were in the way and it is worth trying again."""
    plan: Plan | None = None
    try:
        async with _alone(session):
            if await is_current(session):
                return True
            plan = await plan_schema(session)
            for statement in plan.missing:
                await session.execute(Statement(statement))
            await _mark(session)
    except StoreContention:
        if not retries:
            raise
        return False
    except (SchemaMismatch, StoreUnavailable):
        raise
    except StoreError as error:
        left = await plan_schema(session)
        if left.missing and (not retries or plan is None or left.missing == plan.missing):
            why = f"the database refused to create them ({error}). Give the account that right"
            raise SchemaMissing(_missing(session, left, why), left.missing) from error
        return not left.missing
    _warn(plan)
    return True


@asynccontextmanager
async def _alone(session: Session) -> AsyncIterator[None]:
    """Keep every other process out, in one transaction where DDL takes part in it."""
    layout = layout_of(session.dialect)
    if layout.connection_lock is None:
        ours = not session.in_transaction()
        async with session.transaction(read_committed=True):
            for statement in layout.opening if ours else ():
                await session.execute(Statement(statement))
            if layout.transaction_lock is not None:
                await session.fetch(Statement(layout.transaction_lock))
            yield
        return
    take, release = layout.connection_lock
    # Not getting it in time is no failure: whoever else is at work adds the same, and we look again.
    await session.fetch(Statement(take))
    try:
        yield
    finally:
        await session.fetch(Statement(release))


async def _mark(session: Session) -> None:
    """Without the marker the next boot inspects again, and that is all: an account may lack the right to make it."""
    try:
        if layout_of(session.dialect).transactional_ddl:
            async with session.transaction():
                await write_marker(session)
        else:
            await write_marker(session)
    except (StoreContention, StoreUnavailable):
        raise
    except StoreError as error:
        _LOG.info("the durable tables are right, but that could not be noted, so every boot inspects them: %s", error)


def _why_not_here(session: Session) -> str:
    if layout_of(session.dialect).transactional_ddl:
        problem = "creating tables unasked would become part of it"
    else:
        problem = "this database would commit it before creating a table"
    return (
        f"a transaction of the application is open, and {problem}. "
        "Call durable.boot() once at start-up, outside of any transaction"
    )


def _refuse_missing(session: Session, plan: Plan, why: str) -> None:
    if plan.missing:
        raise SchemaMissing(_missing(session, plan, why), plan.missing)


def _missing(session: Session, plan: Plan, why: str) -> str:
    """*why* ends in the first of the things to do."""
    return (
        f"the durable tables are not complete: {why}, or, with an account that may create tables, "
        f"{session.schema_help}, or have this run:\n" + "".join(f"{statement};\n" for statement in plan.missing)
    )


def _warn(plan: Plan) -> None:
    """One line for each kind of hazard in a table: a whole table may have been made in another collation."""
    alike: dict[tuple[str, str], list[Hazard]] = {}
    for hazard in plan.hazards:
        alike.setdefault((hazard.table, hazard.what), []).append(hazard)
    for (table, what), members in alike.items():
        columns = ", ".join(hazard.column for hazard in members)
        _LOG.warning("%s (%s) %s; to mend it: %s", table, columns, what, "; ".join(it.mend for it in members))
