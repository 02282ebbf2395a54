"""A long way to a database server: a TCP relay that holds back everything that passes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from database_servers import Server

__all__ = ["slow_link"]


@contextmanager
def slow_link(server: Server, delay_s: float) -> Iterator[Server]:
    """*server*, as far away as *delay_s* in each direction."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=256))
        accepting = threading.Thread(target=_accept, args=(listening, server, delay_s))
        accepting.start()
        stack.callback(accepting.join)
        stack.callback(_hang_up, listening)
        yield replace(server, host="127.0.0.1", port=listening.getsockname()[1])


def _accept(listening: socket.socket, server: Server, delay_s: float) -> None:
    with ExitStack() as stack:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            far = socket.create_connection((server.host, server.port))
            for source, target in ((near, far), (far, near)):
                passing = threading.Thread(target=_pass_on, args=(source, target, delay_s))
                passing.start()
                stack.callback(passing.join)
            for end in (near, far):
                stack.callback(end.close)
                stack.callback(_hang_up, end)


def _pass_on(source: socket.socket, target: socket.socket, delay_s: float) -> None:
    with suppress(OSError):
        while passed := source.recv(65_536):
            time.sleep(delay_s)
            target.sendall(passed)
    _hang_up(target)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
