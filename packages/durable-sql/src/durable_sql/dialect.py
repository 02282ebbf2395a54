"""Everything that may differ between databases, as values. Nothing else may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Dialect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One database's ways."""

    name: str
    placeholder: Callable[[int], str]
    quote: str
    counts_changed_rows: bool
