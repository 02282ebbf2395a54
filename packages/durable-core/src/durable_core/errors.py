"""Everything that can go wrong, as one tree. Each error says what happened, where, and what to do now.

    DurableError
    ├── ConfigurationError              the program is put together wrongly; nothing ran
    │   ├── InvalidDefinition           a decorator refused a function
    │   ├── WorkflowNotRegistered       no such workflow, or not in that version, in this process
    │   ├── StepNotRegistered           ctx.step() was given a function without @durable.step
    │   ├── BlockingStoreOnEventLoop    a blocking store was called on a running event loop
    │   ├── SuspendedError              something awaited for real under a blocking door
    │   └── ContextMisused              ctx was used inside a step, on another thread, or after its turn
    ├── InvalidValue (ValueError)       refused before anything was written
    │   ├── InvalidIdentifier           blank, padded, or with characters that databases disagree on
    │   │   └── IdentifierTooLong
    │   ├── InvalidDuration
    │   ├── InvalidInstant              naive, or outside the years that every database can hold
    │   └── NotJsonSerializable
    ├── RunNotFound (LookupError)
    ├── RunAlreadyExists                the id belongs to a run of another workflow
    ├── SignalTokenInUse                another live run already waits for that token
    ├── StoreError                      the database refused or could not answer
    │   ├── LeaseLost                   the run is no longer ours: nothing was written
    │   ├── StoreContention             deadlock, serialization failure or busy file: rolled back, try again
    │   ├── StoreUnavailable            the database cannot be reached
    │   └── SchemaError
    │       ├── SchemaMissing           tables, columns or indexes are absent; the DDL is in the message
    │       └── SchemaMismatch          a table is laid out in a way that we cannot serve safely
    ├── NondeterminismError             the code and the recorded history disagree
    ├── UnreplayableTimeout             a workflow body put asyncio.timeout() or wait_for() around a call
    ├── StrayCancellation               user code raised CancelledError, but nobody had cancelled it
    ├── SuspensionSwallowed             a workflow body caught the signal that parks it
    ├── DamagedHistory                  a recorded payload that replay needs does not parse
    ├── StepFailed                      a step used up its attempts; the same on first run and on replay
    ├── FatalError                      raised by user code: do not retry
    ├── SignalTimeout (TimeoutError)    nobody sent the signal before its deadline
    ├── ResultTimeout (TimeoutError)    the run had not ended when the caller stopped waiting
    └── RunEndedWithoutResult           what handle.result() raises for a run that did not complete
        ├── RunFailed
        ├── RunCancelled
        └── RunDead

Control flow (`durable_core.engine.control`) is not in this tree on purpose: ``except Exception`` must not catch it.
"""

from __future__ import annotations

__all__ = [
    "BlockingStoreOnEventLoop",
    "ConfigurationError",
    "ContextMisused",
    "DamagedHistory",
    "DurableError",
    "FatalError",
    "IdentifierTooLong",
    "InvalidDefinition",
    "InvalidDuration",
    "InvalidIdentifier",
    "InvalidInstant",
    "InvalidValue",
    "LeaseLost",
    "NondeterminismError",
    "NotJsonSerializable",
    "ResultTimeout",
    "RunAlreadyExists",
    "RunCancelled",
    "RunDead",
    "RunEndedWithoutResult",
    "RunFailed",
    "RunNotFound",
    "SchemaError",
    "SchemaMismatch",
    "SchemaMissing",
    "SignalTimeout",
    "SignalTokenInUse",
    "StepFailed",
    "StepNotRegistered",
    "StoreContention",
    "StoreError",
    "StoreUnavailable",
    "StrayCancellation",
    "SuspendedError",
    "SuspensionSwallowed",
    "UnreplayableTimeout",
    "WorkflowNotRegistered",
]


class DurableError(Exception):
    """The root of every error that this library raises."""


class ConfigurationError(DurableError):
    """The program is put together wrongly. Nothing ran and nothing was written."""


class InvalidDefinition(ConfigurationError):
    """A decorator refused a function: wrong kind, wrong parameters, or a name that is taken."""


class WorkflowNotRegistered(ConfigurationError):
    """No workflow of that name and version is registered in this process."""


class StepNotRegistered(ConfigurationError):
    """`ctx.step()` was given a function that is not a registered step."""


class BlockingStoreOnEventLoop(ConfigurationError):
    """A blocking store was called on a running event loop and would have stopped every task on it."""


class SuspendedError(ConfigurationError):
    """Something under a blocking door awaited for real; its coroutine was closed."""


class ContextMisused(ConfigurationError):
    """`ctx` was used where it cannot work: inside a step, on another thread, or after its turn. Nothing was begun."""


class InvalidValue(DurableError, ValueError):
    """A value was refused before anything was written."""


class InvalidIdentifier(InvalidValue):
    """An identifier is blank, ends in a space, or holds a character that not every database keeps."""


class IdentifierTooLong(InvalidIdentifier):
    """An identifier is longer than its column; databases would refuse it or cut it silently."""


class InvalidDuration(InvalidValue):
    """A duration does not parse, or is negative."""


class InvalidInstant(InvalidValue):
    """An instant has no time zone, or lies outside the years 1 to 9999."""


class NotJsonSerializable(InvalidValue):
    """A payload cannot be written as JSON without losing something; the message names the place in it."""


class RunNotFound(DurableError, LookupError):
    """No run has that id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id!r}: check the id, or whether retention has pruned it")
        self.run_id = run_id


class RunAlreadyExists(DurableError):
    """The id belongs to a run of another workflow, so it cannot stand for this one."""


class SignalTokenInUse(DurableError):
    """Another live run already waits for the token; replacing it would leave that run waiting for ever."""

    def __init__(self, token: str, run_id: str) -> None:
        super().__init__(
            f"run {run_id!r} already waits for signal {token!r}: "
            "make tokens unique per run, for instance by putting the order's id into them"
        )
        self.token = token
        self.run_id = run_id


class StoreError(DurableError):
    """The database refused a statement or could not answer. Whatever the call was, none of it is half-written."""


class LeaseLost(StoreError):
    """The run is no longer leased by this owner; the write did not happen."""

    def __init__(self, run_id: str, owner: str) -> None:
        super().__init__(
            f"run {run_id!r} is no longer leased by {owner!r} (its lease expired and was taken over, "
            "or the run was cancelled): nothing was written and this turn must stop"
        )
        self.run_id = run_id
        self.owner = owner


class StoreContention(StoreError):
    """The database rolled the call back because of a deadlock, a serialization failure or a busy file.

    Nothing was written. Our own calls are retried before this is raised; inside a transaction of yours only you
    can retry, because the database has rolled all of it back.
    """


class StoreUnavailable(StoreError):
    """The database cannot be reached, or the connection broke before the answer came."""


class SchemaError(StoreError):
    """The tables are not what the store needs."""


class SchemaMissing(SchemaError):
    """Tables, columns or indexes are absent; the message holds the DDL that creates them."""

    def __init__(self, message: str, ddl: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.ddl = ddl


class SchemaMismatch(SchemaError):
    """A table is laid out in a way that we cannot serve safely; the message names each column and its mend."""

    def __init__(self, message: str, ddl: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.ddl = ddl


class NondeterminismError(DurableError):
    """The workflow's code asks for something else than its history recorded at the same position."""


class UnreplayableTimeout(DurableError):
    """A workflow body has put a timeout of asyncio around its calls, and no two replays take the same time."""


class StrayCancellation(DurableError):
    """User code raised `CancelledError` by itself: in a step a failed attempt, in a body a failed run."""


class SuspensionSwallowed(DurableError):
    """A workflow body caught the exception that parks a run, and went on as if the wait were over."""


class DamagedHistory(DurableError):
    """A recorded payload that replay needs does not parse; going on with nothing in its place would corrupt the run."""


class StepFailed(DurableError):
    """A step used up its attempts, or failed for good.

    The body sees this error on the first run and on every replay alike; on the first run the original exception
    is its ``__cause__``. *code* is the `FatalError.code`, or else the name of the exception's class.
    """

    def __init__(self, step: str, message: str, *, code: str | None = None, attempts: int = 1) -> None:
        super().__init__(f"step {step!r} failed after {attempts} attempt{'s' * (attempts != 1)}: {message}")
        self.step = step
        self.message = message
        self.code = code
        self.attempts = attempts


class FatalError(DurableError):
    """Raise this in a step to fail it now, whatever attempts are left; *code* comes back as `StepFailed.code`."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class SignalTimeout(DurableError, TimeoutError):
    """Nobody sent the signal before its deadline."""

    def __init__(self, token: str) -> None:
        super().__init__(f"no signal {token!r} arrived before its deadline")
        self.token = token


class ResultTimeout(DurableError, TimeoutError):
    """The run had not ended when the caller stopped waiting. The run itself goes on."""

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(
            f"run {run_id!r} is still {status}: it goes on without you. Wait longer, or check that a worker "
            "serves its namespace and registers its workflow"
        )
        self.run_id = run_id
        self.status = status


class RunEndedWithoutResult(DurableError):
    """The run ended, but not by completing."""

    def __init__(self, run_id: str, message: str, *, code: str | None = None, stack: str | None = None) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.code = code
        self.stack = stack


class RunFailed(RunEndedWithoutResult):
    """The workflow raised; *stack* is the recorded traceback."""


class RunCancelled(RunEndedWithoutResult):
    """The run was cancelled."""


class RunDead(RunEndedWithoutResult):
    """Every process that took the run up died with it, as often as the attempts cap allows."""
