"""The shop's web server, stopped inside the transaction that places an order, for a test to kill it there."""

from __future__ import annotations

import asyncio
import os
from typing import Any
from unittest.mock import patch

from fastapi_shop.flows import durable
from fastapi_shop.web import app

__all__ = ["app"]

_start = durable.start


async def _stalled(*args: Any, **options: Any) -> None:
    if os.environ["SHOP_STALL"] == "after":
        await _start(*args, **options)
    print("inside the transaction", flush=True)  # noqa: T201 - the test waits for this line
    await asyncio.Event().wait()


patch.object(durable, "start", _stalled).start()
