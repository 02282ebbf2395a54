"""The audit of one distribution, as a durable workflow."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Final

from peewee import chunked

from audit.environment import Target, read_record_of
from audit.files import Finding, SeenFile, compare, look_at
from audit.journal import note
from audit.models import AuditFinding, AuditReport, db
from audit.record import ListedFile, parse_record
from durable_core import Durable, WorkflowContext
from durable_peewee import PeeweeStateStore

__all__ = ["LEASE_SECONDS", "NO_RECORD", "audit", "durable", "hash_files", "read_record", "save_report"]

#: How long the runs of a killed program stay locked. Nobody else serves them, so it may be short.
LEASE_SECONDS: Final = 5

NO_RECORD: Final = Finding("RECORD", "no-record", "nothing says which files belong to it")

durable = Durable(
    PeeweeStateStore(db),
    auto_schema=False,  # the tables are made by our migrations
    lease=f"{LEASE_SECONDS} seconds",
    poll="100ms",
    max_recovery_attempts=1000,  # being killed is what this program is for
)


@durable.step
def read_record(target: Target) -> list[list[ListedFile]] | None:
    text = read_record_of(target)
    return None if text is None else list(parse_record(text, target.files_per_step))


@durable.step
def hash_files(target: Target, number: int, group: list[ListedFile]) -> list[SeenFile]:
    seen = [look_at(Path(target.location, listed.path), listed) for listed in group]
    note("hashed", target.name, target.version, number)
    return seen


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
    findings = [NO_RECORD] if groups is None else list(compare(chain.from_iterable(groups), seen))
    # The rows and the checkpoint are one commit: killed before it there is neither, killed after it there are both.
    ctx.transaction(save_report, ctx.run_id, target, seen, findings)
    return len(findings)
