"""The engine's settings, with the defaults in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from durable_core.errors import ConfigurationError
from durable_core.records import DEFAULT_NAMESPACE, AttributeValue
from durable_core.validation import check_identifier

__all__ = ["EngineOptions", "StartOptions", "refuse_unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """All durations in milliseconds.

    *lease_ms*: how long a run stays with a process that has stopped renewing; longer than any pause that the process
    may take without being dead. *poll_ms*: how often an idle worker looks for work. *reconcile_ms*: how long a run
    waits for a signal before it looks again by itself. *max_recovery_attempts*: how many processes in a row may die
    with a run before it is declared dead. *blocked_ms*: how long a run rests that no code here can continue.
    *grace_ms*: how long a stopping worker waits for the turns under way.
    """

    namespace: str = DEFAULT_NAMESPACE
    auto_schema: bool = True
    lease_ms: int = 30_000
    poll_ms: int = 250
    reconcile_ms: int = 300_000
    max_recovery_attempts: int = 10
    blocked_ms: int = 5_000
    grace_ms: int = 10_000

    def __post_init__(self) -> None:
        """Refuse settings that could not work."""
        check_identifier(self.namespace, "namespace")
        for name in ("lease_ms", "poll_ms", "reconcile_ms", "blocked_ms"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be more than 0, got {getattr(self, name)}")
        if self.max_recovery_attempts < 1:
            raise ConfigurationError("max_recovery_attempts must be at least 1, or no crashed run could ever go on")


def refuse_unknown(given: Mapping[str, object], known: type, where: str) -> None:
    """Raise `ConfigurationError` for an option that does not exist; a misspelt one must not be ignored in silence."""
    unknown = sorted(set(given) - set(known.__annotations__))
    if unknown:
        raise ConfigurationError(
            f"{where} has no option {', '.join(map(repr, unknown))}; it has {', '.join(sorted(known.__annotations__))}"
        )


class StartOptions(TypedDict, total=False):
    """Options of `start`."""

    id: str
    """The run's id, at most 185 characters; the idempotency key of the start. Default: a fresh UUID."""
    tags: Sequence[str]
    """Labels to list by, beside those of the workflow."""
    search_attributes: Mapping[str, AttributeValue]
    """Scalars to filter by."""
    priority: int
    """Kept with the run; not used by this version's workers."""
