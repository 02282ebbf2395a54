"""Exceptions as they are recorded, and back."""

from __future__ import annotations

import re
import traceback
from typing import Final

from durable_core.errors import ConfigurationError, FatalError, InvalidValue, StepFailed
from durable_core.records import StepError

__all__ = ["is_final", "recorded_failure", "step_failed"]

_MAX_STACK: Final = 16_000
_UNSTORABLE: Final = re.compile("\x00")


def is_final(error: BaseException) -> bool:
    """Whether trying again cannot help: the step said so, or was itself misused."""
    return isinstance(error, FatalError | ConfigurationError | InvalidValue)


def recorded_failure(error: BaseException, *, retryable: bool | None = None) -> StepError:
    """*error* as history keeps it: message, code, traceback."""
    code = getattr(error, "code", None)
    message = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", _text(error) or type(error).__name__)
    stack = "".join(traceback.format_exception(error))
    return StepError(
        message=message,
        code=code if isinstance(code, str) else type(error).__name__,
        retryable=retryable,
        stack=_UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", stack[-_MAX_STACK:]),
    )


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception that cannot be printed must still be recorded
        return ""


def step_failed(step: str, error: StepError | None, attempts: int) -> StepFailed:
    """What a body sees of a recorded failure, on the first run and on every replay."""
    if error is None:
        return StepFailed(step, "no error was recorded", attempts=attempts)
    return StepFailed(step, error.message, code=error.code, attempts=attempts)
