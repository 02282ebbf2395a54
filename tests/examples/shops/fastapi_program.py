"""The FastAPI shop, as its README runs it."""

from __future__ import annotations

import shutil
from pathlib import Path

from examples.programs import script
from examples.shops.running_shop import RunningShop
from workspace import ROOT, run

__all__ = ["FastapiShop", "prepare_folder"]

_HOME = ROOT / "examples" / "fastapi_shop"
_HERE = Path(__file__).parent
_SCHEMES = {"sqlite": "sqlite", "postgres": "asyncpg", "postgres3": "psycopg", "mariadb": "mysql"}


def prepare_folder(folder: Path, *, migrations: bool = True) -> None:
    """Give *folder* what Aerich needs, with the committed *migrations* or without."""
    shutil.copy(_HOME / "pyproject.toml", folder)
    if migrations:
        shutil.copytree(_HOME / "migrations", folder / "migrations")


class FastapiShop(RunningShop):
    """FastAPI, uvicorn, Tortoise, Aerich."""

    package = "fastapi_shop"

    @property
    def database_url(self) -> str:
        """A URL of Tortoise's, whose scheme names the driver."""
        return f"{_SCHEMES[self.address.backend]}:{self.address.url.partition(':')[2]}"

    def make_tables(self) -> None:
        """Run the committed migrations of Aerich, or where it would write other SQL, have it write its own."""
        is_postgres = self.address.backend.startswith("postgres")
        prepare_folder(self.folder, migrations=is_postgres)
        self.aerich("upgrade" if is_postgres else "init-db")

    def aerich(self, *arguments: str) -> str:
        """Run Aerich in the shop's folder; return what it said."""
        return run(script("aerich"), *arguments, cwd=self.folder, env=self.environment).stdout

    def web_command(self, *, stalled: bool) -> tuple[str, ...]:
        """Uvicorn."""
        app = ("stalled_fastapi:app", "--app-dir", str(_HERE)) if stalled else ("fastapi_shop.web:app",)
        return ("uvicorn", *app, "--port", "0")
