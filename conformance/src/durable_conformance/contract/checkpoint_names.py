"""Finding checkpoints by name: literal, case-sensitive, the same on every collation."""

from __future__ import annotations

from durable_conformance.clauses import clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import TWINS, a_checkpoint

__all__ = ["CheckpointNameClauses"]

#: Characters that mean something in LIKE, GLOB or a regular expression, or that stand at an edge of Unicode.
_LITERALS = ("%", "_", "\\", "!", "[", "]", "*", "?", "^", "'", '"', "%%", "a%", "a_", "a\\", "[a-z]")
_EDGES = ("\ud7ff", "\ue000", "\uffff", "\U0010ffff", "z\U0010ffff")


class CheckpointNameClauses(ClauseGroup):
    """get_latest_checkpoint_by_name, list_checkpoints_by_name_prefix."""

    @clause("NAME-01")
    async def test_the_latest_has_the_highest_position(self) -> None:
        for seq in (3, -1, 10, 9):
            await self.store.save_checkpoint(a_checkpoint(seq, name="poll"))
        await self.store.save_checkpoint(a_checkpoint(11, name="other"))
        await self.store.save_checkpoint(a_checkpoint(12, "r2", name="poll"))
        assert await self.store.get_latest_checkpoint_by_name("r1", "poll") == a_checkpoint(10, name="poll")
        assert await self.store.get_latest_checkpoint_by_name("r1", "pol") is None
        assert await self.store.get_latest_checkpoint_by_name("r3", "poll") is None

    @clause("NAME-02")
    async def test_names_are_exact(self) -> None:
        for seq, name in enumerate(TWINS):
            await self.store.save_checkpoint(a_checkpoint(seq, name=name))
        for seq, name in enumerate(TWINS):
            assert await self.store.get_latest_checkpoint_by_name("r1", name) == a_checkpoint(seq, name=name)

    @clause("NAME-03")
    async def test_prefixes_of_names(self) -> None:
        names = ("event:a", "signal:b", "event:", "event", "xevent:a", "signal:event:")
        for seq, name in enumerate(names):
            await self.store.save_checkpoint(a_checkpoint(len(names) - seq, name=name))
        await self.store.save_checkpoint(a_checkpoint(1, "r2", name="event:a"))
        assert await self._named("event:") == ["event:", "event:a"]
        assert await self._named("signal:", "event:") == ["signal:event:", "event:", "signal:b", "event:a"]
        assert await self._named("event", "event:", "event:a", "event") == ["event", "event:", "event:a"]
        assert await self._named() == []
        assert await self._named("nothing") == []
        assert await self._named("") == list(reversed(names))
        assert await self._named("", "event:") == list(reversed(names))

    @clause("NAME-04")
    async def test_prefixes_of_names_are_literal(self) -> None:
        decoys = ("abc", "a", "b", "A%", "ab", "axb", "z")
        for seq, name in enumerate((*_LITERALS, *decoys)):
            await self.store.save_checkpoint(a_checkpoint(seq, name=f"{name}tail"))
        for literal in _LITERALS:
            expected = [f"{one}tail" for one in (*_LITERALS, *decoys) if one.startswith(literal)]
            assert await self._named(literal) == expected, literal

    @clause("NAME-05")
    async def test_prefixes_are_exact(self) -> None:
        for seq, name in enumerate(TWINS):
            await self.store.save_checkpoint(a_checkpoint(seq, name=f"{name}:x"))
        for name in TWINS:
            assert await self._named(f"{name}:") == [f"{name}:x"]

    @clause("NAME-06")
    async def test_prefixes_at_the_edges(self) -> None:
        names = [f"{edge}{tail}" for edge in _EDGES for tail in ("", "x", "\U0010ffff")]
        for seq, name in enumerate((*names, "a b", "ab", "a")):
            await self.store.save_checkpoint(a_checkpoint(seq, name=name))
        for edge in _EDGES:
            assert await self._named(edge) == [name for name in names if name.startswith(edge)], ascii(edge)
        assert await self._named("a ") == ["a b"]

    async def _named(self, *prefixes: str) -> list[str]:
        return [one.name for one in await self.store.list_checkpoints_by_name_prefix("r1", list(prefixes))]
