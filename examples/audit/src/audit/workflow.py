"""The audit of one distribution, as a durable workflow."""

from __future__ import annotations

from typing import Final

from peewee import chunked

from audit import hashing
from audit.environment import Target
from audit.files import Finding, SeenFile
from audit.models import AuditFinding, AuditReport, db
from audit.standing import LEASE_SECONDS
from durable_core import Durable, WorkflowContext
from durable_peewee import PeeweeStateStore

__all__ = ["audit", "durable", "hash_files", "read_record", "save_report"]

durable: Final = Durable(
    PeeweeStateStore(db),
    auto_schema=False,  # the tables are made by our migrations
    lease=f"{LEASE_SECONDS} seconds",
    poll="100ms",
    max_recovery_attempts=1000,  # being killed is what this program is for
)

read_record = durable.step(hashing.read_record)
hash_files = durable.step(hashing.hash_files)


def save_report(run_id: str, target: Target, seen: list[SeenFile], findings: list[Finding]) -> None:
    report = AuditReport.create(
        run_id=run_id,
        name=target.name,
        version=target.version,
        location=target.location,
        files=len(seen),
        bytes=sum(file.size for file in seen),
    )
    rows = [{"report": report, "path": each.path, "problem": each.problem, "detail": each.detail} for each in findings]
    for batch in chunked(rows, 100):
        AuditFinding.insert_many(batch).execute()


@durable.workflow(name="audit", version="1")
def audit(ctx: WorkflowContext, target: Target) -> int:
    """Hash what RECORD lists, group by group, and report; return the number of findings.

    Killed anywhere, it starts again from the top, and every step that has a checkpoint returns what it saved.
    """
    groups = ctx.step(read_record, target)
    seen: list[SeenFile] = []
    for number, group in enumerate(groups or []):
        seen += ctx.step(hash_files, target, number, group)
    findings = hashing.findings_of(groups, seen)
    # The rows and the checkpoint are one commit: killed before it there is neither, killed after it there are both.
    ctx.transaction(save_report, ctx.run_id, target, seen, findings)
    return len(findings)
