"""An audit program, stalled when it has written a report and has not committed it, for a test to kill it there."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import threading
from importlib import import_module
from typing import Any
from unittest.mock import patch

from audit.journal import note

PACKAGES = {"durable-audit": "audit", "durable-audit-tortoise": "audit_tortoise"}


def stalling(save_report: Any) -> Any:
    """*save_report*, in its own colour, that never returns."""

    @functools.wraps(save_report)
    def stalled(*args: Any) -> None:
        save_report(*args)
        note("stalled")
        threading.Event().wait()

    @functools.wraps(save_report)
    async def stalled_async(*args: Any) -> None:
        await save_report(*args)
        note("stalled")
        await asyncio.Event().wait()

    return stalled_async if inspect.iscoroutinefunction(save_report) else stalled


if __name__ == "__main__":
    package = PACKAGES[sys.argv.pop(1)]
    workflow = import_module(f"{package}.workflow")
    with patch.object(workflow, "save_report", stalling(workflow.save_report)):
        import_module(f"{package}.cli").main()
