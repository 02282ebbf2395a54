from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Literal

import pytest

from durable_core.memory import InMemoryStateStore
from durable_core.offload import OffloadedStore, offload
from durable_core.store import StateStore


def _methods(kind: type) -> dict[str, Callable[..., Any]]:
    return {name: value for name, value in vars(kind).items() if inspect.isfunction(value) and name[0] != "_"}


@pytest.mark.parametrize("kind", [OffloadedStore, InMemoryStateStore])
def test_every_method_of_the_contract_is_there_with_its_very_signature(kind: type) -> None:
    asked, given = _methods(StateStore), _methods(kind)
    assert len(asked) > 30
    for name, method in asked.items():
        assert inspect.signature(given[name]) == inspect.signature(method), name
        assert inspect.iscoroutinefunction(given[name]) == inspect.iscoroutinefunction(method), name


class Telephone:
    """Repeats which method was called, and with what."""

    blocking: Literal[True] = True

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def connected(self) -> nullcontext[None]:
        return nullcontext()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def repeat(*args: Any, **kwargs: Any) -> str:
            bound = inspect.signature(getattr(StateStore, name)).bind(self, *args, **kwargs)
            self.heard.append((name, {key: value for key, value in bound.arguments.items() if key != "self"}))
            return f"result of {name}"

        return repeat


def test_every_method_reaches_the_one_of_the_same_name_with_the_same_arguments() -> None:
    telephone: Any = Telephone()
    offloaded = offload(telephone, threads=1)
    for name, method in _methods(StateStore).items():
        if not inspect.iscoroutinefunction(method):
            continue
        signature = inspect.signature(method)
        given = {parameter: object() for parameter in list(signature.parameters)[1:]}
        result = asyncio.run(getattr(offloaded, name)(**given))
        assert telephone.heard.pop() == (name, given)
        assert result == (None if signature.return_annotation == "None" else f"result of {name}")
    offloaded.close()
