"""The leases that this process holds, and their renewal beside the work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from durable_core.errors import StoreError
from durable_core.runtime import Runtime
from durable_core.store import StateStore

__all__ = ["Lease", "Leases"]

_log = logging.getLogger("durable.leases")


@dataclass(slots=True, eq=False)
class Lease:
    """One run held by *owner*, the fencing token. *lost* turns true when a renewal finds somebody else there."""

    run_id: str
    owner: str
    lost: bool = field(default=False)

    @property
    def lock(self) -> tuple[str, str]:
        """As `StateStore.renew_run_locks` names it."""
        return self.run_id, self.owner


class Leases:
    """The leases of one worker, renewed together by one helper, beside the turns.

    A renewal that cannot reach the database is tried again in the next round; whether the lease survived is decided
    by the fence of the next write, never by this process's belief.
    """

    def __init__(self, store: StateStore, runtime: Runtime, lease_ms: int) -> None:
        self._store = store
        self._runtime = runtime
        self._lease_ms = lease_ms
        self._held: set[Lease] = set()

    def until_ms(self) -> int:
        """When a lease taken or renewed now ends."""
        return self._runtime.now_ms() + self._lease_ms

    def renewing(self, around: Callable[[], AbstractAsyncContextManager[None]]) -> AbstractAsyncContextManager[None]:
        """Renew beside the block, inside *around*, with three chances before a lease ends."""
        return self._runtime.every(max(self._lease_ms // 3, 10), self._renew_all, around)

    def hold(self, run_id: str, owner: str) -> Lease:
        """Renew *owner*'s lease from now on."""
        lease = Lease(run_id, owner)
        self._held.add(lease)
        return lease

    def drop(self, lease: Lease) -> None:
        """Stop renewing."""
        self._held.discard(lease)

    async def _renew_all(self) -> None:
        held = [lease for lease in tuple(self._held) if not lease.lost]
        if not held:
            return
        try:
            lost = await self._store.renew_run_locks({lease.lock for lease in held}, self.until_ms())
        except StoreError as error:
            _log.warning("could not renew the leases on %d runs; the next round tries again: %s", len(held), error)
            return
        for lease in held:
            lease.lost = lease.lock in lost
            if lease.lost and lease in self._held:
                _log.warning("run %r was taken over or cancelled; its turn stops at its next call", lease.run_id)
