"""What differs from machine to machine comes from the environment."""

from __future__ import annotations

import os

__all__ = ["APPROVAL_TIMEOUT", "DATABASE", "LEASE", "PAYMENTS"]

#: sqlite:///file, postgresql://user:password@host/name or mysql://user:password@host/name
DATABASE = os.environ.get("SHOP_DATABASE", "sqlite:///shop.db")

#: Where the payment provider listens.
PAYMENTS = os.environ.get("SHOP_PAYMENTS", "http://127.0.0.1:8800")

#: How long an order waits for its approval, before it expires.
APPROVAL_TIMEOUT = os.environ.get("SHOP_APPROVAL_TIMEOUT", "2 days")

#: How long after the death of a worker its orders are taken up by another one.
LEASE = os.environ.get("SHOP_LEASE", "10 s")
