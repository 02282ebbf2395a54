"""What the database's catalogue says about our tables, in one shape for every database."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

__all__ = ["LiveColumn", "LiveIndex", "LiveTable"]

_SIZE = re.compile(r"\s*\((\d+)[^)]*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveColumn:
    """A column as it is. *type* is the database's own spelling; *stored* the kind of value found in it, if odd.

    *declaration* is the table's own CREATE statement, where the catalogue does not tell collations (SQLite).
    """

    name: str
    type: str
    nullable: bool
    default: str | None = None
    collation: str | None = None
    generated: bool = False
    stored: str | None = None
    declaration: str | None = field(default=None, repr=False, compare=False)

    @property
    def demanding(self) -> bool:
        """Whether a row that does not name this column is refused."""
        return not (self.nullable or self.generated or self.default is not None)

    @property
    def base(self) -> str:
        """The type without its size: ``character varying``, ``int unsigned``, ``datetime``."""
        return _SIZE.sub("", self.type).strip().lower()

    @property
    def size(self) -> int | None:
        """The length or precision in the type's spelling, or None."""
        found = _SIZE.search(self.type)
        return int(found[1]) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveIndex:
    """An index as it is; *plain* when it covers every row by whole columns, in ascending order."""

    name: str
    columns: tuple[str, ...]
    unique: bool
    primary: bool
    plain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTable:
    """A table as it is. *engine* is MySQL's."""

    name: str
    columns: Mapping[str, LiveColumn]
    indexes: tuple[LiveIndex, ...]
    engine: str | None = None

    @property
    def has_transactions(self) -> bool:
        """Whether its engine takes part in transactions."""
        return self.engine is None or self.engine.lower() == "innodb"

    def serves(self, columns: tuple[str, ...]) -> bool:
        """Whether an index leads with exactly *columns*, whatever its name."""
        return any(index.plain and index.columns[: len(columns)] == columns for index in self.indexes)

    def strangers(self, known: Collection[str]) -> list[LiveColumn]:
        """The columns that are not among *known*."""
        return [column for name, column in self.columns.items() if name not in known]

    def identifies(self, columns: tuple[str, ...]) -> bool:
        """Whether a primary key or unique index is over exactly *columns*, in any order."""
        return any(index.plain and index.unique and set(index.columns) == set(columns) for index in self.indexes)
