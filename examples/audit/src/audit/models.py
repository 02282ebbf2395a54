"""The application's own tables, and the durable ones beside them in the same database."""

from __future__ import annotations

from typing import Final

from peewee import SQL, BigIntegerField, CharField, DatabaseProxy, ForeignKeyField, IntegerField, Model, TextField

from durable_peewee import KeyField, define_models

__all__ = ["DURABLE", "AuditFinding", "AuditReport", "db"]

db: Final = DatabaseProxy()

#: The durable tables as models, to query and to join.
DURABLE: Final = define_models(db)


class AuditReport(Model):
    """What one run found out about one distribution. The database itself refuses a second report of a run."""

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
    """One thing that is wrong with a distribution."""

    report = ForeignKeyField(AuditReport, backref="findings", on_delete="CASCADE")
    path = TextField()
    problem = CharField()
    detail = TextField()

    class Meta:
        database = db
        table_name = "audit_finding"
