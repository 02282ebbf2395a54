"""What the installed script calls."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line, or say what it lacks."""
    try:
        from durable_conformance.command import main as run_command_line  # noqa: PLC0415 - Typer is an extra
    except ModuleNotFoundError as missing:
        if missing.name != "typer":
            raise
        raise SystemExit("the command line needs Typer: pip install 'durable-conformance[cli]'") from None
    run_command_line()
