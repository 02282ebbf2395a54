"""An engine over a store in memory and a clock that jumps, and what tests do to it from outside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from durable_core import Durable, InMemoryStateStore, StepCheckpoint, WorkflowRun
from durable_core.drive import run_blocking
from durable_core.records import RunPatch
from durable_core.testing import FakeRuntime

__all__ = ["World"]


class World:
    """One store and one clock; as many processes (`process`) on them as a test likes."""

    def __init__(self, store: Any = None, **options: Any) -> None:
        self.store: Any = InMemoryStateStore() if store is None else store
        self.runtime = FakeRuntime()
        self.options = options
        self.durable = self.process()

    def process(self, **options: Any) -> Durable:
        """A new process on the same store: it remembers nothing."""
        return Durable(self.store, runtime=self.runtime, **{**self.options, **options})

    def run(self, run_id: str) -> WorkflowRun:
        """The run as the store has it."""
        run: WorkflowRun | None = run_blocking(self.store.get_run(run_id))
        assert run is not None
        return run

    def history(self, run_id: str) -> list[StepCheckpoint]:
        """The run's checkpoints."""
        checkpoints: list[StepCheckpoint] = run_blocking(self.store.list_checkpoints(run_id))
        return checkpoints

    def names(self, run_id: str) -> list[tuple[int, str]]:
        """Where and under which names the run's checkpoints stand."""
        return [(one.seq, one.name) for one in self.history(run_id)]

    def steal(self, run_id: str, owner: str = "thief") -> None:
        """Somebody else has taken the run over."""
        until_ms = self.runtime.now_ms() + 60_000
        patch = RunPatch(status="running", locked_by=owner, locked_until_ms=until_ms)
        assert run_blocking(self.store.update_run(run_id, patch)) is True

    def waiters(self) -> list[str]:
        """The tokens that somebody waits for."""
        return [waiter.token for waiter in run_blocking(self.store.list_signal_waiters(""))]

    def damage(self, run_id: str, seq: int, **columns: str | None) -> None:
        """Spoil columns of a checkpoint, as an accident in the database would."""
        table = self.store.tables.checkpoints
        table.put(replace(table.get((run_id, seq)), **columns))

    def damage_run(self, run_id: str, **columns: str) -> None:
        """Spoil columns of a run."""
        table = self.store.tables.runs
        table.put(replace(table.get(run_id), **columns))

    def rows(self) -> tuple[Any, ...]:
        """Everything that the store holds, to see whether something was written."""
        tables = self.store.tables
        return tuple(
            tuple(sorted(table.all(), key=repr))
            for table in (tables.runs, tables.checkpoints, tables.waiters, tables.signals, tables.events)
        )
