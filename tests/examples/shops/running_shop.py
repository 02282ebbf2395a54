"""The shop as people run it: a payment provider, a web server and workers, over real sockets and real databases."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from database_servers import BackendAddress
from examples.programs import Program, script
from payment_provider.provider import Books, Charge, open_provider
from peewee_databases import open_peewee

__all__ = ["SHIPPED", "WAITING", "Answer", "HeldBooks", "RunningShop", "until"]

#: Statuses of an order and of its checkout.
WAITING = ("awaiting_approval", "suspended")
SHIPPED = ("shipped", "completed")

PATIENCE_S = 60.0


def until(probe: Callable[[], Any], wanted: Any, *, within: float = PATIENCE_S, every: float = 0.02) -> None:
    """Look *every* so many seconds until *probe* gives *wanted*; fail with what it gave last."""
    deadline = time.monotonic() + within
    while (seen := probe()) != wanted:
        assert time.monotonic() < deadline, f"after {within} s still {seen!r}, not {wanted!r}"
        time.sleep(every)


class HeldBooks(Books):
    """Books whose answers can be held back: the charge is made, but the shop does not hear of it yet."""

    def __init__(self) -> None:
        super().__init__()
        self._answering = threading.Event()
        self._answering.set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Answer no charge until the block ends."""
        self._answering.clear()
        try:
            yield
        finally:
            self._answering.set()

    def charge(self, key: str, cents: int) -> Charge:
        charge = super().charge(key, cents)
        self._answering.wait(PATIENCE_S)
        return charge

    def of(self, order_id: int) -> list[tuple[str, int]]:
        """Status and number of requests of the order's charges."""
        key = f"order:{order_id}"
        return [(charge["status"], charge["requests"]) for charge in self.listed() if charge["key"] == key]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the shop answered."""

    status: int
    body: Any


@dataclass(kw_only=True)
class RunningShop(ABC):
    """One shop: its database, its provider, and the programs that the test has started."""

    package: ClassVar[str]
    address: BackendAddress
    folder: Path
    books: HeldBooks
    provider: ThreadingHTTPServer
    settings: dict[str, str] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)
    url: str = ""

    @classmethod
    @contextmanager
    def opened(cls, address: BackendAddress, folder: Path) -> Iterator[Self]:
        """A shop with ten teapots, whose provider answers; nothing else runs yet."""
        books = HeldBooks()
        with open_provider(("127.0.0.1", 0), books) as provider:
            serving = threading.Thread(target=provider.serve_forever, daemon=True)
            serving.start()
            shop = cls(address=address, folder=folder, books=books, provider=provider)
            try:
                shop.make_tables()
                shop.write("INSERT INTO shop_item (name, cents, stock) VALUES ('teapot', 2900, 10)")
                yield shop
            finally:
                for program in shop.programs:
                    program.kill()
                    sys.stderr.write(f"{program}\n")  # pytest shows it when the test fails
                provider.shutdown()

    @property
    @abstractmethod
    def database_url(self) -> str:
        """The address of the database, as the shop wants it written."""

    @abstractmethod
    def make_tables(self) -> None:
        """Make the tables in the way that the shop's README tells."""

    @abstractmethod
    def web_command(self, *, stalled: bool) -> tuple[str, ...]:
        """What serves the shop on a free port; *stalled* inside the transaction that places an order."""

    @property
    def environment(self) -> dict[str, str]:
        """What the programs are told."""
        told = {
            "SHOP_DATABASE": self.database_url,
            "SHOP_PAYMENTS": f"http://127.0.0.1:{self.provider.server_port}",
            **self.settings,
        }
        return {**os.environ, **told, "PYTHONUNBUFFERED": "1"}

    def start_web(self, *, stalled: bool = False) -> Program:
        """Serve the shop on a free port, and send our requests there."""
        web = self.start(sys.executable, "-m", *self.web_command(stalled=stalled))
        self.url = "http://127.0.0.1:" + web.printed(r"unning on http://127\.0\.0\.1:(\d+)", within=PATIENCE_S)
        return web

    def start_worker(self, *, concurrency: int = 4) -> Program:
        """A worker process like that of the README."""
        return self.start(
            script("durable"), "worker", f"{self.package}.flows:durable", "--concurrency", str(concurrency)
        )

    def start(self, *command: str) -> Program:
        """Start a program of the shop's."""
        log = self.folder / f"{len(self.programs)}.log"
        self.programs.append(Program(command, log=log, cwd=self.folder, env=self.environment))
        return self.programs[-1]

    def get(self, path: str) -> Answer:
        """GET *path*."""
        return self._ask(Request(self.url + path))

    def post(self, path: str, body: Any = None) -> Answer:
        """POST *body* as JSON."""
        return self._ask(Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}))

    def _ask(self, request: Request) -> Answer:
        try:
            with urlopen(request, timeout=PATIENCE_S) as response:
                return Answer(response.status, json.load(response))
        except HTTPError as error:
            with error:
                return Answer(error.code, json.load(error))

    def order(self, quantity: int = 1) -> int:
        """Place an order of teapots; return its id."""
        placed = self.post("/orders", {"item": "teapot", "quantity": quantity})
        assert placed.status == 201, placed
        order_id: int = placed.body["id"]
        return order_id

    def approve(self, order_id: int) -> None:
        """Approve the order."""
        approved = self.post(f"/orders/{order_id}/approve")
        assert approved.status == 202, approved

    def status(self, order_id: int) -> tuple[str, str]:
        """The order's own status and that of its checkout, over HTTP."""
        body = self.get(f"/orders/{order_id}").body
        return body["status"], body["checkout"]["status"]

    def stock(self) -> int:
        """How many teapots are left, over HTTP."""
        left: int = self.get("/items").body[0]["stock"]
        return left

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the database itself says, on a connection of our own."""
        with closing(open_peewee(self.address)) as db:
            return list(db.execute_sql(sql).fetchall())

    def write(self, sql: str) -> None:
        """Write to the database on a connection of our own."""
        with closing(open_peewee(self.address)) as db, db.atomic():
            db.execute_sql(sql)
