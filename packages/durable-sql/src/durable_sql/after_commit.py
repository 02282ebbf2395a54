"""What happens once a commit stands, and cannot undo it."""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["call_after_commit"]

_log = logging.getLogger("durable")


def call_after_commit(callback: Callable[[], None]) -> None:
    """Call *callback*; an error is logged, for whoever committed would take it for a commit that failed."""
    try:
        callback()
    except Exception:  # noqa: BLE001 - logged, whatever it is
        _log.exception("durable: a callback after a commit failed; the commit itself stands")
