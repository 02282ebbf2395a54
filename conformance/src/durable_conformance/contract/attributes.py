"""Search attributes: texts, numbers and booleans that runs are found by, each kind among its own.

Not yet: eight processes that update one run, and index use with 100 keys.
"""

from __future__ import annotations

from typing import Any, Literal

from durable_conformance.clauses import Need, clause
from durable_conformance.group import ClauseGroup
from durable_conformance.samples import TWINS, a_run, ids
from durable_core.queries import AttributeFilter, RunQuery
from durable_core.records import AttributeValue, RunPatch

__all__ = ["AttributeClauses"]

_Op = Literal["eq", "ne", "gt", "gte", "lt", "lte"]

_OPS: tuple[_Op, ...] = ("eq", "ne", "gt", "gte", "lt", "lte")
#: In the order of their code points, which is neither a dictionary's nor that of UTF-16.
_TEXTS = ("", "0", "10", "9", "A", "B", "Z", "a", "aa", "b", "z", "é", "ｔ", "\uffee", "🙂")
_NUMBERS = (-1e308, -1.5, -1, -1e-7, 0, 1e-7, 0.1, 0.30000000000000004, 1, 16777217, 2**53 - 1, 1e308)


class AttributeClauses(ClauseGroup):
    """RunQuery.attributes."""

    @clause("ATTR-01")
    async def test_attributes_read_back(self) -> None:
        given = {"s": "x", "i": 3, "f": 1.5, "t": True, "n": None, "z": 0, "e": "", "k y": "v"}
        await self.store.create_run(a_run(search_attributes=given))
        run = await self.store.get_run("r1")
        assert run is not None
        assert run.search_attributes == given
        assert {key: type(value) for key, value in run.search_attributes.items()} == {
            key: type(value) for key, value in given.items()
        }

    @clause("ATTR-02")
    async def test_numbers(self) -> None:
        await self._one_run_each(_NUMBERS)
        for index, value in enumerate(_NUMBERS):
            assert await self._each("v", value) == _expected(index, len(_NUMBERS)), value

    @clause("ATTR-03")
    async def test_texts(self) -> None:
        await self._one_run_each(_TEXTS)
        for index, value in enumerate(_TEXTS):
            assert await self._each("v", value) == _expected(index, len(_TEXTS)), ascii(value)

    @clause("ATTR-04")
    async def test_booleans(self) -> None:
        for run_id, value in (("a", True), ("b", False), ("c", 1), ("d", 0)):
            await self._create(run_id, v=value)
        assert await self._found("v", "eq", True) == ["a"]
        assert await self._found("v", "ne", True) == ["b"]
        assert await self._found("v", "eq", False) == ["b"]
        assert await self._found("v", "eq", 1) == ["c"]
        assert await self._found("v", "gte", 0) == ["c", "d"]

    @clause("ATTR-05")
    async def test_true_and_its_text_are_equal(self) -> None:
        await self._create("a", v=True)
        await self._create("b", v="true")
        await self._create("c", v="True")
        assert await self._found("v", "eq", True) == ["a", "b"]
        assert await self._found("v", "eq", "true") == ["a", "b"]

    @clause("ATTR-06")
    async def test_a_missing_attribute_never_matches(self) -> None:
        await self._create("a", other=1)
        await self._create("b")
        await self._create("c", v=None)
        for op in _OPS:
            for value in (1, "x", True):
                assert await self._found("v", op, value) == [], (op, value)

    @clause("ATTR-07")
    async def test_kinds_do_not_mix(self) -> None:
        await self._create("text", v="5")
        await self._create("number", v=5)
        assert await self._found("v", "eq", 5) == ["number"]
        assert await self._found("v", "eq", "5") == ["text"]
        assert await self._found("v", "ne", 6) == ["number"]
        assert await self._found("v", "ne", "6") == ["text"]
        assert await self._found("v", "gt", "") == ["text"]
        assert await self._found("v", "lt", 1e300) == ["number"]

    @clause("ATTR-08")
    async def test_all_filters_must_hold(self) -> None:
        await self._create("a", n=1, s="x")
        await self._create("b", n=5, s="x")
        await self._create("c", n=5, s="y")
        await self._create("d", n=9, s="x")
        x = AttributeFilter(key="s", op="eq", value="x")
        between = (AttributeFilter(key="n", op="gt", value=1), AttributeFilter(key="n", op="lt", value=9))
        assert await self._all(x) == ["a", "b", "d"]
        assert await self._all(*between) == ["b", "c"]
        assert await self._all(x, *between) == ["b"]
        assert await self._all(x, *between, AttributeFilter(key="s", op="ne", value="x")) == []

    @clause("ATTR-09")
    async def test_attributes_with_other_filters(self) -> None:
        for number in range(6):
            await self.store.create_run(
                a_run(f"r{number}", status="failed" if number % 2 else "pending", search_attributes={"n": number})
            )
        some = (AttributeFilter(key="n", op="gte", value=1),)
        assert ids(await self.store.list_runs(RunQuery(attributes=some, status="failed", limit=2))) == ["r5", "r3"]
        assert ids(await self.store.list_runs(RunQuery(attributes=some, status="failed", offset=2))) == ["r1"]

    @clause("ATTR-10")
    async def test_names_and_texts_are_exact(self) -> None:
        for number, twin in enumerate(TWINS):
            await self.store.create_run(a_run(f"r{number}", search_attributes={twin: "v", "v": twin}))
        for number, twin in enumerate(TWINS):
            assert await self._found(twin, "eq", "v") == [f"r{number}"]
            assert await self._found("v", "eq", twin) == [f"r{number}"]
            assert len(await self._found("v", "ne", twin)) == len(TWINS) - 1

    @clause("ATTR-11")
    async def test_one_run_with_twin_names(self) -> None:
        await self.store.create_run(a_run(search_attributes=dict(zip(TWINS, range(len(TWINS)), strict=True))))
        for number, twin in enumerate(TWINS):
            assert await self._found(twin, "eq", number) == ["r1"]

    @clause("ATTR-12")
    async def test_the_longest_attributes(self) -> None:
        for number, character in enumerate("x🙂"):
            longest = character * 191
            await self.store.create_run(a_run(f"r{number}", search_attributes={longest: longest}))
            assert await self._found(longest, "eq", longest) == [f"r{number}"]
            assert await self._found(longest, "eq", longest[:-1] + "y") == []

    @clause("ATTR-13")
    async def test_huge_integers(self) -> None:
        for run_id, value in (("a", 2**63), ("b", 10**30), ("c", -0.0), ("d", -(10**30))):
            await self._create(run_id, v=value)
        assert await self._found("v", "eq", 2**63) == ["a"]
        assert await self._found("v", "eq", float(2**63)) == ["a"]
        assert await self._found("v", "eq", 10**30) == ["b"]
        assert await self._found("v", "eq", 0) == ["c"]
        assert await self._found("v", "lt", -(10**29)) == ["d"]

    @clause("ATTR-14")
    async def test_a_patch_indexes_anew(self) -> None:
        await self._create("r1", v="old", gone=1)
        await self.store.update_run("r1", RunPatch(search_attributes={"v": "new", "n": 2}))
        assert await self._found("v", "eq", "old") == []
        assert await self._found("gone", "gte", 0) == []
        assert await self._found("v", "eq", "new") == ["r1"]
        await self.store.update_run("r1", RunPatch(search_attributes={"v": 7}))
        assert await self._found("v", "eq", "new") == [], "a value that changes its kind leaves nothing behind"
        assert await self._found("v", "eq", 7) == ["r1"]

    @clause("ATTR-15", needs=(Need.SQL,))
    async def test_attribute_rows(self) -> None:
        await self.store.create_run(a_run(search_attributes={"s": "x", "t": True, "i": 3, "none": None}))
        name = {"mysql": "`key`"}.get(self.sql.dialect, '"key"')
        rows = self.sql.execute(f"SELECT {name}, str_value, num_value FROM durable_run_attributes ORDER BY 1")
        assert [tuple(row) for row in rows] == [("i", None, 3.0), ("s", "x", None), ("t", "true", None)]
        await self.store.update_run("r1", RunPatch(search_attributes={}))
        assert not self.sql.execute("SELECT 1 FROM durable_run_attributes")

    @clause("ATTR-20")
    async def test_the_index_agrees_with_the_run(self) -> None:
        async with self.racers(4) as crew:
            for turn in crew.rounds():
                run_id = f"r{turn}"
                await self.store.create_run(a_run(run_id, search_attributes={"turn": turn}))
                patches = [
                    RunPatch(search_attributes={"by": number, f"k{number}": turn}) for number in range(crew.size)
                ]
                await crew.together(
                    lambda store, number, run_id=run_id, patches=patches: store.update_run(run_id, patches[number])
                )
                run = await self.store.get_run(run_id)
                assert run is not None
                assert run.search_attributes is not None
                winner = run.search_attributes["by"]
                for number in range(crew.size):
                    both = (("by", number), (f"k{number}", turn))
                    for key, value in both:
                        found = run_id in await self._found(key, "eq", value)
                        assert found is (number == winner), f"the index disagrees with the run about {key}"

    async def _one_run_each(self, values: tuple[AttributeValue, ...]) -> None:
        for index, value in enumerate(values):
            await self._create(f"{index:02}", v=value)

    async def _each(self, key: str, value: AttributeValue) -> dict[_Op, list[str]]:
        return {op: await self._found(key, op, value) for op in _OPS}

    async def _create(self, run_id: str, **attributes: Any) -> None:
        await self.store.create_run(a_run(run_id, search_attributes=attributes))

    async def _found(self, key: str, op: _Op, value: AttributeValue) -> list[str]:
        return await self._all(AttributeFilter(key=key, op=op, value=value))

    async def _all(self, *filters: AttributeFilter) -> list[str]:
        return sorted(ids(await self.store.list_runs(RunQuery(attributes=filters))))


def _expected(index: int, count: int) -> dict[_Op, list[str]]:
    names = [f"{number:02}" for number in range(count)]
    return {
        "eq": [names[index]],
        "ne": names[:index] + names[index + 1 :],
        "gt": names[index + 1 :],
        "gte": names[index:],
        "lt": names[:index],
        "lte": names[: index + 1],
    }
