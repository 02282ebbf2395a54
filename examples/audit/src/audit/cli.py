"""``durable-audit``: hash every installed file, and survive being killed."""

from __future__ import annotations

import time
from collections.abc import Collection

import typer
from peewee import PeeweeException

from audit.command import LOOK_SECONDS, Asked, command_line
from audit.database import migrate, open_database
from audit.models import db
from audit.progress import progress_bar
from audit.queries import leases_held, result, standing
from audit.table import Result
from audit.workflow import audit, durable

__all__ = ["audit_all", "main"]


def audit_all(asked: Asked) -> Result | None:
    """Audit what was asked for; None if it was stopped before the end."""
    try:
        opened = open_database(asked.database)
    except (ValueError, RuntimeError) as error:
        raise typer.BadParameter(str(error), param_hint="--database") from None
    with opened.connection_context():
        migrate(opened)
        run_ids = _start(asked)
        return result(run_ids) if _work(run_ids, asked) else None


def _start(asked: Asked) -> list[str]:
    """A run per distribution, all in one commit; those that are there already are found, and not started again."""
    durable.boot()
    with db.atomic():
        return [durable.start(audit, target, id=target.run_id(asked.label)).id for target in asked.targets]


def _work(run_ids: Collection[str], asked: Asked) -> bool:
    """Serve the runs on threads of this program until they have ended or were stopped; tell whether they have."""
    gone = leases_held(run_ids)
    now = standing(run_ids, gone)
    if now.ended < len(run_ids):
        with progress_bar(asked.console, len(run_ids)) as show, durable.worker(concurrency=asked.concurrency):
            while now.ended < len(run_ids) and asked.stop.number is None:
                time.sleep(LOOK_SECONDS)
                now = standing(run_ids, gone)
                show(now)
    return now.ended == len(run_ids)


main = command_line(audit_all, PeeweeException)
