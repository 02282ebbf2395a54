"""How a turn leaves a workflow body early. BaseExceptions, so that ``except Exception`` cannot swallow them."""

from __future__ import annotations

from durable_core.errors import DurableError, StoreError

__all__ = ["Abort", "Block", "ControlFlow", "HandOver", "Left", "Suspend"]


class ControlFlow(BaseException):
    """The turn is over; the body must let this pass."""

    place = "an unknown place"


class Suspend(ControlFlow):
    """The run waits, at the latest until *wake_at_ms*."""

    def __init__(self, wake_at_ms: int) -> None:
        super().__init__(f"the run sleeps until {wake_at_ms} ms")
        self.wake_at_ms = wake_at_ms


class HandOver(ControlFlow):
    """This worker is stopping: another one shall go on with the run at once."""


class Left(ControlFlow):
    """The body has ended while this operation was still under way."""


class Abort(ControlFlow):
    """The store refused or is out of reach, or the lease is lost: nothing of this turn may be written any more."""

    def __init__(self, cause: StoreError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Block(ControlFlow):
    """This code cannot go on with this history; a later deploy may."""

    def __init__(self, cause: DurableError) -> None:
        super().__init__(str(cause))
        self.cause = cause
