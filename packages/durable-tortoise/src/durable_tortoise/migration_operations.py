"""What the shipped migrations are made of: Tortoise learns what the models are, and our own code makes the tables."""

from __future__ import annotations

from tortoise.migrations.operations import TortoiseOperation
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.migrations.schema_generator.state import State

from durable_sql.schema.ddl import ddl
from durable_sql.schema.drop import drops
from durable_tortoise.dialects import dialect_of
from durable_tortoise.schema import drop_tortoise_schema, ensure_tortoise_schema

__all__ = ["EnsureDurableTables", "ModelsOnly"]


class EnsureDurableTables(TortoiseOperation):
    """Create what is missing of the durable tables; backwards, drop them once no migration of theirs is left.

    Tables that are there, whoever made them, are taken as they are: Tortoise's own operations would stop at them.
    """

    def describe(self) -> str:
        """For the output of ``tortoise sqlmigrate``, which knows no database to compare with."""
        return "Whatever is missing of the durable tables"

    async def database_forward(
        self, app_label: str, old_state: State, new_state: State, state_editor: BaseSchemaEditor | None = None
    ) -> None:
        """Ensure the tables as this version of the library has them, which is what every later migration adds too."""
        if state_editor is None:
            return
        if state_editor.collect_sql:
            state_editor.collected_sql += ddl(dialect_of(state_editor.client))
        else:
            await ensure_tortoise_schema(state_editor.client)

    async def database_backward(
        self, app_label: str, old_state: State, new_state: State, state_editor: BaseSchemaEditor | None = None
    ) -> None:
        """Drop the tables, with every run in them, where *new_state* knows no model of the app any more."""
        if state_editor is None or any(label == app_label for label, _ in new_state.models):
            return
        if state_editor.collect_sql:
            state_editor.collected_sql += drops(dialect_of(state_editor.client))
        else:
            await drop_tortoise_schema(state_editor.client)


class ModelsOnly(TortoiseOperation):
    """One of Tortoise's operations, for its picture of the models alone: the database has no part in it."""

    def __init__(self, operation: TortoiseOperation) -> None:
        self._operation = operation

    def describe(self) -> str:
        """For the output of ``tortoise sqlmigrate``."""
        return self._operation.describe()

    def state_forward(self, app_label: str, state: State) -> None:
        """What the operation does to the picture."""
        self._operation.state_forward(app_label, state)
