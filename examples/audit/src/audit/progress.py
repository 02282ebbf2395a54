"""The bar that shows how far the audits are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from audit.standing import Standing

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(console: Console, total: int) -> Iterator[Callable[[Standing], None]]:
    """Show a bar of *total* runs while the block lasts; what it is given moves it."""
    columns = (
        TextColumn("Auditing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=total)
        yield lambda now: progress.update(bar, completed=now.ended, description=str(now))
