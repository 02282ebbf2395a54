"""The command line: ``durable worker shop.flows:durable``."""

from __future__ import annotations

from durable_core.cli.main import main

__all__ = ["main"]
