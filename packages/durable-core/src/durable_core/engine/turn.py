"""One turn: a run's body executed from the top against its history, as far as it gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final, NoReturn, TypeVar

from durable_core.engine.control import Abort, Block, ControlFlow, HandOver, Left, Suspend
from durable_core.engine.deliveries import Deliveries
from durable_core.engine.history import History
from durable_core.engine.leases import Lease
from durable_core.engine.options import EngineOptions
from durable_core.errors import ContextMisused, DamagedHistory, NondeterminismError, StoreError, UnreplayableTimeout
from durable_core.instants import from_ms
from durable_core.records import StepCheckpoint, StepError, WorkflowRun
from durable_core.runtime import Runtime, Scope, TimeoutReached
from durable_core.store import StateStore

__all__ = ["Turn"]

T = TypeVar("T")

#: The operation that the code which asks is inside of: its turn, and where it was called.
_INSIDE: Final[ContextVar[tuple[Turn, str] | None]] = ContextVar("durable_inside", default=None)


_ENDS_THE_TURN: Final = (StoreError, NondeterminismError, DamagedHistory)


class Turn:
    """What the operations of a body share: the run, its lease, its history, and whether the turn is over."""

    def __init__(
        self,
        *,
        run: WorkflowRun,
        lease: Lease,
        history: History,
        deliveries: Deliveries,
        store: StateStore,
        runtime: Runtime,
        scope: Scope,
        options: EngineOptions,
        stopping: Callable[[], bool],
    ) -> None:
        self.run = run
        self.lease = lease
        self.history = history
        self.deliveries = deliveries
        self.store = store
        self.runtime = runtime
        self.scope = scope
        self.options = options
        self.over: ControlFlow | None = None
        self.left_waiter = False
        self._stopping = stopping
        self._closed = False
        self._under_way = 0
        self._resting = 0
        self._branched = False
        self._wake_at_ms: int | None = None

    def take_position(self) -> int:
        """The next position, for a call that the body makes now."""
        position = self.history.take_position()
        self.deliveries.called(position, beside=self._under_way > 0)
        return position

    async def perform(self, operation: Callable[[], Awaitable[T]], seq: int, place: str) -> T:
        """Await one operation of the body, and turn what the body must not catch into control flow.

        Once the turn is over every further operation ends it again, so that a ``finally`` in the body records nothing.
        Control flow is raised only when no operation beside this one is at work (``asyncio.gather``): a step is not
        cut off because its neighbour sleeps, and the neighbours of a sleeper get as far as they can in this turn.
        """
        self.check_usable(place)
        if self.over is not None:
            self.scope.leaving()
            raise self.over
        self._branched = self._branched or not self.scope.is_body()
        self._under_way += 1
        try:
            return await self.scope.operation(lambda: self._inside(operation, seq, place))
        except TimeoutReached as timeout:
            await self._block_timeout(str(timeout), place)
        except StoreError as error:
            await self._end(Abort(error), place, error)
        except (NondeterminismError, DamagedHistory) as error:
            await self._end(Block(error), place, error)
        except Suspend as suspended:
            await self._park(suspended, place)
        except ControlFlow as control:
            await self._end(control, place, control.__cause__)
        finally:
            self._under_way -= 1

    def check_usable(self, place: str) -> None:
        """Refuse a call of ctx at *place* that could not be replayed. Raises `ContextMisused`."""
        inside = _INSIDE.get()
        if inside is not None and inside[0] is self:
            where = (
                f"inside the call at {inside[1]}: the code of a step is not replayed, so it cannot use ctx. "
                "Return from the step and let the workflow's body make the next call"
            )
        elif not self.scope.is_here():
            where = "on another thread than the workflow's body: make the call in the body, and hand its result over"
        elif self._closed:
            where = (
                "after its turn had ended: something that the body began, or gave ctx to, outlived it. "
                "A body must wait for everything that uses ctx"
            )
        else:
            return
        raise ContextMisused(f"run {self.run.id!r}: ctx was used at {place} {where}")

    def close(self) -> None:
        """No operation may begin any more."""
        self._closed = True

    async def _inside(self, operation: Callable[[], Awaitable[T]], seq: int, place: str) -> T:
        before = _INSIDE.set((self, place))
        recorded = self.history.has(seq)
        try:
            result = await operation()
        except _ENDS_THE_TURN:
            raise
        except Exception:
            await self._give(seq, recorded=recorded)
            raise
        finally:
            _INSIDE.reset(before)
        await self._give(seq, recorded=recorded)
        return result

    async def _give(self, seq: int, *, recorded: bool) -> None:
        """Return when the result of *seq* may go to the body: in the order of the first time, one after the other."""
        if self._branched:
            rank = self.deliveries.rank(seq, recorded=recorded)
            await self.scope.in_turn(rank, lambda: self.deliveries.is_due(seq))
        self.deliveries.given(seq)

    async def _block_timeout(self, timeout: str, place: str) -> NoReturn:
        """Block rather than fail: a step that had begun is finished and saved, so the mended code goes on from there.

        Until then every turn gets a step further and is blocked again; nothing is repeated, nothing is lost.
        """
        error = UnreplayableTimeout(
            f"run {self.run.id!r}: {timeout} stands around the call at {place}, but the body is replayed, and real "
            "time is not. Give the time to the call instead: ctx.wait_for_signal(token, timeout=...) for an answer, "
            "ctx.sleep() for a pause, a timeout inside the step's own function for slow work. "
            "The run goes on by itself when the code fits"
        )
        await self._end(Block(error), place, None)

    async def _park(self, suspended: Suspend, place: str) -> NoReturn:
        if (timeout := await self.scope.timeout()) is not None:
            await self._block_timeout(timeout, place)
        wakes = (suspended.wake_at_ms, self._wake_at_ms)
        self._wake_at_ms = min(wake for wake in wakes if wake is not None)
        await self._rest(lambda: self.over is None and self._under_way > self._resting)
        await self._end(Suspend(self._wake_at_ms), place, None)

    async def _end(self, control: ControlFlow, place: str, cause: BaseException | None) -> NoReturn:
        over = self.over
        if over is None:
            control.place = place
            control.__cause__ = cause
            self.over = over = control
        await self._rest(lambda: self._under_way > self._resting)
        self.scope.leaving()
        raise over

    async def _rest(self, busy: Callable[[], bool]) -> None:
        self._resting += 1
        try:
            await self.runtime.give_way(busy)
        finally:
            self._resting -= 1

    async def drain(self) -> ControlFlow | None:
        """Wait for the operations that the body has left under way, and begin none; return what had ended the turn."""
        over = self.over
        if self._under_way:
            self.over = over or Left()
            await self.runtime.give_way(lambda: self._under_way > 0)
        return over

    def check_may_begin(self) -> None:
        """Leave the body instead of beginning new work when this worker stops or has lost the run."""
        if self.lease.lost or self._stopping():
            raise HandOver

    def now(self) -> datetime:
        """The runtime's clock."""
        return from_ms(self.runtime.now_ms())

    def recorded(self, seq: int, name: str, kind: str, place: str) -> StepCheckpoint | None:
        """What the run recorded at *seq*."""
        return self.history.expect(seq, name, kind, place)

    async def save(self, checkpoint: StepCheckpoint) -> None:
        """Save under the fence."""
        await self.store.save_checkpoint(checkpoint, owner=self.lease.owner)
        self.remember(checkpoint)

    def remember(self, checkpoint: StepCheckpoint) -> None:
        """*checkpoint* has been saved."""
        self.history.remember(checkpoint)
        self.deliveries.saved(checkpoint)

    def suspend_until(self, wake_at_ms: int | None) -> NoReturn:
        """Park the run until *wake_at_ms*; with None, until something happens or it is time to look again."""
        fallback = self.runtime.now_ms() + self.options.reconcile_ms
        raise Suspend(fallback if wake_at_ms is None else wake_at_ms)

    def checkpoint(
        self,
        seq: int,
        name: str,
        kind: str,
        *,
        status: str = "completed",
        attempts: int = 1,
        started_at: datetime | None = None,
        input: Any = None,
        output: Any = None,
        error: StepError | None = None,
        events: list[dict[str, Any]] | None = None,
        wake_at_ms: int | None = None,
    ) -> StepCheckpoint:
        """A checkpoint of this run at *seq*, finished now."""
        now = self.now()
        return StepCheckpoint(
            run_id=self.run.id,
            seq=seq,
            name=name,
            kind=kind,
            step_id=f"{self.run.id}:{seq}",
            status=status,
            attempts=attempts,
            started_at=started_at or now,
            finished_at=now,
            enqueued_at=started_at or now,
            input=input,
            output=output,
            error=error,
            events=[*(events or ()), *self.deliveries.events(seq, self.runtime.now_ms())] or None,
            wake_at_ms=wake_at_ms,
        )
