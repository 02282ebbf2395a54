"""What may be a workflow or a step, and what each decorator says to the rest."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from durable_core import AsyncDurable, ConfigurationError, Durable, InMemoryStateStore, InvalidDefinition, offload
from durable_core.testing import FakeRuntime


@pytest.fixture
def durable() -> Durable:
    return Durable(InMemoryStateStore(), runtime=FakeRuntime())


def numbers(ctx: Any) -> Iterator[int]:
    yield 1


async def anumbers(ctx: Any) -> AsyncIterator[int]:
    yield 1


async def later(ctx: Any) -> int:
    return 1


def keyword_only(ctx: Any, *, order: int) -> None: ...


def three(ctx: Any, order: int, user: int) -> None: ...


def none_at_all() -> None: ...


def many(*args: Any) -> None: ...


class Callable:
    def __call__(self, ctx: Any) -> None: ...


def unreadable_input(ctx: Any, order: complex) -> None: ...


def unreadable_result(ctx: Any) -> Iterator[int]:
    return iter([1])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (numbers, "is a generator"),
        (anumbers, "is a generator"),
        (later, "is an async def: make it a plain def, or use AsyncDurable"),
        (keyword_only, r"must take \(ctx\) or \(ctx, input\)"),
        (three, "put several inputs into one dataclass"),
        (none_at_all, r"must take \(ctx\)"),
        (many, r"must take \(ctx\)"),
        (Callable(), "pass name="),
        (functools.partial(three, order=1), "pass name="),
        (lambda ctx: None, "has no name of its own: pass name="),
        (unreadable_input, "input 'order' is annotated .*, but nothing in JSON can be rebuilt to complex"),
        (unreadable_result, "return value is annotated .*, but nothing in JSON can be rebuilt to Iterator: use a list"),
    ],
)
def test_what_is_no_workflow(durable: Durable, body: Any, words: str) -> None:
    with pytest.raises(InvalidDefinition, match=words):
        durable.workflow()(body)
    with pytest.raises(ConfigurationError):
        durable.start("anything")


@pytest.mark.parametrize("body", [Callable(), Callable, 5])
def test_what_is_no_function_even_with_a_name(durable: Durable, body: Any) -> None:
    with pytest.raises(InvalidDefinition, match="must be a function"):
        durable.workflow(name="flow")(body)
    with pytest.raises(InvalidDefinition, match="must be a function"):
        durable.step(name="step")(body)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (numbers, "is a generator"),
        (later, "is an async def"),
        (unreadable_result, "step 'unreadable_result' return value is annotated .* rebuilt to Iterator"),
    ],
)
def test_what_is_no_step(durable: Durable, function: Any, words: str) -> None:
    with pytest.raises(InvalidDefinition, match=words):
        durable.step(function)


@pytest.mark.parametrize("attempts", [0, -1, True, "3", 1.5])
def test_attempts_are_a_whole_number_of_one_or_more(durable: Durable, attempts: Any) -> None:
    with pytest.raises(InvalidDefinition, match="max_attempts must be 1 or more"):
        durable.step(name="step", max_attempts=attempts)(lambda: None)


def test_a_misspelt_option_is_not_ignored(durable: Durable) -> None:
    options: Any = {"max_attempt": 3}
    with pytest.raises(ConfigurationError, match=r"a step has no option 'max_attempt'; it has .*max_attempts"):
        durable.step(**options)(lambda: None)


def test_a_name_is_taken_once(durable: Durable) -> None:
    durable.step(name="step")(lambda: None)
    with pytest.raises(InvalidDefinition, match="step 'step' is registered already"):
        durable.step(name="step")(lambda: None)
    durable.workflow(name="flow")(lambda ctx: None)
    durable.workflow(name="flow", version="2")(lambda ctx: None)
    with pytest.raises(InvalidDefinition, match="workflow 'flow' version '2' is registered already"):
        durable.workflow(name="flow", version="2")(lambda ctx: None)


def test_an_annotation_that_does_not_exist(durable: Durable) -> None:
    def step() -> Nowhere:  # type: ignore[name-defined]  # noqa: F821
        ...

    with pytest.raises(InvalidDefinition, match="import it outside `if TYPE_CHECKING`"):
        durable.step(step)


def test_a_step_is_still_an_ordinary_function(durable: Durable) -> None:
    @durable.step
    def add(left: int, right: int) -> int:
        """Add."""
        return left + right

    assert add(1, right=2) == 3
    assert (add.name, add.__doc__, repr(add)) == ("add", "Add.", "<step 'add'>")


def test_an_async_durable_takes_both_kinds_of_steps_and_async_workflows() -> None:
    store = offload(InMemoryStateStore())
    durable = AsyncDurable(store)
    durable.step(later)
    durable.step(three)
    with pytest.raises(InvalidDefinition, match="is a generator"):
        durable.step(anumbers)
    with pytest.raises(InvalidDefinition, match="is a generator"):
        durable.workflow()(anumbers)  # type: ignore[arg-type]
    store.close()
