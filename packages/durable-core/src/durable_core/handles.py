"""What `start` returns: a run by its id, with the type of its result."""

from __future__ import annotations

from typing import Generic, TypeVar, cast

from durable_core.drive import run_blocking
from durable_core.durations import Duration, duration_ms
from durable_core.engine.runs import Runs
from durable_core.records import WorkflowRun
from durable_core.typed import TypedValue

__all__ = ["AsyncRunHandle", "RunHandle"]

R_co = TypeVar("R_co", covariant=True)


class _Handle(Generic[R_co]):
    def __init__(self, runs: Runs, run_id: str, result: TypedValue) -> None:
        self._runs = runs
        self._result = result
        self.id = run_id

    def __repr__(self) -> str:
        return f"<run {self.id!r}>"

    async def _output(self, timeout: Duration | None) -> R_co:
        timeout_ms = None if timeout is None else duration_ms(timeout)
        return cast("R_co", self._result.rebuild(await self._runs.result(self.id, timeout_ms)))


class RunHandle(_Handle[R_co]):
    """A run of `Durable`."""

    def result(self, timeout: Duration | None = None) -> R_co:
        """What the workflow returned, waiting for it at most *timeout*; None waits for ever.

        Raises `RunFailed`, `RunCancelled` or `RunDead` when the run ended otherwise, `ResultTimeout` when it has not
        ended, `RunNotFound`. Do not call it inside an open transaction: that may never see the run's end.
        """
        return run_blocking(self._output(timeout))

    def get(self) -> WorkflowRun:
        """The run as it is now. Raises `RunNotFound`."""
        return run_blocking(self._runs.get(self.id))

    def cancel(self, reason: str = "cancelled") -> bool:
        """See `Durable.cancel`."""
        return run_blocking(self._runs.cancel(self.id, reason))


class AsyncRunHandle(_Handle[R_co]):
    """A run of `AsyncDurable`."""

    async def result(self, timeout: Duration | None = None) -> R_co:
        """See `RunHandle.result`."""
        return await self._output(timeout)

    async def get(self) -> WorkflowRun:
        """The run as it is now. Raises `RunNotFound`."""
        return await self._runs.get(self.id)

    async def cancel(self, reason: str = "cancelled") -> bool:
        """See `AsyncDurable.cancel`."""
        return await self._runs.cancel(self.id, reason)
