"""The contract that every state store keeps. Each promise is in a docstring, and has a clause in durable_conformance.

A store is *blocking* when its awaits never suspend: it works in the caller's thread, connection and transaction
(Peewee, Pony, memory). Otherwise it really awaits (Tortoise).

Every call made inside the application's open transaction joins it. No call is ever half-written. Identifiers are
exact (case, accents); those that databases would disagree on are refused with `InvalidIdentifier`. Instants are
never invented by a store: the caller passes *now*. Records that come out are the caller's own copies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from durable_core.queries import RetentionPolicy, RunFacet, RunQuery
from durable_core.records import (
    INCOMPLETE_STATUSES,
    BufferedEvent,
    BufferedSignal,
    Guard,
    RunPatch,
    SignalWaiter,
    StepCheckpoint,
    WorkflowRun,
)

__all__ = ["BlockingStateStore", "StateStore", "StoreTransaction"]

T = TypeVar("T")


class StoreTransaction(Protocol):
    """An open transaction of the store."""

    @property
    def raw(self) -> Any:
        """The native handle: the Peewee database, the Tortoise connection; None where there is no such thing."""

    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        """`StateStore.save_checkpoint`, inside this transaction and invisible to others until it commits."""


class StateStore(Protocol):
    """Where runs, checkpoints, leases, signals and events live."""

    @property
    def blocking(self) -> bool:
        """Whether awaits of this store never suspend."""

    # --- schema and connections ---------------------------------------------------------------------------------

    async def ensure_schema(self) -> None:
        """Create what is missing of the tables; safe in any number of processes at once; cheap when nothing is.

        Raises `SchemaMismatch` for a layout that cannot be served, `SchemaMissing` where DDL may not run (no
        permission, or a transaction of the caller is open).
        """

    async def verify_schema(self) -> None:
        """Change nothing; raise `SchemaMissing` with the exact DDL, or `SchemaMismatch`, if the tables are wrong."""

    def connected(self) -> AbstractAsyncContextManager[None]:
        """Keep one connection for a block of calls on a thread or task that we own; leave none open behind."""

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call *callback* when the caller's open transaction has committed, or now if none is known to be open."""

    # --- runs ---------------------------------------------------------------------------------------------------

    async def create_run(self, run: WorkflowRun) -> bool:
        """Insert *run* and its search attributes in one transaction; False, changing nothing, if the id exists.

        A blank origin is an unknown one, and reads as None.
        """

    async def update_run(self, run_id: str, patch: RunPatch, *, expect: Guard | None = None) -> bool:
        """Write the patched columns if *expect* holds, by one conditional statement; tell whether it did.

        Without *expect* a missing run raises `RunNotFound`; with it, False. Patched search attributes are replaced
        in the same transaction. An empty patch only checks. ``updated_at`` changes only when it is in the patch.
        """

    async def suspend_run(self, run_id: str, owner: str, wake_at_ms: int, now: datetime) -> bool:
        """Park a running run and release its lease, by one statement; False if *owner* does not hold it.

        The run sleeps until *wake_at_ms*, or until the earlier instant that a signal left while the turn ran.
        ``recovery_attempts`` goes back to 0: a turn that ended well is no crash.
        """

    async def end_run(self, run_id: str, patch: RunPatch, *, expect: Guard) -> bool:
        """Write a terminal status if *expect* holds and remove the run's signal waiters, in one transaction."""

    async def get_run(self, run_id: str, *, latest: bool = False) -> WorkflowRun | None:
        """The run, in whatever namespace, or None.

        Inside a transaction of the caller it may be as that transaction sees it. With *latest* a run is also found
        that was committed since, and so stood in the way of `create_run`; it is kept from changing until the end.
        """

    async def delete_run(self, run_id: str) -> None:
        """Remove the run, its checkpoints, attributes, waiters and ``child:<id>`` buffered signals, in one transaction.

        No error when there is no such run.
        """

    async def prune_terminal_runs(self, policy: RetentionPolicy, now_ms: int, limit: int) -> int:
        """Delete at most *limit* ended runs that violate *policy*, oldest first, in one transaction; return how many.

        Never deletes a run that is live, or leased until after *now_ms*. Raises `InvalidValue` for a policy with
        no bound or with a live status.
        """

    # --- checkpoints --------------------------------------------------------------------------------------------

    async def save_checkpoint(self, checkpoint: StepCheckpoint, *, owner: str | None = None) -> None:
        """Save *checkpoint*, replacing every column of the one at the same run and seq, by one statement.

        With *owner* the write is fenced: it happens only while the run is leased by *owner*, decided by the very
        statement that writes; else `LeaseLost`. Without it, the run need not even exist.
        """

    async def get_checkpoint(self, run_id: str, seq: int) -> StepCheckpoint | None:
        """The checkpoint at that position, or None."""

    async def list_checkpoints(self, run_id: str) -> list[StepCheckpoint]:
        """All checkpoints of the run by seq, compensations (negative) first; one query."""

    async def get_latest_checkpoint_by_name(self, run_id: str, name: str) -> StepCheckpoint | None:
        """The checkpoint of exactly that name with the highest seq, or None."""

    async def list_checkpoints_by_name_prefix(self, run_id: str, prefixes: Sequence[str]) -> list[StepCheckpoint]:
        """The checkpoints whose names start with any of *prefixes*, literally and case-sensitively, by seq."""

    # --- polls: bounded, index-backed, ties broken by id; namespace None means every namespace ------------------

    async def list_incomplete_runs(
        self,
        namespace: str | None = None,
        *,
        statuses: Sequence[str] = INCOMPLETE_STATUSES,
        lease_expired_ms: int | None = None,
        limit: int | None = None,
    ) -> list[WorkflowRun]:
        """Runs in one of *statuses* by (updated_at, id).

        With *lease_expired_ms* only those that nobody holds, or whose lease ended at or before that instant.
        """

    async def list_pending_runs(self, limit: int, namespace: str | None = None) -> list[WorkflowRun]:
        """Pending runs, oldest first by (created_at, id)."""

    async def list_due_timers(
        self, now_ms: int, namespace: str | None = None, *, limit: int | None = None
    ) -> list[WorkflowRun]:
        """Suspended runs whose ``wake_at`` is at or before *now_ms*, by (wake_at, id)."""

    async def claim_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        """Take up to *limit* pending runs, oldest first: they become running, leased by *owner*, with no wake_at.

        Each run goes to exactly one caller; rows that others hold locked are skipped, never waited for. So is a run
        that somebody has leased until after *now_ms*, whatever its status.
        """

    async def claim_due_runs(
        self, owner: str, lease_until_ms: int, now_ms: int, limit: int, namespace: str | None = None
    ) -> list[WorkflowRun]:
        """`claim_runs` for suspended and blocked runs whose ``wake_at`` is at or before *now_ms*, by (wake_at, id)."""

    # --- leases -------------------------------------------------------------------------------------------------

    async def try_lock_run(
        self, run_id: str, owner: str, lease_until_ms: int, now_ms: int, *, statuses: Sequence[str] | None = None
    ) -> bool:
        """Lease the run if nobody holds it, or the lease ended at or before *now_ms*; exactly one caller gets True.

        Not re-entrant: a holder with a live lease gets False too. With *statuses* only in one of those.
        """

    async def renew_run_lock(self, run_id: str, owner: str, lease_until_ms: int) -> bool:
        """Extend *owner*'s lease, never shorten it; False if *owner* does not hold the run.

        Works on an expired lease that nobody has taken.
        """

    async def renew_run_locks(self, locks: Collection[tuple[str, str]], lease_until_ms: int) -> set[tuple[str, str]]:
        """Extend all of *locks*, pairs of run id and owner, as `renew_run_lock` does; return those that are lost.

        It waits for nobody: a row that another transaction has locked at this moment keeps its lease as it is, and is
        not lost. A helper renews everything that a process holds with one call, whose cost must not grow with every
        run that the process takes on, nor with one that is being written to.
        """

    async def release_run_lock(self, run_id: str, owner: str | None = None) -> None:
        """End the lease if *owner* holds it; without *owner* whoever does (for operators only)."""

    # --- signals ------------------------------------------------------------------------------------------------

    async def put_signal_waiter(self, waiter: SignalWaiter) -> None:
        """Register *waiter*, replacing any other on the token."""

    async def take_signal_waiter(self, token: str) -> SignalWaiter | None:
        """Remove and return the token's waiter; exactly one of any number of callers gets it."""

    async def list_signal_waiters(self, prefix: str) -> list[SignalWaiter]:
        """Waiters whose token starts with *prefix*, literally and case-sensitively, by token."""

    async def remove_signal_waiter(self, waiter: SignalWaiter) -> bool:
        """Remove the waiter if token, run and seq all match; tell whether this call did."""

    async def buffer_signal(self, token: str, payload: Any) -> None:
        """Append *payload* to the token's queue. First in, first out per sender."""

    async def take_buffered_signal(self, token: str) -> BufferedSignal | None:
        """Remove and return the oldest payload of the token; N callers over M payloads get each exactly once."""

    async def deliver_signal(self, token: str, payload: Any, now: datetime) -> SignalWaiter | None:
        """Give *payload* to the token's waiter, or buffer it; in one transaction, never both, never neither.

        A waiter of a live run is removed, `StepCheckpoint.of_signal` saved at its position, and the run made due:
        a suspended run's ``wake_at`` becomes *now*, and so does a running one's, so that its turn cannot go to sleep
        over it. Returns that waiter, None if buffered. A waiter whose run has ended or is gone is removed, not served.
        Serialised per token with `consume_buffered_signal`.
        """

    async def consume_buffered_signal(
        self, waiter: SignalWaiter, now: datetime, *, owner: str
    ) -> StepCheckpoint | None:
        """Take the oldest payload buffered for the waiter's token, or register the waiter; in one transaction.

        A payload is saved as `StepCheckpoint.of_signal` under *owner*'s fence, any waiter of this run on the token is
        removed, and the checkpoint returned. So is a completed checkpoint that is at the waiter's position already
        (the signal came while the turn ran): nothing is taken or registered then, for a waiter left behind would
        swallow the next signal. Else the waiter stands when this returns None. Raises `LeaseLost`, `IdentifierTooLong`
        for a token that has no room in its checkpoint's name, or `SignalTokenInUse` while another live run waits on
        the token; nothing is taken or registered then.
        """

    # --- events -------------------------------------------------------------------------------------------------

    async def buffer_event(self, event: BufferedEvent) -> None:
        """Keep *event*; an event of the same id that is already there stays as it is."""

    async def list_buffered_events(self, name: str, limit: int) -> list[BufferedEvent]:
        """The oldest events of that name by (published_at, id), left where they are."""

    async def remove_buffered_event(self, event_id: str) -> bool:
        """Remove the event; True for exactly one of any number of callers."""

    # --- transactions and queries -------------------------------------------------------------------------------

    async def transaction(self, work: Callable[[StoreTransaction], Awaitable[T]]) -> T:
        """Run *work* in one transaction: commit when it returns, roll back on any exception, cancellation included.

        Inside the application's open transaction it is a savepoint of that. Never retried, since *work* may have
        effects elsewhere. What *work* raises passes as it is, but for a driver's error of the application's own
        statements that means contention or a lost connection: `StoreContention`, `StoreUnavailable`. A blocking
        store runs all of *work* on the calling thread.
        """

    async def list_runs(self, query: RunQuery) -> list[WorkflowRun]:
        """The runs that match, newest first by (created_at, id); filtered before limit and offset, all in SQL."""

    async def run_facets(self, query: RunQuery) -> list[RunFacet]:
        """How many runs there are per (status, origin), ignoring the query's status, statuses, origin and paging."""


class BlockingStateStore(StateStore, Protocol):
    """A store whose awaits never suspend; what the blocking door `Durable` asks for."""

    @property
    def blocking(self) -> Literal[True]:
        """Always True."""
