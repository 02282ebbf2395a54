"""The tables as every SQL store must lay them out, and how to look at them behind the store's back.

Written down here a second time on purpose: a suite that derived them from a store could not find that store wrong.
"""

from __future__ import annotations

from typing import Final

from durable_conformance.harness import SqlProbe

__all__ = ["COLUMNS", "columns_of", "drop_tables", "forget_marker", "indexes_of", "tables_there"]

COLUMNS: Final = {
    "durable_workflow_runs": frozenset(
        (
            *("id", "workflow", "workflow_version", "status", "input", "output", "error", "wake_at", "locked_by"),
            *("locked_until", "awaiting_decision_task_id", "recovery_attempts", "tags", "search_attributes"),
            *("priority", "namespace", "origin", "created_at", "updated_at"),
        )
    ),
    "durable_step_checkpoints": frozenset(
        (
            *("run_id", "seq", "name", "kind", "step_id", "status", "input", "output", "error", "events", "attempts"),
            *("worker_group", "parallel_group", "wake_at", "enqueued_at", "started_at", "finished_at"),
        )
    ),
    "durable_run_attributes": frozenset(("run_id", "key", "str_value", "num_value")),
    "durable_signal_waiters": frozenset(("token", "run_id", "seq", "parallel_group")),
    "durable_buffered_signals": frozenset(("id", "token", "payload")),
    "durable_buffered_events": frozenset(("id", "name", "payload", "published_at")),
}

_SCHEMA: Final = {"postgres": "current_schema()", "mysql": "database()"}


def drop_tables(probe: SqlProbe) -> None:
    """Remove the six tables, whatever state they are in."""
    for table in COLUMNS:
        probe.execute(f"DROP TABLE IF EXISTS {table}")


def forget_marker(probe: SqlProbe) -> None:
    """Make the tables those of somebody else: whatever our library noted about them is gone, the Node row stays."""
    if "durable_schema_meta" in tables_there(probe):
        probe.execute("DELETE FROM durable_schema_meta WHERE id <> 'durable'")


def tables_there(probe: SqlProbe) -> set[str]:
    """The tables of the database that the suite's connection sees."""
    if probe.dialect == "sqlite":
        rows = probe.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    else:
        rows = probe.execute(
            f"SELECT table_name FROM information_schema.tables WHERE table_schema = {_SCHEMA[probe.dialect]}"
        )
    return {str(row[0]) for row in rows}


def columns_of(probe: SqlProbe, table: str) -> dict[str, tuple[str, ...]]:
    """The table's columns, each with all that the catalogue tells about its type, null and default."""
    if probe.dialect == "sqlite":
        sql = f"SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{table}')"
    else:
        exact = "column_type, collation_name" if probe.dialect == "mysql" else "character_maximum_length, udt_name"
        sql = (
            f"SELECT column_name, data_type, is_nullable, column_default, datetime_precision, {exact} "
            "FROM information_schema.columns "
            f"WHERE table_schema = {_SCHEMA[probe.dialect]} AND table_name = '{table}'"
        )
    return {str(name): tuple(map(str, told)) for name, *told in probe.execute(sql)}


def indexes_of(probe: SqlProbe, table: str) -> set[str]:
    """The names of the table's secondary indexes."""
    if probe.dialect == "sqlite":
        sql = f"SELECT name FROM pragma_index_list('{table}') WHERE origin = 'c'"
    elif probe.dialect == "mysql":
        sql = (
            "SELECT DISTINCT index_name FROM information_schema.statistics "
            f"WHERE table_schema = database() AND table_name = '{table}' AND index_name <> 'PRIMARY'"
        )
    else:
        sql = (
            "SELECT indexname FROM pg_indexes "
            f"WHERE schemaname = current_schema() AND tablename = '{table}' AND indexname NOT LIKE '%pkey'"
        )
    return {str(row[0]) for row in probe.execute(sql)}
