"""The audit program, stalled when it has written a report and has not committed it, for a test to kill it there."""

from __future__ import annotations

import functools
import threading
from typing import Any
from unittest.mock import patch

from audit import workflow
from audit.cli import main
from audit.journal import note

save_report = workflow.save_report


@functools.wraps(save_report)
def stalled(*args: Any) -> None:
    save_report(*args)
    note("stalled")
    threading.Event().wait()


if __name__ == "__main__":
    with patch.object(workflow, "save_report", stalled):
        main()
