"""The loop that claims runs and takes them further; written once for threads and tasks."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Final, TypeVar

from durable_core.engine.advance import Advancer
from durable_core.engine.leases import Leases
from durable_core.engine.options import EngineOptions
from durable_core.engine.recovery import recover_expired
from durable_core.engine.runs import Runs
from durable_core.engine.troubles import Troubles
from durable_core.records import WorkflowRun
from durable_core.runtime import Bell, Crew, Runtime
from durable_core.store import StateStore

__all__ = ["WorkerLoop"]

T = TypeVar("T")

_log = logging.getLogger("durable.worker")

#: Claims per idle poll are cheap and frequent; looking for dead processes can wait four times as long.
_RECOVERY_POLLS: Final = 4


class WorkerLoop:
    """Claims up to *concurrency* runs at a time and advances each by a turn, until stopped."""

    def __init__(
        self,
        *,
        store: StateStore,
        runtime: Runtime,
        options: EngineOptions,
        leases: Leases,
        runs: Runs,
        advancer: Advancer,
        concurrency: int,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._options = options
        self._leases = leases
        self._runs = runs
        self._advancer = advancer
        self._concurrency = concurrency
        self._bell: Bell = runtime.bell()
        self._claims = [("pending", store.claim_runs), ("timers", store.claim_due_runs)]
        self._troubles = Troubles()
        self._stopping = False
        self._next_recovery_ms = 0

    def stop(self) -> None:
        """Stop now. May be called on any thread, and by a signal handler."""
        self._stopping = True
        self._bell.ring()

    async def run(self) -> None:
        """Work until stopped; then let the turns under way reach their next step, and hand the rest over."""
        await self._runs.boot()
        detach = self._runs.attach(self._bell)
        crew = self._runtime.crew(self._concurrency, self._store.connected)
        try:
            async with self._leases.renewing(self._store.connected):
                while not self._stopping:
                    await self._isolated("connection", self._serve(crew))
                    if not self._stopping:
                        await self._bell.wait(self._options.poll_ms)
                if not await crew.join(self._options.grace_ms):
                    _log.warning(
                        "%d turns did not stop within %d ms; their runs come back when the leases end",
                        crew.busy,
                        self._options.grace_ms,
                    )
        finally:
            detach()
            await crew.close()

    async def _serve(self, crew: Crew) -> None:
        async with self._store.connected():
            while not self._stopping:
                claimed = await self._round(crew, crew.free)
                if not claimed or not crew.free:
                    await self._bell.wait(self._options.poll_ms)

    async def run_until_idle(self) -> int:
        """Take turns one after the other until nothing is due; return how many there were."""
        await self._runs.boot()
        turns = 0
        # No connection kept for it: nobody here opens many at once, behind which a renewal would have to queue.
        async with self._leases.renewing(nullcontext):
            while not self._stopping:
                self._next_recovery_ms = 0
                owner = self._new_owner()
                claimed = await self._claim(owner, 1)
                if not claimed:
                    break
                for run in claimed:
                    await self._turn(run, owner)()
                    turns += 1
        return turns

    async def _round(self, crew: Crew, free: int) -> int:
        owner = self._new_owner()
        claimed = await self._claim(owner, free)
        for run in claimed:
            crew.start(self._turn(run, owner))
        return len(claimed)

    def _turn(self, run: WorkflowRun, owner: str) -> Callable[[], Awaitable[None]]:
        # Held from the claim on: on a busy machine the turn itself may begin long after.
        lease = self._leases.hold(run.id, owner)

        async def turn() -> None:
            try:
                await self._advancer.advance(run, lease, self._is_stopping)
            finally:
                self._leases.drop(lease)
                self._bell.ring()

        return turn

    async def _claim(self, owner: str, free: int) -> list[WorkflowRun]:
        """What is runnable, at most *free*. Each phase stands alone: one failing query never stops the others."""
        claimed: list[WorkflowRun] = []
        now_ms = self._runtime.now_ms()
        if now_ms >= self._next_recovery_ms:
            self._next_recovery_ms = now_ms + _RECOVERY_POLLS * self._options.poll_ms
            await self._isolated("recovery", recover_expired(self._store, self._runtime, self._options))
        self._claims.reverse()  # neither of them is always first, or a flood of the one would starve the other
        for phase, claim in self._claims:
            if len(claimed) < free:
                lease_until_ms, room = self._leases.until_ms(), free - len(claimed)
                due = claim(owner, lease_until_ms, self._runtime.now_ms(), room, self._options.namespace)
                claimed.extend(await self._isolated(phase, due) or ())
        return claimed

    async def _isolated(self, phase: str, work: Awaitable[T]) -> T | None:
        try:
            result = await work
        except Exception as error:  # noqa: BLE001 - one failing phase must not stop the others
            self._troubles.begin(phase, error)
            return None
        self._troubles.end(phase)
        return result

    def _is_stopping(self) -> bool:
        return self._stopping

    def _new_owner(self) -> str:
        """Unique per acquisition: the owner is the fencing token."""
        return f"py:{self._runtime.new_id()}"
