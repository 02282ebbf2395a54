"""Workflows and steps: which names stand for which code, and what each decorator refuses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

from durable_core.errors import InvalidDefinition, WorkflowNotRegistered
from durable_core.typed import TypedValue, input_type, return_type
from durable_core.validation import check_identifier

__all__ = ["Registry", "RetryPolicy", "Step", "Workflow"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
I_contra = TypeVar("I_contra", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a step runs, and how long it rests in between: backoff, twice that, four times that, up to a limit.

    *jitter* shortens each rest by up to half, so that many runs that failed together do not come back together.
    """

    max_attempts: int = 1
    backoff_ms: int = 1_000
    max_backoff_ms: int = 60_000
    jitter: bool = False

    def rest_ms(self, failed_attempts: int, chance: float) -> int:
        """How long to rest after that many failed attempts (1 or more); *chance* is in [0, 1)."""
        # The exponent is capped because 2**10000 would be computed before min() could throw it away.
        rest = min(self.max_backoff_ms, self.backoff_ms << min(failed_attempts - 1, 40))
        return round(rest * (0.5 + chance / 2)) if self.jitter else rest


class Step(Generic[P, R_co]):
    """A function whose result is checkpointed when a workflow calls it through ``ctx.step``.

    Calling it directly is an ordinary call: nothing is checkpointed.
    """

    def __init__(self, function: Callable[P, R_co], *, name: str, retry: RetryPolicy) -> None:
        self.name = name
        self.function = function
        self.retry = retry
        self.result: TypedValue = return_type(function, f"step {name!r}")
        self.__wrapped__ = function
        self.__doc__ = function.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the function itself."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<step {self.name!r}>"


class Workflow(Generic[I_contra, R_co]):
    """A registered workflow: what `start` takes."""

    def __init__(self, body: Callable[..., Any], *, name: str, version: str, tags: tuple[str, ...]) -> None:
        where = f"workflow {name!r}"
        self.name = name
        self.version = version
        self.tags = tags
        self.body = body
        self.takes_input = _takes_input(body, where)
        self.result: TypedValue = return_type(body, where)
        parameters = list(inspect.signature(body).parameters.values())
        self.has_default = self.takes_input and parameters[1].default is not inspect.Parameter.empty
        self.input: TypedValue = (
            input_type(body, parameters[1].name, where) if self.takes_input else TypedValue(Any, where)
        )
        self.__wrapped__ = body
        self.__doc__ = body.__doc__

    def __repr__(self) -> str:
        return f"<workflow {self.name!r} version {self.version!r}>"


def _takes_input(body: Callable[..., Any], where: str) -> bool:
    parameters = list(inspect.signature(body).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if len(parameters) not in (1, 2) or any(parameter.kind not in positional for parameter in parameters):
        raise InvalidDefinition(
            f"{where} must take (ctx) or (ctx, input), not {inspect.signature(body)}: "
            "put several inputs into one dataclass, pydantic model or dict"
        )
    return len(parameters) > 1


class Registry:
    """The workflows and steps of one `Durable`. *asynchronous*: bodies are coroutines (`AsyncDurable`)."""

    def __init__(self, *, asynchronous: bool) -> None:
        self._asynchronous = asynchronous
        self._workflows: dict[tuple[str, str], Workflow[Any, Any]] = {}
        self._steps: dict[str, Step[Any, Any]] = {}

    def __iter__(self) -> Iterator[Workflow[Any, Any]]:
        return iter(self._workflows.values())

    def add_workflow(
        self, body: Callable[..., Any], *, name: str | None, version: str, tags: tuple[str, ...]
    ) -> Workflow[Any, Any]:
        """Register *body*; raise `InvalidDefinition` if it is no function for this door, or the name is taken."""
        name = check_identifier(name if name is not None else _name(body), "workflow name")
        check_identifier(version, f"version of workflow {name!r}")
        where = f"workflow {name!r}"
        _refuse_generators(body, where)
        if self._asynchronous and not inspect.iscoroutinefunction(body):
            raise InvalidDefinition(f"{where} must be an async def under AsyncDurable")
        if not self._asynchronous and inspect.iscoroutinefunction(body):
            raise InvalidDefinition(f"{where} is an async def: make it a plain def, or use AsyncDurable")
        if (name, version) in self._workflows:
            raise InvalidDefinition(f"{where} version {version!r} is registered already; give one another version")
        workflow: Workflow[Any, Any] = Workflow(body, name=name, version=version, tags=tags)
        self._workflows[name, version] = workflow
        return workflow

    def add_step(self, function: Callable[P, R_co], *, name: str | None, retry: RetryPolicy) -> Step[P, R_co]:
        """Register *function*; raise `InvalidDefinition` if it is no function for this door, or the name is taken."""
        name = check_identifier(name if name is not None else _name(function), "step name")
        where = f"step {name!r}"
        _refuse_generators(function, where)
        if not self._asynchronous and inspect.iscoroutinefunction(function):
            raise InvalidDefinition(f"{where} is an async def: make it a plain def, or use AsyncDurable")
        if type(retry.max_attempts) is not int or retry.max_attempts < 1:
            raise InvalidDefinition(f"{where}: max_attempts must be 1 or more, got {retry.max_attempts!r}")
        if name in self._steps:
            raise InvalidDefinition(f"{where} is registered already; give one of the two another name=")
        step = Step(function, name=name, retry=retry)
        self._steps[name] = step
        return step

    def workflow(self, name: str, version: str | None = None) -> Workflow[Any, Any]:
        """The workflow of that name: exactly that *version*, or the newest. Raises `WorkflowNotRegistered`."""
        versions = {one.version: one for one in self if one.name == name}
        if not versions:
            known = ", ".join(sorted({repr(one.name) for one in self})) or "none at all"
            raise WorkflowNotRegistered(
                f"no workflow {name!r} is registered in this process (known: {known}): "
                "import the module that defines it before starting or serving it"
            )
        if version is None:
            return versions[max(versions, key=_version_order)]
        if version not in versions:
            raise WorkflowNotRegistered(
                f"workflow {name!r} is not registered in version {version!r} "
                f"(known: {', '.join(sorted(map(repr, versions)))}): keep the code of every version that still has runs"
            )
        return versions[version]


def _version_order(version: str) -> tuple[Any, ...]:
    """Numbers before numbers by value, part by part; texts after them, by code point."""
    return tuple(
        (0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in version.split(".")
    )


def _refuse_generators(function: Callable[..., Any], where: str) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidDefinition(
            f"{where} is a generator, which would be suspended where nothing resumes it: return values"
        )
    if inspect.isclass(function) or not inspect.isroutine(function):
        raise InvalidDefinition(f"{where} must be a function, got {function!r}")


def _name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or name == "<lambda>":
        raise InvalidDefinition(f"{function!r} has no name of its own: pass name=")
    return name
