"""The tables of the audit, as they were when this migration was written."""

from __future__ import annotations

from typing import Any

from peewee import SQL, BigIntegerField, CharField, Database, ForeignKeyField, IntegerField, Model, TextField

from durable_peewee import KeyField

__all__ = ["up"]


def up(_migrator: Any, db: Database) -> None:
    class AuditReport(Model):
        run_id = KeyField(constraints=[SQL("UNIQUE")])
        name = CharField()
        version = CharField()
        location = TextField()
        files = IntegerField()
        bytes = BigIntegerField()

        class Meta:
            database = db
            table_name = "audit_report"

    class AuditFinding(Model):
        report = ForeignKeyField(AuditReport, on_delete="CASCADE")
        path = TextField()
        problem = CharField()
        detail = TextField()

        class Meta:
            database = db
            table_name = "audit_finding"

    db.create_tables([AuditReport, AuditFinding])
