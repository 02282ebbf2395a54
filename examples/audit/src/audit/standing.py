"""How far the audits are: asked of the database, so that what a killed program did counts as well."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from audit.models import DURABLE
from durable_core.records import TERMINAL_STATUSES

__all__ = ["Standing", "leases_held", "standing"]

Run: Final = DURABLE.DurableWorkflowRun


@dataclass(frozen=True)
class Standing:
    """How many runs have ended, are being worked on, and are still leased to a program that is gone."""

    ended: int
    under_way: int
    abandoned: int


def leases_held(run_ids: Collection[str]) -> set[str]:
    """Who holds these runs now. Asked before our worker starts, that is a program which was killed."""
    held: list[Any] = list(Run.select(Run.locked_by).where(Run.id.in_(run_ids), Run.locked_by.is_null(False)).tuples())
    return {owner for (owner,) in held}


def standing(run_ids: Collection[str], gone: Collection[str]) -> Standing:
    """Count the runs; *gone* are the owners of leases that nobody renews any more."""
    rows: list[Any] = list(Run.select(Run.status, Run.locked_by).where(Run.id.in_(run_ids)).tuples())
    running = [owner for status, owner in rows if status == "running"]
    return Standing(
        ended=sum(status in TERMINAL_STATUSES for status, _ in rows),
        under_way=sum(owner not in gone for owner in running),
        abandoned=sum(owner in gone for owner in running),
    )
