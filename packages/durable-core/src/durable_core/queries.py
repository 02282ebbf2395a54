"""What can be asked of a store: filters, facets and retention policies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from durable_core.records import UNSET, AttributeValue, Unset

__all__ = ["AttributeFilter", "RetentionPolicy", "RunFacet", "RunQuery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeFilter:
    """A comparison with one search attribute.

    A run without the attribute never matches, whatever the operator; nor does a number match a text. Booleans are
    kept as the texts ``"true"`` and ``"false"`` (the table has no boolean column), so True and ``"true"`` are equal.
    Texts compare by code point.
    """

    key: str
    op: Literal["eq", "ne", "gt", "gte", "lt", "lte"]
    value: AttributeValue


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs to list, newest first by (created_at, id). All conditions must hold.

    *statuses* empty matches nothing. *namespace* None means every namespace. *origin* `UNSET` means any, None
    means unknown. *before* continues a listing behind the last run of the page before: its (created_at, id).
    *limit* None means all. *payloads* False leaves input, output and error unread (they come back as None).
    """

    workflow: str | None = None
    status: str | None = None
    statuses: tuple[str, ...] | None = None
    tag: str | None = None
    attributes: tuple[AttributeFilter, ...] = ()
    namespace: str | None = None
    origin: str | None | Unset = UNSET
    before: tuple[datetime, str] | None = None
    limit: int | None = None
    offset: int = 0
    payloads: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacet:
    """How many runs have this status and this origin (None: unknown)."""

    status: str
    origin: str | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """Which ended runs to keep. A run in *statuses* goes when it violates either bound.

    *max_age* counts from ``updated_at`` (a timedelta, a text such as ``"14 days"``, or milliseconds); *max_count*
    keeps the newest by (updated_at, id). At least one bound, and only terminal statuses.
    """

    statuses: tuple[str, ...]
    max_age: timedelta | str | int | None = None
    max_count: int | None = None
