"""The shop's web server, stopped inside the transaction that places an order, for a test to kill it there."""

from __future__ import annotations

import os
import threading
from typing import Any
from unittest.mock import patch

from flask import Flask

from flask_shop import web
from flask_shop.flows import durable

__all__ = ["create_app"]


def create_app() -> Flask:
    """The shop; SHOP_STALL says whether it stops before or after the run is started."""
    start = durable.start

    def stalled(*args: Any, **options: Any) -> None:
        if os.environ["SHOP_STALL"] == "after":
            start(*args, **options)
        print("inside the transaction", flush=True)  # noqa: T201 - the test waits for this line
        threading.Event().wait()

    patch.object(durable, "start", stalled).start()
    return web.create_app()
