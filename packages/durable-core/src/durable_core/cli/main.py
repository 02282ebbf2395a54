"""The commands. Installed with ``pip install durable-core[cli]``."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from durable_core.app import Durable
from durable_core.async_app import AsyncDurable
from durable_core.cli.targets import load_target
from durable_core.cli.termination import stop_on_signals
from durable_core.drive import run_blocking
from durable_core.errors import DurableError
from durable_core.worker import WorkerLoop

__all__ = ["commands", "durable", "main", "worker"]

commands = typer.Typer(
    name="durable", help="Durable workflows in your own database.", no_args_is_help=True, add_completion=False
)
_console = Console(stderr=True)


def main() -> None:
    """Run the command line; an error of ours is one readable paragraph and exit code 1."""
    try:
        commands()
    except DurableError as error:
        _console.print(f"[bold red]{type(error).__name__}[/bold red]: ", end="")
        _console.print(str(error), markup=False, highlight=False)
        raise SystemExit(1) from None


@commands.callback()
def durable() -> None:
    """Durable workflows in your own database."""


@commands.command()
def worker(
    target: Annotated[str, typer.Argument(help="Where your Durable lives: module:object, e.g. shop.flows:durable")],
    concurrency: Annotated[int, typer.Option(min=1, help="How many runs to serve at once")] = 4,
    namespace: Annotated[str | None, typer.Option(help="Serve this namespace instead of the object's own")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every turn that fails or waits")] = False,
) -> None:
    """Serve runs until SIGTERM or Ctrl-C, then drain: each turn goes on to its next step and is handed over.

    A second signal stops at once; what was under way comes back when its lease ends.
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(name)s: %(message)s",
        handlers=[RichHandler(console=_console, show_path=False)],
    )
    served = load_target(target)
    loop = served.worker_loop(concurrency=concurrency, namespace=namespace)
    with stop_on_signals(loop):
        _console.print(f"durable worker: serving [bold]{target}[/bold], {concurrency} at a time; Ctrl-C drains")
        if isinstance(served, Durable):
            run_blocking(loop.run())
        else:
            asyncio.run(_serve(served, loop))
    _console.print("durable worker: drained")


async def _serve(durable: AsyncDurable, loop: WorkerLoop) -> None:
    async with durable.lifespan():
        await loop.run()
