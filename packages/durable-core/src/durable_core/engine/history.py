"""The recorded past of a run, and the position that its replay has reached."""

from __future__ import annotations

from collections.abc import Iterable

from durable_core.engine.places import recorded_place
from durable_core.errors import DamagedHistory, NondeterminismError
from durable_core.records import StepCheckpoint, WorkflowRun

__all__ = ["History"]


class History:
    """A cursor over a run's checkpoints.

    Positions count from 0 and are taken in the order of the calls, not of the awaits. What a position recorded must
    have the name and the kind that the code asks for there.
    """

    def __init__(self, run: WorkflowRun, checkpoints: Iterable[StepCheckpoint]) -> None:
        self._run = run
        self._recorded = {checkpoint.seq: checkpoint for checkpoint in checkpoints}
        self._next = 0

    def take_position(self) -> int:
        """The next position."""
        position = self._next
        self._next += 1
        return position

    def expect(self, seq: int, name: str, kind: str, place: str) -> StepCheckpoint | None:
        """What position *seq* recorded, or None if the run has not come there yet.

        Raises `NondeterminismError` if it recorded something else, `DamagedHistory` if its payload does not parse.
        """
        recorded = self._recorded.get(seq)
        if recorded is None:
            return None
        if (recorded.name, recorded.kind) != (name, kind):
            raise NondeterminismError(
                f"run {self._run.id!r} ({self._run.workflow} v{self._run.workflow_version}), position {seq}: the code "
                f"asks for {kind} {name!r} at {place}, but history has {_described(recorded)}. "
                "The workflow's code changed, or decides by something that is not replayed. Restore the order of its "
                "calls, or register the change under a new version; the run goes on by itself when the code fits again"
            )
        needed = "error" if recorded.status == "failed" else "output"
        if needed in recorded.decode_errors:
            raise DamagedHistory(
                f"run {self._run.id!r}, position {seq} ({name!r}): the recorded {needed} does not parse; "
                f"repair durable_step_checkpoints.{needed} of that row, the run goes on by itself"
            )
        return recorded

    def has(self, seq: int) -> bool:
        """Whether anything was recorded at *seq*."""
        return seq in self._recorded

    def remember(self, checkpoint: StepCheckpoint) -> None:
        """Keep what was just saved."""
        self._recorded[checkpoint.seq] = checkpoint

    def check_finished(self) -> None:
        """Raise `NondeterminismError` if history goes on where the code has ended."""
        beyond = [seq for seq in self._recorded if seq >= self._next]
        if beyond:
            first = self._recorded[min(beyond)]
            raise NondeterminismError(
                f"run {self._run.id!r} ({self._run.workflow} v{self._run.workflow_version}): the code ended after "
                f"{self._next} positions, but history goes on at {first.seq} with {_described(first)}. Restore what "
                "was removed, or register the change under a new version"
            )


def _described(checkpoint: StepCheckpoint) -> str:
    place = recorded_place(checkpoint.events)
    where = f", called at {place}" if place else ""
    when = f"{checkpoint.status} {checkpoint.finished_at:%Y-%m-%d %H:%M:%S}Z"
    return f"{checkpoint.kind} {checkpoint.name!r} ({when}{where})"
