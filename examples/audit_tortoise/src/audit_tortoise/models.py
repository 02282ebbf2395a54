"""The application's own tables: the very ones that the Peewee application has."""

from __future__ import annotations

from tortoise.fields import (
    CASCADE,
    BigIntField,
    CharField,
    ForeignKeyField,
    ForeignKeyRelation,
    IntField,
    ReverseRelation,
    TextField,
)
from tortoise.models import Model

from durable_tortoise import KeyField

__all__ = ["AuditFinding", "AuditReport"]


class AuditReport(Model):
    """What one run found out about one distribution. The database itself refuses a second report of a run."""

    id = IntField(primary_key=True)
    run_id = KeyField(unique=True)
    name = CharField(255)
    version = CharField(255)
    location = TextField()
    files = IntField()
    bytes = BigIntField()

    findings: ReverseRelation[AuditFinding]

    class Meta:
        table = "audit_report"


class AuditFinding(Model):
    """One thing that is wrong with a distribution."""

    id = IntField(primary_key=True)
    report: ForeignKeyRelation[AuditReport] = ForeignKeyField(
        "models.AuditReport", related_name="findings", on_delete=CASCADE
    )
    path = TextField()
    problem = CharField(255)
    detail = TextField()

    class Meta:
        table = "audit_finding"
