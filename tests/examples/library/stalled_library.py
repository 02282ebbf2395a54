"""A worker of the library that stops at the worst moment, for a test to kill it there.

``LIBRARY_STALL`` is ``transaction``: a copy is taken from the shelf, and nothing is committed; or ``letter``: the
letter is out, and its checkpoint is not saved.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from pony.orm import flush

from pony_library import flows, letters


def _stalling(function: Callable[..., Any], message: str) -> Callable[..., Any]:
    @wraps(function)
    def stalled(*args: Any) -> None:
        function(*args)
        flush()
        print(message, flush=True)  # noqa: T201 - the test waits for this line
        threading.Event().wait()

    return stalled


if __name__ == "__main__":
    if os.environ["LIBRARY_STALL"] == "transaction":
        flows.hand_out = _stalling(flows.hand_out, "inside the transaction")
    else:
        letters.send = _stalling(letters.send, "the letter is out")
    with flows.durable.worker():
        threading.Event().wait()
