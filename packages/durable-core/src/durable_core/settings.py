"""The keyword arguments of the doors, named and explained once for both."""

from __future__ import annotations

from typing import TypedDict

from durable_core.durations import Duration, duration_ms
from durable_core.engine.options import EngineOptions, StartOptions, refuse_unknown
from durable_core.registry import RetryPolicy

__all__ = ["DurableOptions", "StartOptions", "StepOptions", "engine_options", "retry_policy"]


class DurableOptions(TypedDict, total=False):
    """Options of `Durable` and `AsyncDurable`; the defaults are those of `EngineOptions`."""

    namespace: str
    """Which runs this process starts and serves; others share the tables unseen. Default ``"default"``."""
    auto_schema: bool
    """Create or heal the tables at boot. False: only verify them, and fail with the missing DDL."""
    lease: Duration
    """How long a run stays with a process that stopped renewing, before another may take it. Default 30 s."""
    poll: Duration
    """How often an idle worker looks for work that another process made. Default 250 ms."""
    reconcile: Duration
    """How long a run waits for a signal before it looks again by itself. Default 5 min."""
    blocked_retry: Duration
    """How long a run rests that this code cannot continue (unknown version, changed code). Default 5 s."""
    grace: Duration
    """How long a stopping worker waits for the turns under way. Default 10 s."""
    max_recovery_attempts: int
    """How many processes in a row may die with a run before it is declared dead. Default 10."""


class StepOptions(TypedDict, total=False):
    """Options of ``@durable.step``."""

    name: str
    """What history calls the step. Default: the function's name. Renaming a step breaks the replay of live runs."""
    max_attempts: int
    """How often it may run, the first time included. Default 1."""
    backoff: Duration
    """The rest after the first failed attempt; doubled after each further one. Default 1 s."""
    max_backoff: Duration
    """The longest rest. Default 1 min."""
    jitter: bool
    """Shorten each rest at random by up to half. Default False."""


def engine_options(options: DurableOptions) -> EngineOptions:
    """The engine's own options. Raises `InvalidDuration`, `ConfigurationError`."""
    refuse_unknown(options, DurableOptions, "Durable")
    durations: tuple[tuple[str, Duration | None], ...] = (
        ("lease_ms", options.get("lease")),
        ("poll_ms", options.get("poll")),
        ("reconcile_ms", options.get("reconcile")),
        ("blocked_ms", options.get("blocked_retry")),
        ("grace_ms", options.get("grace")),
    )
    given = {name: duration_ms(duration) for name, duration in durations if duration is not None}
    defaults = EngineOptions()
    return EngineOptions(
        namespace=options.get("namespace", defaults.namespace),
        auto_schema=options.get("auto_schema", defaults.auto_schema),
        max_recovery_attempts=options.get("max_recovery_attempts", defaults.max_recovery_attempts),
        **given,
    )


def retry_policy(options: StepOptions) -> RetryPolicy:
    """The step's retry policy. Raises `InvalidDuration`, `ConfigurationError`."""
    refuse_unknown(options, StepOptions, "a step")
    defaults = RetryPolicy()
    backoff, max_backoff = options.get("backoff"), options.get("max_backoff")
    return RetryPolicy(
        max_attempts=options.get("max_attempts", defaults.max_attempts),
        backoff_ms=defaults.backoff_ms if backoff is None else duration_ms(backoff),
        max_backoff_ms=defaults.max_backoff_ms if max_backoff is None else duration_ms(max_backoff),
        jitter=options.get("jitter", defaults.jitter),
    )
