"""The engine put together over one store, behind either door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from durable_core.engine.advance import Advancer
from durable_core.engine.leases import Leases
from durable_core.engine.options import EngineOptions
from durable_core.engine.runs import Runs
from durable_core.engine.turn import Turn
from durable_core.errors import BlockingStoreOnEventLoop, ConfigurationError, InvalidValue
from durable_core.registry import Registry
from durable_core.runtime import Runtime
from durable_core.store import StateStore
from durable_core.worker import WorkerLoop

__all__ = ["Machinery"]


class Machinery:
    """Store, runtime, registry and options, and what is built from them."""

    def __init__(
        self,
        store: StateStore,
        runtime: Runtime,
        options: EngineOptions,
        *,
        asynchronous: bool,
        open_context: Callable[[Turn], Any],
    ) -> None:
        if store.blocking != runtime.blocking:
            raise _discord(store, runtime)
        self.store = store
        self.runtime = runtime
        self.options = options
        self.registry = Registry(asynchronous=asynchronous)
        self.runs = Runs(store=store, runtime=runtime, registry=self.registry, options=options)
        self._advancer = Advancer(
            store=store,
            runtime=runtime,
            registry=self.registry,
            options=options,
            open_context=open_context,
        )

    def worker_loop(self, concurrency: int, namespace: str | None = None) -> WorkerLoop:
        """A new loop. Raises `ConfigurationError` when there is nothing that it could serve."""
        if type(concurrency) is not int or concurrency < 1:
            raise InvalidValue(f"concurrency must be 1 or more, got {concurrency!r}")
        if not list(self.registry):
            raise ConfigurationError(
                "this worker knows no workflow: import the modules that define them before starting it, "
                "for every run that it claims would only be put back"
            )
        return WorkerLoop(
            store=self.store,
            runtime=self.runtime,
            options=self.options if namespace is None else replace(self.options, namespace=namespace),
            leases=Leases(self.store, self.runtime, self.options.lease_ms),
            runs=self.runs,
            advancer=self._advancer,
            concurrency=concurrency,
        )


def _discord(store: StateStore, runtime: Runtime) -> ConfigurationError:
    name = type(store).__name__
    if store.blocking:
        return BlockingStoreOnEventLoop(
            f"{name} blocks, and would stop every task of the event loop: use AsyncDurable(offload({name}(...)))"
        )
    return ConfigurationError(f"{name} really awaits, and {type(runtime).__name__} cannot: give it an async runtime")
