"""What every store refuses before it writes. The rules are those of the narrowest database, applied everywhere."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from durable_core.durations import duration_ms
from durable_core.errors import IdentifierTooLong, InvalidIdentifier, InvalidValue, NotJsonSerializable
from durable_core.instants import from_ms, to_utc
from durable_core.queries import RetentionPolicy, RunQuery
from durable_core.records import TERMINAL_STATUSES, UNSET, BufferedEvent, SignalWaiter, StepCheckpoint, WorkflowRun

__all__ = [
    "MAX_IDENTIFIER",
    "check_attributes",
    "check_checkpoint",
    "check_event",
    "check_identifier",
    "check_int32",
    "check_limit",
    "check_patch",
    "check_policy",
    "check_prefix",
    "check_query",
    "check_run",
    "check_waiter",
]

#: The width of every key column: what an index of MySQL's utf8mb4 holds, and what the Node adapters use.
MAX_IDENTIFIER: Final = 191
_INT32: Final = range(-(2**31), 2**31)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def check_identifier(value: object, what: str, *, blank: bool = False) -> str:
    """Return *value* if every database keeps it exactly; else raise `InvalidIdentifier` or `IdentifierTooLong`.

    Trailing spaces are refused because MySQL's padded collations take ``"a "`` and ``"a"`` for the same key; NUL
    because PostgreSQL refuses and libSQL truncates it.
    """
    if not isinstance(value, str):
        raise InvalidIdentifier(f"{what} must be a str, got {value!r}")
    if not value and not blank:
        raise InvalidIdentifier(f"{what} must not be empty")
    if len(value) > MAX_IDENTIFIER:
        raise IdentifierTooLong(
            f"{what} has {len(value)} characters, its column holds {MAX_IDENTIFIER}: {value[:60]!r}...; "
            "shorten it, or use a hash of it"
        )
    if bad := _UNSTORABLE.search(value):
        raise InvalidIdentifier(f"{what} {value!r} holds {bad[0]!r}, which not every database can store")
    if value.endswith(" "):
        raise InvalidIdentifier(f"{what} {value!r} ends in a space, which MySQL would ignore: strip it")
    return value


def check_prefix(value: object, what: str) -> str:
    """Like `check_identifier` for the beginning of one: it may be blank and end in a space."""
    if not isinstance(value, str):
        raise InvalidIdentifier(f"{what} must be a str, got {value!r}")
    check_identifier(value.rstrip(" "), what, blank=True)
    return value


def check_limit(value: object, what: str = "limit") -> int:
    """Return a limit or offset that is a whole number and not negative; else raise `InvalidValue`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidValue(f"{what} must be a whole number of 0 or more, got {value!r}")
    return value


def check_int32(value: object, what: str) -> int:
    """Return a whole number that an integer column holds; else raise `InvalidValue`."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in _INT32:
        raise InvalidValue(f"{what} must be a whole number of 32 bits, got {value!r}")
    return value


def check_run(run: WorkflowRun) -> None:
    """Refuse a run that could not be stored and read back as it is."""
    check_identifier(run.id, "run id")
    _check_run_fields({name: getattr(run, name) for name in _RUN_FIELDS})


def check_patch(changes: Mapping[str, Any]) -> None:
    """Refuse the `RunPatch.changes` that could not be stored and read back as they are."""
    _check_run_fields(changes)


def check_checkpoint(checkpoint: StepCheckpoint) -> None:
    """Refuse a checkpoint that could not be stored and read back as it is."""
    check_identifier(checkpoint.run_id, "run id")
    for field in ("name", "kind", "step_id", "status"):
        check_identifier(getattr(checkpoint, field), f"checkpoint {field}")
    for field in ("worker_group", "parallel_group"):
        if (value := getattr(checkpoint, field)) is not None:
            check_identifier(value, f"checkpoint {field}")
    check_int32(checkpoint.seq, "checkpoint seq")
    check_int32(checkpoint.attempts, "checkpoint attempts")
    for field in ("started_at", "finished_at", "enqueued_at"):
        if (value := getattr(checkpoint, field)) is not None or field != "enqueued_at":
            to_utc(value, f"checkpoint {field}")
    if checkpoint.wake_at_ms is not None:
        from_ms(checkpoint.wake_at_ms, "checkpoint wake_at_ms")


def check_waiter(waiter: SignalWaiter) -> None:
    """Refuse a waiter that could not be stored and read back as it is."""
    check_identifier(waiter.token, "signal token")
    check_identifier(waiter.run_id, "run id")
    check_int32(waiter.seq, "waiter seq")
    if waiter.parallel_group is not None:
        check_identifier(waiter.parallel_group, "waiter parallel_group")


def check_event(event: BufferedEvent) -> None:
    """Refuse an event that could not be stored and read back as it is."""
    check_identifier(event.id, "event id")
    check_identifier(event.name, "event name")
    from_ms(event.published_at_ms, "event published_at_ms")


def check_query(query: RunQuery) -> None:
    """Refuse a query with a negative or fractional limit, a naive cursor or an operator that does not exist."""
    if query.limit is not None:
        check_limit(query.limit)
    check_limit(query.offset, "offset")
    _check_query_texts(query)
    if query.before is not None:
        to_utc(query.before[0], "query before")
        check_identifier(query.before[1], "query before")
    for one in query.attributes:
        if one.op not in ("eq", "ne", "gt", "gte", "lt", "lte"):
            raise InvalidValue(f"attribute filter on {one.key!r}: no operator {one.op!r}; use eq, ne, gt, gte, lt, lte")
        _check_attribute(one.key, one.value)


def _check_query_texts(query: RunQuery) -> None:
    for field in ("workflow", "status", "namespace"):
        if (value := getattr(query, field)) is not None:
            check_identifier(value, f"query {field}", blank=True)
    if isinstance(query.statuses, str):
        raise InvalidValue(f"query statuses must be a sequence of str, got the str {query.statuses!r}")
    for status in query.statuses or ():
        check_identifier(status, "query statuses", blank=True)
    if query.origin is not None and query.origin is not UNSET:
        _check_origin(query.origin, "query origin")
    if query.tag is not None:
        _check_tags((query.tag,), "query tag")


def check_policy(policy: RetentionPolicy) -> int | None:
    """Return *policy*'s max_age in milliseconds; raise `InvalidValue` if it has no bound or would prune live runs."""
    live = [status for status in policy.statuses if status not in TERMINAL_STATUSES]
    if live:
        raise InvalidValue(f"retention may only prune ended runs ({', '.join(TERMINAL_STATUSES)}), not {live}")
    if policy.max_age is None and policy.max_count is None:
        raise InvalidValue("a retention policy needs max_age, max_count or both")
    if policy.max_count is not None:
        check_limit(policy.max_count, "max_count")
    if policy.max_age is None:
        return None
    return check_limit(policy.max_age, "max_age") if isinstance(policy.max_age, int) else duration_ms(policy.max_age)


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """Refuse search attributes that are not flat scalars, or could not be compared exactly."""
    if not isinstance(attributes, Mapping):
        raise NotJsonSerializable(f"search_attributes must be a mapping of names to scalars, got {attributes!r}")
    for key, value in attributes.items():
        if value is None:
            check_identifier(key, "search attribute name")
        else:
            _check_attribute(key, value)


def _check_attribute(key: object, value: object) -> None:
    name = check_identifier(key, "search attribute name")
    if isinstance(value, str):
        check_identifier(value, f"search attribute {name!r}", blank=True)
    elif isinstance(value, bool):
        pass
    elif isinstance(value, int | float):
        try:
            finite = math.isfinite(value)
        except OverflowError:
            finite = False
        if not finite:
            raise NotJsonSerializable(f"search attribute {name!r} must be a finite number of 64 bits, got {value!r}")
    else:
        raise NotJsonSerializable(f"search attribute {name!r} must be a str, number or bool, got {value!r}")


_RUN_FIELDS: Final = (
    *("workflow", "workflow_version", "status", "locked_by", "awaiting_decision_task_id", "namespace", "origin"),
    *("recovery_attempts", "priority", "wake_at_ms", "locked_until_ms", "created_at", "updated_at"),
    *("tags", "search_attributes"),
)


def _check_run_fields(values: Mapping[str, Any]) -> None:
    """Each rule looks at the fields that it knows; what is absent, or None where that clears, is no concern of it."""
    for field in ("workflow", "workflow_version", "status"):
        if field in values:
            check_identifier(values[field], f"run {field}")
    for field in ("created_at", "updated_at"):
        if field in values:
            to_utc(values[field], f"run {field}")
    for field, check in _NULLABLE_FIELDS.items():
        if values.get(field) is not None:
            check(values[field], f"run {field}")


def _check_namespace(namespace: object, what: str) -> None:
    check_identifier(namespace, what, blank=True)


def _check_origin(origin: object, what: str) -> None:
    # A blank origin, however long, means an unknown one and is written as NULL.
    if not (isinstance(origin, str) and not origin.strip(" ")):
        check_identifier(origin, what)


def _check_tags(tags: object, what: str) -> None:
    if isinstance(tags, str) or not isinstance(tags, Sequence):
        raise InvalidValue(f"{what} must be a sequence of str, got {tags!r}")
    for tag in tags:
        if not isinstance(tag, str) or _UNSTORABLE.search(tag):
            raise InvalidValue(f"{what}: a tag must be a str that every database can store, got {tag!r}")


def _check_search_attributes(attributes: Any, _: str) -> None:
    check_attributes(attributes)


_NULLABLE_FIELDS: Final[dict[str, Callable[[Any, str], object]]] = {
    "locked_by": check_identifier,
    "awaiting_decision_task_id": check_identifier,
    "namespace": _check_namespace,
    "origin": _check_origin,
    "recovery_attempts": check_int32,
    "priority": check_int32,
    "wake_at_ms": from_ms,
    "locked_until_ms": from_ms,
    "tags": _check_tags,
    "search_attributes": _check_search_attributes,
}
