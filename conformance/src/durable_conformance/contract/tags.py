"""Tags: an exact element of the list, whatever characters it is made of."""

from __future__ import annotations

from durable_conformance.clauses import Need, clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import TWINS, a_run, ids
from durable_core.queries import RunQuery
from durable_core.records import RunPatch

__all__ = ["TagClauses"]

_ODD = (
    *('"', "\\", "%", "_", "'", "[", "]", ",", "a,b", 'a","b', "a\\", '\\"', "a%", "a_c", "é", "e\u0301", "日本", "🙂"),
    *("\u2028", "\t", "\n", " ", " a", "a ", "{}", "null", "1", "true", "x" * 200, "*", "?", "/", "<b>"),
)


class TagClauses(ClauseGroup):
    """RunQuery.tag."""

    @clause("TAG-01")
    async def test_a_tag_is_an_exact_element(self) -> None:
        await self._create_tagged("r1", "etl", "nightly", "etl-v2")
        await self._create_tagged("r2", "etl-v2")
        await self._create_tagged("r3")
        assert await self._tagged("etl") == ["r1"]
        assert await self._tagged("nightly") == ["r1"]
        assert await self._tagged("etl-v2") == ["r2", "r1"]
        for absent in ("et", "tl", "v2", "e", "nightly2", 'etl","nightly', "etl,nightly", '"etl"'):
            assert await self._tagged(absent) == [], absent

    @clause("TAG-02")
    async def test_odd_tags(self) -> None:
        tags = (*_ODD, "")
        for number, tag in enumerate(tags):
            await self._create_tagged(f"r{number:02}", "before", tag, "after")
        await self._create_tagged("decoy", "abc", "aXc", "a", "b", "x", "E")
        for number, tag in enumerate(tags):
            assert await self._tagged(tag) == [f"r{number:02}"], ascii(tag)
            run = await self.store.get_run(f"r{number:02}")
            assert run is not None
            assert run.tags == ("before", tag, "after")

    @clause("TAG-03")
    async def test_tags_are_exact(self) -> None:
        for number, tag in enumerate(TWINS):
            await self._create_tagged(f"r{number}", tag)
        for number, tag in enumerate(TWINS):
            assert await self._tagged(tag) == [f"r{number}"], ascii(tag)

    @clause("TAG-04")
    async def test_patched_tags(self) -> None:
        for number in range(4):
            await self._create_tagged(f"r{number}", "a")
        await self.store.update_run("r3", RunPatch(tags=("b",)))
        await self.store.update_run("r2", RunPatch(tags=None))
        assert await self._tagged("b") == ["r3"]
        assert ids(await self.store.list_runs(RunQuery(tag="a", limit=1))) == ["r1"]
        assert ids(await self.store.list_runs(RunQuery(tag="a", limit=1, offset=1))) == ["r0"]

    @clause("TAG-05", needs=(Need.SQL,))
    async def test_tags_at_rest(self) -> None:
        await self._create_tagged("r1", "é", 'q"q', "b\\b", "🙂", "a b")
        ((text,),) = self.sql.execute("SELECT tags FROM durable_workflow_runs")
        assert text == '["é","q\\"q","b\\\\b","🙂","a b"]'

    async def _create_tagged(self, run_id: str, *tags: str) -> None:
        await self.store.create_run(a_run(run_id, tags=tags))

    async def _tagged(self, tag: str) -> list[str]:
        return ids(await self.store.list_runs(RunQuery(tag=tag)))
