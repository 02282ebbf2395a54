"""The leases that this process holds, and their renewal beside the work."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

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


class Leases:
    """Every lease of this process, renewed together by one helper.

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

    @property
    def renewal_ms(self) -> int:
        """How often to renew: three chances before a lease ends."""
        return max(self._lease_ms // 3, 10)

    def hold(self, run_id: str, owner: str) -> Lease:
        """Renew *owner*'s lease from now on."""
        lease = Lease(run_id, owner)
        self._held.add(lease)
        return lease

    def drop(self, lease: Lease) -> None:
        """Stop renewing."""
        self._held.discard(lease)

    async def renew_all(self) -> None:
        """Renew every lease once."""
        held = [lease for lease in tuple(self._held) if not lease.lost]
        if not held:
            return
        async with self._store.connected():
            for lease in held:
                try:
                    lease.lost = not await self._store.renew_run_lock(lease.run_id, lease.owner, self.until_ms())
                except Exception as error:  # noqa: BLE001 - one run's renewal must not cost the others theirs
                    _log.warning("could not renew the lease on run %r: %s", lease.run_id, error)
                if lease.lost and lease in self._held:
                    _log.warning("run %r was taken over or cancelled; its turn stops at its next call", lease.run_id)
