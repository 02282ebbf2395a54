"""What a run of the suite tells, and that it leaves nothing out in silence."""

from __future__ import annotations

import re

import pytest

from durable_conformance import registered_clauses
from workspace import ROOT

pytest_plugins = ["pytester"]

_HARNESS = """
from durable_conformance import Harness, StoreAbsent, StoreContract
from durable_core.memory import InMemoryStateStore

class Store(InMemoryStateStore):
    async def renew_run_lock(self, run_id, owner, lease_until_ms):
        return {renewed}

class Mine(Harness):
    name, backend, isolated = "mine", "mydb", False
    gaps = {gaps}
    store = Store()
    def open(self):
        {open}
    def reset(self):
        self.store = Store()
    def close(self):
        pass

class TestMine(StoreContract):
    harness = Mine()
"""

#: LEASE-09 came in 0.2, and the suite is of another version.
_SINCE_0_2 = """
import dataclasses
from durable_conformance import clauses
lease_09 = clauses._registered["LEASE-09"]
object.__setattr__(lease_09, "entry", dataclasses.replace(lease_09.entry, since="0.2"))
clauses.installed_version = lambda: "{version}"
"""


def _suite(
    pytester: pytest.Pytester, *, renewed: str = "True", gaps: str = "{}", open: str = "return self.store"
) -> None:
    pytester.makepyfile(_HARNESS.format(renewed=renewed, gaps=gaps, open=open))


def test_the_readme_shows_a_whole_suite(pytester: pytest.Pytester) -> None:
    fence = re.search(
        r"```python\n(.*?)```", (ROOT / "conformance" / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert fence is not None
    pytester.makepyfile(fence[1])
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    assert result.ret == 0
    result.stdout.re_match_lines([rf"my-store: {len(registered_clauses())} clauses: \d+ passed, 0 failed, .*"])


def test_a_broken_promise_fails_by_its_id(pytester: pytest.Pytester) -> None:
    _suite(pytester)
    result = pytester.runpytest_subprocess("-k", "LEASE-0")
    assert result.ret == 1
    result.stdout.re_match_lines(
        [r"mine: .* failed, .* not selected", r" +failed: .*LEASE-07 LEASE-09.*"], consecutive=True
    )


def test_a_declared_gap_is_reported_each_time(pytester: pytest.Pytester) -> None:
    _suite(pytester, gaps="{'LEASE-09': 'anybody may renew'}")
    result = pytester.runpytest_subprocess("-k", "LEASE-09 or LEASE-10")
    assert result.ret == 0
    result.stdout.re_match_lines([r".*1 NOT IMPLEMENTED.*", r" +NOT IMPLEMENTED LEASE-09: anybody may renew"])


def test_a_declared_gap_that_passes_warns(pytester: pytest.Pytester) -> None:
    _suite(pytester, gaps="{'LEASE-01': 'we thought so'}")
    result = pytester.runpytest_subprocess("-k", "LEASE-01")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*GapPasses: mine: LEASE-01 passes; its gap may go (we thought so)"])
    result.stdout.re_match_lines([r"mine: .*1 declared as a gap but passed"])


def test_a_gap_does_not_hide_that_the_store_is_gone(pytester: pytest.Pytester) -> None:
    gone = "if vars(self).setdefault('opened', []): raise StoreAbsent('gone')"
    gaps = "{'LEASE-01': 'we thought so'}"
    _suite(pytester, gaps=gaps, open=f"{gone}\n        self.opened.append(1); return self.store")
    result = pytester.runpytest_subprocess("-k", "LEASE-01", "--durable-require=mine")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*the cell mine is required (--durable-require) but cannot run: gone*"])


def test_a_preview_fails_nobody_until_the_next_minor_version(pytester: pytest.Pytester) -> None:
    _suite(pytester)
    for version, code, told in (("0.2.7", 0, "1 failed as previews"), ("0.3.0", 1, "1 failed, ")):
        pytester.makeconftest(_SINCE_0_2.format(version=version))
        result = pytester.runpytest_subprocess("-k", "LEASE-09 or LEASE-01")
        assert result.ret == code
        result.stdout.re_match_lines([rf"mine: .*{told}.*"])


def test_a_gap_that_is_no_clause_fails(pytester: pytest.Pytester) -> None:
    _suite(pytester, gaps="{'LEASE-99': 'no such thing'}")
    result = pytester.runpytest_subprocess("-k", "LEASE-01")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*mine declares gaps that are no clauses: *LEASE-99*"])


def test_an_absent_store_is_left_out_and_listed(pytester: pytest.Pytester) -> None:
    _suite(pytester, open="raise StoreAbsent('nobody answers')")
    result = pytester.runpytest_subprocess("-k", "LEASE-01 or SCHEMA-02", "--durable-require=other")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*durable: cells left out*", "mine: nobody answers (2 tests)"])
    result.stdout.no_fnmatch_line("*not applicable*")


@pytest.mark.parametrize("required", ["mine", "mydb", "all", "other, mine"])
def test_an_absent_store_fails_where_it_is_required(pytester: pytest.Pytester, required: str) -> None:
    _suite(pytester, open="raise StoreAbsent('nobody answers')")
    result = pytester.runpytest_subprocess("-k", "LEASE-01", "--durable-require", required)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*the cell mine is required (--durable-require) but cannot run: nobody answers*"])


def test_the_environment_may_require(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURABLE_REQUIRE", "mydb")
    _suite(pytester, open="raise StoreAbsent('nobody answers')")
    assert pytester.runpytest_subprocess("-k", "LEASE-01").ret == 1


def test_a_distributed_run_tells_the_same(pytester: pytest.Pytester) -> None:
    _suite(pytester, gaps="{'LEASE-09': 'anybody may renew'}")
    result = pytester.runpytest_subprocess("-n", "2", "-k", "LEASE-0 or SCHEMA")
    result.stdout.re_match_lines([r"mine: .*1 NOT IMPLEMENTED, .* not applicable, .* not selected"])


def test_a_failed_clause_shows_the_values(pytester: pytest.Pytester) -> None:
    _suite(pytester, renewed="False")
    result = pytester.runpytest_subprocess("-k", "LEASE-11")
    result.stdout.fnmatch_lines(["E*assert False is True"])
