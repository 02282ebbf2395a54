"""The session over a Peewee database, keeping every statement that it is asked to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import peewee

from durable_peewee.session import PeeweeSession
from durable_sql.session import Row, Statement

__all__ = ["RecordingSession"]


class RecordingSession(PeeweeSession):
    """A `PeeweeSession` with a memory."""

    def __init__(self, database: peewee.Database, **options: Any) -> None:
        super().__init__(database, **options)
        self.statements: list[str] = []

    async def execute(self, statement: Statement) -> int:
        self.statements.append(statement.sql)
        return await super().execute(statement)

    async def fetch(self, statement: Statement) -> Sequence[Row]:
        self.statements.append(statement.sql)
        return await super().fetch(statement)
