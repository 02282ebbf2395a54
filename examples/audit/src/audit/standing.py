"""How far the audits are: what the database says of their runs, so that what a killed program did counts as well."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from durable_core.records import TERMINAL_STATUSES

__all__ = ["LEASE_SECONDS", "Standing", "standing_of"]

#: How long the runs of a killed program stay locked. Nobody else serves them, so it may be short.
LEASE_SECONDS: Final = 5


@dataclass(frozen=True)
class Standing:
    """How many runs have ended, are being worked on, and are still leased to a program that is gone."""

    ended: int
    under_way: int
    abandoned: int

    def __str__(self) -> str:
        if self.abandoned and not self.under_way:
            return f"{self.abandoned} left by a killed program, free again within {LEASE_SECONDS} seconds"
        return f"{self.under_way} under way"


def standing_of(runs: Iterable[tuple[str, str | None]], gone: Collection[str]) -> Standing:
    """Count *runs*, by status and owner; *gone* are the owners of leases that nobody renews any more."""
    rows = list(runs)
    running = [owner for status, owner in rows if status == "running"]
    return Standing(
        ended=sum(status in TERMINAL_STATUSES for status, _ in rows),
        under_way=sum(owner not in gone for owner in running),
        abandoned=sum(owner in gone for owner in running),
    )
