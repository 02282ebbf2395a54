"""Values that come back as others, and identifiers that meet their twins."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC
from typing import Any, Final

from durable_core.codec import JsonCodec
from durable_core.memory import InMemoryStateStore
from durable_core.records import WorkflowRun
from mutants.registry import killed_by

__all__ = [
    "CutAt64K",
    "IntegersAreFloats",
    "NaiveMeansUtc",
    "NanIsNull",
    "NullsAreLost",
    "ReadsNaive",
    "SpacesAreStripped",
    "WholeSeconds",
]

#: How much a TEXT column of MySQL takes.
_TEXT_BYTES: Final = 65_535


@killed_by("TIME-01", "TIME-06")
class WholeSeconds(InMemoryStateStore):
    """Instants are kept to the second."""

    async def create_run(self, run: WorkflowRun) -> bool:
        wake = run.wake_at_ms if run.wake_at_ms is None else run.wake_at_ms // 1000 * 1000
        return await super().create_run(replace(run, wake_at_ms=wake))


@killed_by("TIME-04")
class NaiveMeansUtc(InMemoryStateStore):
    """A naive datetime is taken for UTC."""

    async def create_run(self, run: WorkflowRun) -> bool:
        return await super().create_run(replace(run, created_at=run.created_at.replace(tzinfo=UTC)))


@killed_by("IDENT-01", "IDENT-03")
class SpacesAreStripped(InMemoryStateStore):
    """Spaces at the end of an identifier are cut, as in a padded column."""

    async def buffer_signal(self, token: str, payload: Any) -> None:
        await super().buffer_signal(str(token).rstrip(" "), payload)

    async def get_run(self, run_id: str, *, latest: bool = False) -> WorkflowRun | None:
        return await super().get_run(run_id.rstrip(" "))


class _NullForNan(JsonCodec):
    def encode(self, value: object, field: str) -> str:
        return super().encode(None if isinstance(value, float) and math.isnan(value) else value, field)


@killed_by("PAYLOAD-04", "RUN-06")
class NanIsNull(InMemoryStateStore):
    """NaN is written as null."""

    def __init__(self) -> None:
        super().__init__(_NullForNan())


class _Cut(JsonCodec):
    def encode(self, value: object, field: str) -> str:
        text = super().encode(value, field)
        return text if len(text) < _TEXT_BYTES else json.dumps(text[: _TEXT_BYTES - 2])


@killed_by("PAYLOAD-05")
class CutAt64K(InMemoryStateStore):
    """A payload ends where a TEXT column of MySQL does, without a word."""

    def __init__(self) -> None:
        super().__init__(_Cut())


class _NoNulls(JsonCodec):
    def encode(self, value: object, field: str) -> str:
        if isinstance(value, dict):
            value = {key: member for key, member in value.items() if member is not None}
        return super().encode(value, field)


@killed_by("PAYLOAD-01")
class NullsAreLost(InMemoryStateStore):
    """A member of a payload that is null is left out."""

    def __init__(self) -> None:
        super().__init__(_NoNulls())


class _Floats(JsonCodec):
    def decode(self, text: str) -> object:
        return json.loads(text, parse_int=float)


@killed_by("PAYLOAD-01")
class IntegersAreFloats(InMemoryStateStore):
    """Every number of a payload comes back as a float."""

    def __init__(self) -> None:
        super().__init__(_Floats())


@killed_by("TIME-03")
class ReadsNaive(InMemoryStateStore):
    """Instants come back without their zone."""

    async def get_run(self, run_id: str, *, latest: bool = False) -> WorkflowRun | None:
        run = await super().get_run(run_id)
        return run and replace(run, created_at=run.created_at.replace(tzinfo=None))
