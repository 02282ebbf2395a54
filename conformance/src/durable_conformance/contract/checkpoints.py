"""Checkpoints: one per run and position, replaced whole, listed in order.

Not yet: the number of queries per list, which durable_sql counts for its own statements.
"""

from __future__ import annotations

import pytest

from durable_conformance.clauses import Need, clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import a_checkpoint, a_full_checkpoint, a_full_run, at, but
from durable_core.errors import InvalidValue, NotJsonSerializable
from durable_core.records import StepCheckpoint
from durable_core.store import StateStore, StoreTransaction

__all__ = ["CheckpointClauses"]


class CheckpointClauses(ClauseGroup):
    """save_checkpoint, get_checkpoint, list_checkpoints."""

    @clause("CHECKPOINT-01")
    async def test_a_checkpoint_reads_back_as_it_was(self) -> None:
        await self.store.save_checkpoint(a_full_checkpoint())
        assert await self.store.get_checkpoint("r1", 0) == a_full_checkpoint()
        assert await (await self.open()).list_checkpoints("r1") == [a_full_checkpoint()]

    @clause("CHECKPOINT-02")
    async def test_what_a_checkpoint_leaves_out_stays_out(self) -> None:
        await self.store.save_checkpoint(a_checkpoint())
        assert await self.store.get_checkpoint("r1", 0) == a_checkpoint()

    @clause("CHECKPOINT-03")
    async def test_saving_again_replaces(self) -> None:
        for seq in (0, 1):
            await self.store.save_checkpoint(a_full_checkpoint(seq))
        other = a_full_checkpoint(
            *(0, "r1"),
            name="refund",
            kind="remote",
            step_id="other",
            status="failed",
            attempts=3,
            input=[2],
            output="out",
            worker_group="cpu",
            parallel_group="p:2",
            wake_at_ms=5,
            enqueued_at=at(1),
            started_at=at(2),
            finished_at=at(3),
            error=None,
            events=[{"level": "error"}],
        )
        await self.store.save_checkpoint(other)
        assert await self.store.list_checkpoints("r1") == [other, a_full_checkpoint(1)]

    @clause("CHECKPOINT-04")
    async def test_a_second_save_clears(self) -> None:
        await self.store.save_checkpoint(a_full_checkpoint())
        await self.store.save_checkpoint(a_checkpoint())
        assert await self.store.get_checkpoint("r1", 0) == a_checkpoint()

    @clause("CHECKPOINT-05")
    async def test_the_list_is_in_order(self) -> None:
        for seq in (2, -1, 10, 0, -2, 1):
            await self.store.save_checkpoint(a_checkpoint(seq))
            await self.store.save_checkpoint(a_checkpoint(seq, "r2"))
        listed = await self.store.list_checkpoints("r1")
        assert [one.seq for one in listed] == [-2, -1, 0, 1, 2, 10]
        assert [one.step_id for one in listed[:2]] == ["r1:-2", "r1:-1"]
        assert await self.store.get_checkpoint("r1", -1) == a_checkpoint(-1)

    @clause("CHECKPOINT-06")
    async def test_a_missing_checkpoint(self) -> None:
        await self.store.save_checkpoint(a_checkpoint(1))
        assert await self.store.get_checkpoint("r1", 0) is None
        assert await self.store.get_checkpoint("r2", 1) is None
        assert await self.store.list_checkpoints("r2") == []

    @clause("CHECKPOINT-07")
    async def test_a_checkpoint_and_its_run_are_apart(self) -> None:
        await self.store.save_checkpoint(a_checkpoint(0, "nobody"))
        assert await self.store.get_run("nobody") is None
        await self.store.create_run(a_full_run())
        await self.store.save_checkpoint(a_checkpoint())
        assert await self.store.get_run("r1") == a_full_run()

    @clause("CHECKPOINT-08")
    async def test_enqueued_at_falls_back(self) -> None:
        await self.store.save_checkpoint(a_checkpoint(enqueued_at=None, started_at=at(-4)))
        assert await self.store.get_checkpoint("r1", 0) == a_checkpoint(enqueued_at=at(-4), started_at=at(-4))

    @clause("CHECKPOINT-09", needs=(Need.SQL,))
    async def test_an_old_row_without_enqueued_at(self) -> None:
        await self.store.save_checkpoint(a_checkpoint(enqueued_at=at(-9), started_at=at(-4)))
        self.sql.execute("UPDATE durable_step_checkpoints SET enqueued_at = NULL")
        assert await self.store.list_checkpoints("r1") == [a_checkpoint(enqueued_at=at(-4), started_at=at(-4))]

    @clause("CHECKPOINT-10")
    async def test_odd_values_are_kept(self) -> None:
        odd = a_checkpoint(attempts=0, kind="quantum", status="hibernating")
        await self.store.save_checkpoint(odd)
        assert await self.store.get_checkpoint("r1", 0) == odd

    @clause("CHECKPOINT-11")
    async def test_positions_of_32_bits(self) -> None:
        ends = (-(2**31), 2**31 - 1)
        for seq in ends:
            await self.store.save_checkpoint(a_checkpoint(seq))
        assert [one.seq for one in await self.store.list_checkpoints("r1")] == list(ends)
        for seq in (2**31, -(2**31) - 1):
            with pytest.raises(InvalidValue):
                await self.store.save_checkpoint(a_checkpoint(seq))
        assert len(await self.store.list_checkpoints("r1")) == 2

    @clause("CHECKPOINT-12")
    async def test_a_long_history(self) -> None:
        order = [seq * 77 % 601 - 300 for seq in range(601)]

        async def save(tx: StoreTransaction) -> None:
            for seq in order:
                await tx.save_checkpoint(a_checkpoint(seq, output={"seq": seq}))

        await self.store.transaction(save)
        listed = await self.store.list_checkpoints("r1")
        assert [(one.seq, one.output) for one in listed] == [(seq, {"seq": seq}) for seq in sorted(order)]

    @clause("CHECKPOINT-13")
    async def test_checkpoints_are_private_copies(self) -> None:
        given = a_full_checkpoint()
        await self.store.save_checkpoint(given)
        reads = [
            given,
            await self.store.get_checkpoint("r1", 0),
            *(await self.store.list_checkpoints("r1")),
            await self.store.get_latest_checkpoint_by_name("r1", "charge"),
        ]
        for read in reads:
            assert read is not None
            assert read.events is not None
            read.input["amount"] = "changed"
            read.output.append("changed")
            read.events[0]["level"] = "changed"
        assert await self.store.get_checkpoint("r1", 0) == a_full_checkpoint()

    @clause("CHECKPOINT-14")
    async def test_a_bad_checkpoint_writes_nothing(self) -> None:
        await self.store.save_checkpoint(a_full_checkpoint())
        for field in ("input", "output"):
            with pytest.raises(NotJsonSerializable, match=field):
                await self.store.save_checkpoint(but(a_checkpoint(), **{field: [float("nan")]}))
        bad = (
            but(a_checkpoint(), events=[{"x": {1}}]),
            but(a_checkpoint(), started_at=at(0).replace(tzinfo=None)),
            but(a_checkpoint(), attempts=2**31),
            but(a_checkpoint(), name="x" * 192),
            but(a_checkpoint(), name=""),
            but(a_checkpoint(), parallel_group="p "),
            but(a_checkpoint(), wake_at_ms=10**18),
        )
        for checkpoint in bad:
            with pytest.raises(InvalidValue):
                await self.store.save_checkpoint(checkpoint)
            with pytest.raises(InvalidValue):
                await self.store.save_checkpoint(but(checkpoint, seq=1))
        assert await self.store.list_checkpoints("r1") == [a_full_checkpoint()]

    @clause("CHECKPOINT-20")
    async def test_one_save_stands_whole(self) -> None:
        async with self.racers(6) as crew:
            for turn in crew.rounds():
                saved = [_by(number, turn) for number in range(crew.size)]
                await crew.together(lambda store, number, saved=saved: _save(store, saved[number]))
                assert await self.store.get_checkpoint("r1", turn) in saved


def _by(number: int, seq: int) -> StepCheckpoint:
    return a_checkpoint(
        seq,
        name=f"step-{number}",
        attempts=number,
        input=number,
        output={"by": number},
        worker_group=f"g{number}",
        wake_at_ms=number,
        started_at=at(number),
    )


async def _save(store: StateStore, checkpoint: StepCheckpoint) -> None:
    await store.save_checkpoint(checkpoint)
