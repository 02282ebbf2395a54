"""Tags, prefixes and texts match exactly on every database, whatever characters they hold."""

from __future__ import annotations

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from durable_core.drive import run_blocking
from durable_core.queries import AttributeFilter, RunQuery
from durable_core.records import SignalWaiter
from durable_peewee import PeeweeStateStore
from peewee_cells import Cell, CellOn, a_checkpoint, a_run, created

#: Tags that look like the text between other tags.
_TAGS = ["", ",", "a", "A", 'a","b', '","', '"', '",', "]", "[", "],[", "x,", ",x", "]y", "\\", '\\"']
_TAGS += ["%", "_", "é", "😀"]


def _with_tag(store: PeeweeStateStore, tag: str) -> set[str]:
    return {run.id for run in run_blocking(store.list_runs(RunQuery(tag=tag)))}


def test_a_tag_is_found_in_its_own_place_and_nowhere_else(cell: Cell) -> None:
    store = cell.store()
    of_run: dict[str, tuple[str, ...]] = {}
    of_run |= {f"r{number}": pair for number, pair in enumerate(itertools.product(_TAGS, _TAGS))}
    of_run |= {f"one-{number}": (tag,) for number, tag in enumerate(_TAGS)}
    of_run |= {"none": ()}
    with store.session.raw.atomic():
        created(store, *(a_run(run_id, tags=tags) for run_id, tags in of_run.items()), a_run("null"))

    for tag in [*_TAGS, "b", '"]', "e", "E", "x"]:
        assert _with_tag(store, tag) == {run_id for run_id, tags in of_run.items() if tag in tags}, tag


_NASTY = st.text('",[]\\ax', max_size=4)


def test_no_tags_of_nasty_characters_are_mistaken(cell_on: CellOn) -> None:
    cell = cell_on("sqlite")
    store = cell.store()

    @settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
    @given(tags=st.lists(_NASTY, max_size=4), wanted=_NASTY)
    def check(tags: list[str], wanted: str) -> None:
        cell.empty()
        created(store, a_run("r", tags=tuple(tags)))
        assert _with_tag(store, wanted) == ({"r"} if wanted in tags else set())

    check()


def test_prefixes_are_literal_and_case_sensitive(cell: Cell) -> None:
    store = cell.store()
    names = ["a", "a_", "a%", "ab", "aB", "A_", "a|", "a\\", "a b", "a\tb", "é", "e", "b", "a\U0010ffff"]
    names += ["\U0010ffff", "a\x01", "a  b"]
    for number, name in enumerate(names):
        run_blocking(store.put_signal_waiter(SignalWaiter(token=name, run_id="r", seq=number)))
        run_blocking(store.save_checkpoint(a_checkpoint("r", number, name=name)))

    prefixes = ["", "a", "A", "a_", "a%", "a|", "a\\", "a ", "a  ", "a\t", "é", "e", "\U0010ffff", "a\U0010ffff"]
    for prefix in [*prefixes, "c", "*", "["]:
        tokens = [waiter.token for waiter in run_blocking(store.list_signal_waiters(prefix))]
        assert tokens == sorted(name for name in names if name.startswith(prefix)), prefix
        found = run_blocking(store.list_checkpoints_by_name_prefix("r", [prefix, prefix]))
        assert [one.name for one in found] == [name for name in names if name.startswith(prefix)], prefix


def test_texts_compare_by_code_point(cell: Cell) -> None:
    store = cell.store()
    values = ["", "a", "A", "a\t", "a b", "B", "b", "Z", "é", "z", "😀", "\uffff"]
    created(store, *(a_run(f"r{number}", search_attributes={"s": value}) for number, value in enumerate(values)))

    for operand in values:
        for op, holds in (
            ("eq", operand.__eq__),
            ("ne", operand.__ne__),
            ("lt", operand.__gt__),
            ("lte", operand.__ge__),
            ("gt", operand.__lt__),
            ("gte", operand.__le__),
        ):
            wanted = AttributeFilter(key="s", op=op, value=operand)  # type: ignore[arg-type]
            found = {run.id for run in run_blocking(store.list_runs(RunQuery(attributes=(wanted,))))}
            assert found == {f"r{number}" for number, value in enumerate(values) if holds(value)}, (op, operand)


def test_a_blank_matches_nothing_and_a_huge_page_is_no_error(cell: Cell) -> None:
    store = cell.store()
    created(store, a_run("r", origin="web"))

    for query in (RunQuery(workflow=""), RunQuery(status=""), RunQuery(statuses=("",)), RunQuery(namespace="")):
        assert run_blocking(store.list_runs(query)) == []
    assert run_blocking(store.list_runs(RunQuery(offset=10**30))) == []
    assert [run.id for run in run_blocking(store.list_runs(RunQuery(limit=10**30)))] == ["r"]
    assert [run.id for run in run_blocking(store.list_pending_runs(10**30))] == ["r"]
