"""The provider's books, and the server that keeps them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

__all__ = ["CARD_LIMIT_CENTS", "Books", "Charge", "open_provider"]

#: A charge of more than this is declined.
CARD_LIMIT_CENTS = 1_000_000


@dataclass(kw_only=True)
class Charge:
    """What happened under one idempotency key: *status* is charged, declined or refunded."""

    id: str
    key: str
    cents: int
    status: str
    requests: int = 0


class Books:
    """Every charge, by its idempotency key."""

    def __init__(self) -> None:
        self._charges: dict[str, Charge] = {}
        self._lock = Lock()

    def charge(self, key: str, cents: int) -> Charge:
        """The charge under *key*: made now, or found. A key that was refunded is never charged."""
        with self._lock:
            status = "charged" if cents <= CARD_LIMIT_CENTS else "declined"
            charge = self._charges.setdefault(key, self._new(key, cents, status))
            charge.requests += 1
            return charge

    def refund(self, key: str) -> Charge:
        """Refund *key*, once; if the charge comes later it is declined, for the books are closed."""
        with self._lock:
            charge = self._charges.setdefault(key, self._new(key, 0, "refunded"))
            if charge.status == "charged":
                charge.status = "refunded"
            return charge

    def listed(self) -> list[dict[str, Any]]:
        """The charges as plain values, oldest first."""
        with self._lock:
            return [asdict(charge) for charge in self._charges.values()]

    def _new(self, key: str, cents: int, status: str) -> Charge:
        return Charge(id=f"ch-{len(self._charges) + 1}", key=key, cents=cents, status=status)


def open_provider(address: tuple[str, int], books: Books) -> ThreadingHTTPServer:
    """A provider that keeps *books* and listens at *address*; the caller serves and closes it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, books.listed())

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/refunds":
                self._answer(200, asdict(books.refund(asked["key"])))
            else:
                charge = books.charge(asked["key"], asked["cents"])
                self._answer(200 if charge.status == "charged" else 402, asdict(charge))

        def _answer(self, status: int, body: Any) -> None:
            payload = json.dumps(body, indent=1).encode() + b"\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

    return ThreadingHTTPServer(address, Handler)
