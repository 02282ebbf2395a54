"""Identifiers: kept exactly, or refused before any write. None is cut, padded, folded or taken for another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import (
    LEASE_MS,
    NOW,
    NOW_MS,
    a_checkpoint,
    a_full_run,
    a_patch,
    a_run,
    a_waiter,
    an_event,
    but,
)
from durable_core.errors import IdentifierTooLong, InvalidIdentifier, InvalidValue
from durable_core.queries import RunQuery
from durable_core.records import RunPatch
from durable_core.store import StateStore

__all__ = ["IdentifierClauses"]

_Write = Callable[[StateStore, Any], Awaitable[object]]
_Look = Callable[[StateStore, str], Awaitable[object]]

#: Every way in which an identifier can enter the tables.
_WRITES: dict[str, _Write] = {
    "run id": lambda store, it: store.create_run(a_run(it)),
    "run workflow": lambda store, it: store.create_run(a_run("new", workflow=it)),
    "run version": lambda store, it: store.create_run(a_run("new", workflow_version=it)),
    "run status": lambda store, it: store.create_run(a_run("new", status=it)),
    "run owner": lambda store, it: store.create_run(a_run("new", locked_by=it)),
    "run task": lambda store, it: store.create_run(a_run("new", awaiting_decision_task_id=it)),
    "patched workflow": lambda store, it: store.update_run("r1", RunPatch(workflow=it)),
    "patched owner": lambda store, it: store.update_run("r1", RunPatch(locked_by=it)),
    "checkpoint run": lambda store, it: store.save_checkpoint(but(a_checkpoint(), run_id=it)),
    "checkpoint name": lambda store, it: store.save_checkpoint(a_checkpoint(name=it)),
    "checkpoint kind": lambda store, it: store.save_checkpoint(a_checkpoint(kind=it)),
    "checkpoint step": lambda store, it: store.save_checkpoint(a_checkpoint(step_id=it)),
    "checkpoint status": lambda store, it: store.save_checkpoint(a_checkpoint(status=it)),
    "checkpoint worker": lambda store, it: store.save_checkpoint(a_checkpoint(worker_group=it)),
    "checkpoint group": lambda store, it: store.save_checkpoint(a_checkpoint(parallel_group=it)),
    "waiter token": lambda store, it: store.put_signal_waiter(a_waiter(it)),
    "waiter run": lambda store, it: store.put_signal_waiter(a_waiter("new", it)),
    "waiter group": lambda store, it: store.put_signal_waiter(but(a_waiter("new"), parallel_group=it)),
    "buffered token": lambda store, it: store.buffer_signal(it, 1),
    "delivered token": lambda store, it: store.deliver_signal(it, 1, NOW),
    "consumed token": lambda store, it: store.consume_buffered_signal(a_waiter(it), NOW, owner="w1:turn-1"),
    "event id": lambda store, it: store.buffer_event(an_event(it)),
    "event name": lambda store, it: store.buffer_event(an_event(name=it)),
    "lock owner": lambda store, it: store.try_lock_run("free", it, LEASE_MS, NOW_MS),
    "claim owner": lambda store, it: store.claim_runs(it, LEASE_MS, NOW_MS, 5),
    "due claim owner": lambda store, it: store.claim_due_runs(it, LEASE_MS, NOW_MS, 5),
}
#: Those that may be blank; a blank origin is an unknown one.
_BLANK_WRITES: dict[str, _Write] = {
    "run namespace": lambda store, it: store.create_run(a_run("new", namespace=it)),
    "run origin": lambda store, it: store.create_run(a_run("new", origin=it)),
    "patched namespace": lambda store, it: store.update_run("r1", a_patch(namespace=it)),
    "patched origin": lambda store, it: store.update_run("r1", a_patch(origin=it)),
}
_BAD = ("", " ", "tok ", "tok\x00", "\x00", "\ud800tok", "tok\udfff", "x" * 192, "🙂" * 192, 7, b"tok")

#: Every way to ask for one; each is asked for what `_fill` keeps, but for an odd end.
_LOOKS: dict[str, _Look] = {
    "get_run": lambda store, end: store.get_run(f"r1{end}"),
    "list_checkpoints": lambda store, end: store.list_checkpoints(f"r1{end}"),
    "get_checkpoint": lambda store, end: store.get_checkpoint(f"r1{end}", 0),
    "latest": lambda store, end: store.get_latest_checkpoint_by_name("r1", f"charge{end}"),
    "take_waiter": lambda store, end: store.take_signal_waiter(f"tok{end}"),
    "remove_waiter": lambda store, end: store.remove_signal_waiter(a_waiter(f"tok{end}")),
    "take_buffered": lambda store, end: store.take_buffered_signal(f"tok{end}"),
    "events": lambda store, end: store.list_buffered_events(f"paid{end}", 9),
    "remove_event": lambda store, end: store.remove_buffered_event(f"e1{end}"),
    "lock": lambda store, end: store.try_lock_run(f"free{end}", "w9", LEASE_MS, NOW_MS),
    "renew": lambda store, end: store.renew_run_lock("r1", f"w1:turn-1{end}", LEASE_MS + 9),
    "release": lambda store, end: store.release_run_lock("r1", f"w1:turn-1{end}"),
    "delete": lambda store, end: store.delete_run(f"r1{end}"),
    "pending": lambda store, end: store.list_pending_runs(9, f"shop{end}"),
    "workflow": lambda store, end: store.list_runs(RunQuery(workflow=f"checkout{end}")),
    "namespace": lambda store, end: store.list_runs(RunQuery(namespace=f"shop{end}")),
    "status": lambda store, end: store.list_runs(RunQuery(status=f"running{end}")),
    "origin": lambda store, end: store.list_runs(RunQuery(origin=f"cron{end}")),
    "tag": lambda store, end: store.list_runs(RunQuery(tag=f"blue{end}")),
}


class IdentifierClauses(ClauseGroup):
    """What goes for ids, tokens, names, owners and every other exact string."""

    @clause("IDENT-01")
    async def test_bad_identifiers_are_refused(self) -> None:
        await self._fill()
        before = await self._everything()
        for way, write in (_WRITES | _BLANK_WRITES).items():
            for bad in _BAD[2:] if way in _BLANK_WRITES else _BAD:
                too_long = isinstance(bad, str) and len(bad) > 191
                with pytest.raises(IdentifierTooLong if too_long else InvalidIdentifier):
                    assert (await write(self.store, bad), way, bad) is None, "it should have been refused"
        assert await self._everything() == before

    @clause("IDENT-02")
    async def test_the_longest_identifiers_are_kept(self) -> None:
        for number, longest in enumerate(("x" * 191, "🙂" * 191)):
            run = a_run(longest, workflow=longest, workflow_version=longest, status=longest, namespace=longest)
            run = but(run, locked_by=longest, awaiting_decision_task_id=longest, origin=longest)
            assert await self.store.create_run(run) is True
            assert await self.store.get_run(longest) == run
            names = dict.fromkeys(("name", "kind", "step_id", "status", "worker_group", "parallel_group"), longest)
            checkpoint = but(a_checkpoint(number), run_id=longest, **names)
            await self.store.save_checkpoint(checkpoint, owner=longest)
            assert await self.store.get_latest_checkpoint_by_name(longest, longest) == checkpoint
            waiter = a_waiter(longest, longest, number, longest)
            await self.store.put_signal_waiter(waiter)
            assert await self.store.list_signal_waiters(longest) == [waiter]
            assert await self.store.remove_signal_waiter(waiter) is True
            await self.store.buffer_signal(longest, number)
            assert await self.store.take_buffered_signal(longest) is not None
            event = an_event(longest, name=longest)
            await self.store.buffer_event(event)
            assert await self.store.list_buffered_events(longest, 9) == [event]

    @clause("IDENT-03")
    async def test_a_padded_lookup_never_finds(self) -> None:
        await self._fill()
        before = await self._everything()
        for odd in (" ", "  ", "\x00", "\ud800"):
            for way, look in _LOOKS.items():
                assert not await _found(look(self.store, odd)), (way, odd)
        assert await self._everything() == before
        assert await self.store.take_buffered_signal("tok") is not None

    @clause("IDENT-04")
    async def test_prefixes_that_no_name_could_be(self) -> None:
        await self._fill()
        assert len(await self.store.list_signal_waiters("")) == 1
        assert await self.store.list_signal_waiters("tok ") == []
        for bad in ("tok\x00", "\ud800"):
            assert not await _found(self.store.list_signal_waiters(bad))
            assert not await _found(self.store.list_checkpoints_by_name_prefix("r1", [bad]))

    async def _fill(self) -> None:
        await self.store.create_run(a_full_run())
        await self.store.create_run(a_run("free", namespace="shop"))
        await self.store.save_checkpoint(a_checkpoint())
        await self.store.put_signal_waiter(a_waiter())
        await self.store.buffer_event(an_event())
        await self.store.buffer_signal("tok", "kept")

    async def _everything(self) -> list[object]:
        return [
            await self.store.list_runs(RunQuery()),
            await self.store.list_checkpoints("r1"),
            await self.store.list_signal_waiters(""),
            await self.store.list_buffered_events("paid", 9),
        ]


async def _found(look: Awaitable[object]) -> object:
    try:
        return await look
    except InvalidValue:
        return None
