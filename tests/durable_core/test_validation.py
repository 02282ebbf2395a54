from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from durable_core.errors import (
    IdentifierTooLong,
    InvalidDuration,
    InvalidIdentifier,
    InvalidInstant,
    InvalidValue,
    NotJsonSerializable,
)
from durable_core.queries import AttributeFilter, RetentionPolicy, RunQuery
from durable_core.records import BufferedEvent, RunPatch, SignalWaiter, StepCheckpoint, WorkflowRun
from durable_core.validation import (
    MAX_IDENTIFIER,
    check_attributes,
    check_checkpoint,
    check_event,
    check_identifier,
    check_int32,
    check_limit,
    check_patch,
    check_policy,
    check_prefix,
    check_query,
    check_run,
    check_waiter,
)

AT = datetime(2024, 1, 1, tzinfo=UTC)
NAIVE = datetime(2024, 1, 1)  # noqa: DTZ001 - that is the point
RUN = WorkflowRun(id="r", workflow="w", workflow_version="1", status="pending", created_at=AT, updated_at=AT)
CHECKPOINT = StepCheckpoint(
    run_id="r",
    seq=0,
    name="n",
    kind="local",
    step_id="r:0",
    status="completed",
    attempts=1,
    started_at=AT,
    finished_at=AT,
)
WAITER = SignalWaiter(token="t", run_id="r", seq=0)
EVENT = BufferedEvent(id="e", name="n", published_at_ms=0)


@pytest.mark.parametrize("name", ["a", "x" * MAX_IDENTIFIER, "😀" * MAX_IDENTIFIER, " a", "a b", "Ä", "a\n", "%_\\'\""])
def test_exact_identifiers_pass(name: str) -> None:
    assert check_identifier(name, "token") == name


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("", InvalidIdentifier, "token must not be empty"),
        (" ", InvalidIdentifier, "ends in a space"),
        ("a ", InvalidIdentifier, "'a ' ends in a space, which MySQL would ignore: strip it"),
        ("a\x00b", InvalidIdentifier, r"holds '\\x00'"),
        ("\ud800", InvalidIdentifier, "not every database can store"),
        ("x" * (MAX_IDENTIFIER + 1), IdentifierTooLong, "192 characters, its column holds 191.*hash"),
        (None, InvalidIdentifier, "token must be a str, got None"),
        (5, InvalidIdentifier, "token must be a str, got 5"),
        (b"a", InvalidIdentifier, "token must be a str"),
    ],
)
def test_identifiers_that_databases_disagree_on_are_refused(name: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        check_identifier(name, "token")


def test_a_prefix_may_be_blank_and_end_where_a_word_does() -> None:
    assert check_prefix("", "prefix") == ""
    assert check_prefix("order ", "prefix") == "order "
    with pytest.raises(InvalidIdentifier):
        check_prefix("a\x00", "prefix")
    with pytest.raises(InvalidIdentifier):
        check_prefix(None, "prefix")


@pytest.mark.parametrize("limit", [-1, 1.5, True, None, "3"])
def test_a_limit_is_a_whole_number_of_zero_or_more(limit: Any) -> None:
    assert check_limit(0) == 0
    with pytest.raises(InvalidValue, match=r"limit must be a whole number of 0 or more"):
        check_limit(limit)


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 1.0, False, None])
def test_an_integer_column_holds_32_bits(number: Any) -> None:
    assert check_int32(2**31 - 1, "seq") + check_int32(-(2**31), "seq") == -1
    with pytest.raises(InvalidValue, match="seq must be a whole number of 32 bits"):
        check_int32(number, "seq")


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("id", "", InvalidIdentifier),
        ("id", "r ", InvalidIdentifier),
        ("workflow", None, InvalidIdentifier),
        ("workflow_version", 1, InvalidIdentifier),
        ("status", "", InvalidIdentifier),
        ("locked_by", "", InvalidIdentifier),
        ("awaiting_decision_task_id", "x" * 192, IdentifierTooLong),
        ("namespace", "a ", InvalidIdentifier),
        ("namespace", 5, InvalidIdentifier),
        ("origin", "web ", InvalidIdentifier),
        ("origin", " " + "x" * 191, IdentifierTooLong),
        ("origin", 5, InvalidIdentifier),
        ("recovery_attempts", 2**31, InvalidValue),
        ("priority", 0.5, InvalidValue),
        ("wake_at_ms", 1.5, InvalidInstant),
        ("wake_at_ms", 10**18, InvalidInstant),
        ("locked_until_ms", "soon", InvalidInstant),
        ("created_at", NAIVE, InvalidInstant),
        ("updated_at", None, InvalidInstant),
        ("tags", "abc", InvalidValue),
        ("tags", {"a"}, InvalidValue),
        ("tags", (1,), InvalidValue),
        ("tags", ("a\x00",), InvalidValue),
        ("search_attributes", [], NotJsonSerializable),
        ("search_attributes", {"a": []}, NotJsonSerializable),
    ],
)
def test_a_run_is_refused_by_field(field: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_run(dataclasses.replace(RUN, **{field: value}))
    if field not in ("id", "updated_at", "workflow"):  # None is no change for those
        with pytest.raises(error):
            check_patch(RunPatch(**{field: value}).changes())


@pytest.mark.parametrize(
    "fields",
    [
        {"namespace": "", "origin": "", "tags": (), "search_attributes": {}},
        {"namespace": None, "origin": " " * 500, "tags": ("", "a ", "x" * 500, 'a","b')},
        {"recovery_attempts": 0, "priority": -5, "wake_at_ms": 0, "search_attributes": {"a": None, "b": ""}},
    ],
)
def test_a_run_may_have_blank_and_falsy_fields(fields: dict[str, Any]) -> None:
    check_run(dataclasses.replace(RUN, **fields))
    check_patch(RunPatch(**fields).changes())


@pytest.mark.parametrize("value", [True, False, 0, -1.5, 1e308, 2**63, "", "x" * 191, None])
def test_search_attributes_are_flat_scalars(value: Any) -> None:
    check_attributes({"name": value})


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("n", float("nan"), NotJsonSerializable),
        ("n", float("inf"), NotJsonSerializable),
        ("n", 10**400, NotJsonSerializable),
        ("n", [1], NotJsonSerializable),
        ("n", b"x", NotJsonSerializable),
        ("n", "x" * 192, IdentifierTooLong),
        ("n", "x ", InvalidIdentifier),
        ("", 1, InvalidIdentifier),
        ("n ", None, InvalidIdentifier),
        (5, 1, InvalidIdentifier),
    ],
)
def test_search_attributes_that_no_index_could_compare_are_refused(
    key: Any, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        check_attributes({key: value})


@pytest.mark.parametrize(
    ("check", "record", "changes", "error"),
    [
        (check_checkpoint, CHECKPOINT, {"name": "x" * 192}, IdentifierTooLong),
        (check_checkpoint, CHECKPOINT, {"kind": ""}, InvalidIdentifier),
        (check_checkpoint, CHECKPOINT, {"seq": 2**31}, InvalidValue),
        (check_checkpoint, CHECKPOINT, {"attempts": True}, InvalidValue),
        (check_checkpoint, CHECKPOINT, {"started_at": NAIVE}, InvalidInstant),
        (check_checkpoint, CHECKPOINT, {"finished_at": None}, InvalidInstant),
        (check_checkpoint, CHECKPOINT, {"enqueued_at": NAIVE}, InvalidInstant),
        (check_checkpoint, CHECKPOINT, {"wake_at_ms": 1.5}, InvalidInstant),
        (check_checkpoint, CHECKPOINT, {"worker_group": ""}, InvalidIdentifier),
        (check_waiter, WAITER, {"token": "t "}, InvalidIdentifier),
        (check_waiter, WAITER, {"run_id": ""}, InvalidIdentifier),
        (check_waiter, WAITER, {"seq": None}, InvalidValue),
        (check_waiter, WAITER, {"parallel_group": "x" * 192}, IdentifierTooLong),
        (check_event, EVENT, {"id": ""}, InvalidIdentifier),
        (check_event, EVENT, {"name": "n "}, InvalidIdentifier),
        (check_event, EVENT, {"published_at_ms": None}, InvalidInstant),
    ],
)
def test_other_records_are_refused_by_field(
    check: Callable[[Any], None], record: Any, changes: dict[str, Any], error: type[Exception]
) -> None:
    check(record)
    with pytest.raises(error):
        check(dataclasses.replace(record, **changes))


def test_compensations_count_downwards_and_attempts_may_be_reset() -> None:
    check_checkpoint(dataclasses.replace(CHECKPOINT, seq=-2, attempts=0))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"limit": -1}, InvalidValue),
        ({"offset": 1.5}, InvalidValue),
        ({"before": (NAIVE, "r")}, InvalidInstant),
        ({"before": (AT, "")}, InvalidIdentifier),
        ({"workflow": "a\x00"}, InvalidIdentifier),
        ({"status": "pending "}, InvalidIdentifier),
        ({"namespace": "n "}, InvalidIdentifier),
        ({"origin": "web "}, InvalidIdentifier),
        ({"tag": "a\x00"}, InvalidValue),
        ({"tag": 5}, InvalidValue),
        ({"statuses": "pending"}, InvalidValue),
        ({"statuses": ("a\x00",)}, InvalidIdentifier),
        ({"attributes": (AttributeFilter(key="k", op="like", value=1),)}, InvalidValue),  # type: ignore[arg-type]
        ({"attributes": (AttributeFilter(key="k", op="eq", value=float("nan")),)}, NotJsonSerializable),
        ({"attributes": (AttributeFilter(key="", op="eq", value=1),)}, InvalidIdentifier),
        ({"attributes": (AttributeFilter(key="k", op="eq", value=None),)}, NotJsonSerializable),  # type: ignore[arg-type]
    ],
)
def test_a_query_that_databases_would_answer_differently_is_refused(
    fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        check_query(RunQuery(**fields))


def test_blank_query_fields_are_questions_like_others() -> None:
    check_query(RunQuery(workflow="", status="", statuses=(), tag="", namespace="", origin=" ", limit=0))
    check_query(RunQuery(origin=None, before=(AT, "r")))


@pytest.mark.parametrize(
    ("policy", "max_age_ms"),
    [
        (RetentionPolicy(statuses=("completed",), max_count=0), None),
        (RetentionPolicy(statuses=("failed", "dead"), max_age="7d"), 7 * 86_400_000),
        (RetentionPolicy(statuses=("cancelled",), max_age=timedelta(days=7)), 7 * 86_400_000),
        (RetentionPolicy(statuses=("completed",), max_age=5), 5),
        (RetentionPolicy(statuses=(), max_age=0), 0),
    ],
)
def test_a_policy_tells_its_age_in_milliseconds(policy: RetentionPolicy, max_age_ms: int | None) -> None:
    assert check_policy(policy) == max_age_ms


@pytest.mark.parametrize(
    ("policy", "error", "words"),
    [
        (RetentionPolicy(statuses=("completed",)), InvalidValue, "max_age, max_count or both"),
        (RetentionPolicy(statuses=("completed", "running"), max_count=1), InvalidValue, r"not \['running'\]"),
        (RetentionPolicy(statuses=("completed",), max_count=-1), InvalidValue, "max_count"),
        (RetentionPolicy(statuses=("completed",), max_age=-1), InvalidValue, "max_age"),
        (RetentionPolicy(statuses=("completed",), max_age="1 month"), InvalidDuration, "1 month"),
        (RetentionPolicy(statuses=("completed",), max_age=True), InvalidValue, "max_age"),
    ],
)
def test_a_policy_that_would_prune_the_wrong_runs_is_refused(
    policy: RetentionPolicy, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        check_policy(policy)
