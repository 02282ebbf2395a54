"""The audit of one distribution, as a durable workflow: the very runs and checkpoints of the Peewee program."""

from __future__ import annotations

from typing import Final

from audit import hashing
from audit.environment import Target
from audit.files import Finding, SeenFile
from audit.standing import LEASE_SECONDS
from audit_tortoise.models import AuditFinding, AuditReport
from durable_core import AsyncDurable, AsyncWorkflowContext
from durable_tortoise import TortoiseStateStore

__all__ = ["audit", "durable", "hash_files", "read_record", "save_report"]

durable: Final = AsyncDurable(
    TortoiseStateStore(),
    lease=f"{LEASE_SECONDS} seconds",
    poll="100ms",
    max_recovery_attempts=1000,  # being killed is what this program is for
)

# Plain functions, which run on threads: a file that is being hashed keeps nobody from the event loop.
read_record = durable.step(hashing.read_record)
hash_files = durable.step(hashing.hash_files)


async def save_report(run_id: str, target: Target, seen: list[SeenFile], findings: list[Finding]) -> None:
    report = await AuditReport.create(
        run_id=run_id,
        name=target.name,
        version=target.version,
        location=target.location,
        files=len(seen),
        bytes=sum(file.size for file in seen),
    )
    rows = [AuditFinding(report=report, path=each.path, problem=each.problem, detail=each.detail) for each in findings]
    await AuditFinding.bulk_create(rows, batch_size=100)


@durable.workflow(name="audit", version="1")
async def audit(ctx: AsyncWorkflowContext, target: Target) -> int:
    """Hash what RECORD lists, group by group, and report; return the number of findings.

    Killed anywhere, it starts again from the top, and every step that has a checkpoint returns what it saved.
    """
    groups = await ctx.step(read_record, target)
    seen: list[SeenFile] = []
    for number, group in enumerate(groups or []):
        seen += await ctx.step(hash_files, target, number, group)
    findings = hashing.findings_of(groups, seen)
    # The rows and the checkpoint are one commit: killed before it there is neither, killed after it there are both.
    await ctx.transaction(save_report, ctx.run_id, target, seen, findings)
    return len(findings)
