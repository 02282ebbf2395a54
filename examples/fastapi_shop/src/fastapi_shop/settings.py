"""What differs from machine to machine comes from the environment."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["APPROVAL_TIMEOUT", "DATABASE", "EMBEDDED_WORKER", "LEASE", "PAYMENTS", "TORTOISE_ORM"]

#: postgres://user:password@host/name, mysql://user:password@host/name or sqlite://file
DATABASE = os.environ.get("SHOP_DATABASE", "postgres://postgres@127.0.0.1:5432/shop")

#: Where the payment provider listens.
PAYMENTS = os.environ.get("SHOP_PAYMENTS", "http://127.0.0.1:8800")

#: How long an order waits for its approval, before it expires.
APPROVAL_TIMEOUT = os.environ.get("SHOP_APPROVAL_TIMEOUT", "2 days")

#: How long after the death of a worker its orders are taken up by another one.
LEASE = os.environ.get("SHOP_LEASE", "10 s")

#: Whether the web server runs the checkouts too, and no worker beside it is needed.
EMBEDDED_WORKER = os.environ.get("SHOP_EMBEDDED_WORKER", "no") == "yes"

#: For Tortoise, and for Aerich, which makes the tables of all three: the shop's, durable's and its own.
TORTOISE_ORM: dict[str, Any] = {
    "connections": {"default": DATABASE},
    "apps": {"shop": {"models": ["fastapi_shop.models", "durable_tortoise.models", "aerich.models"]}},
}
