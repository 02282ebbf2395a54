"""``durable worker`` as a real process on a real file: serves, drains, survives kill -9, and explains itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from database_servers import BackendAddress
from durable_core import Durable
from durable_peewee import PeeweeStateStore
from durable_shop import eventually
from peewee_databases import open_peewee

FLOWS = """
from __future__ import annotations
import os, time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
import peewee
from durable_core import AsyncDurable, AsyncWorkflowContext, Durable, WorkflowContext, offload
from durable_peewee import PeeweeStateStore

db = peewee.SqliteDatabase(os.environ["FLOWS_DB"])
store = PeeweeStateStore(db)
options = {
    "lease": "600 ms",
    "poll": os.environ.get("FLOWS_POLL", "50 ms"),
    "grace": os.environ.get("FLOWS_GRACE", "10 s"),
}
durable = Durable(store, **options)
adurable = AsyncDurable(offload(store), **options)
empty = Durable(store)
folder = Path(os.environ["FLOWS_LOG"])

def note(what: str) -> None:
    with (folder / "log").open("a") as log:
        log.write(what + "\\n")

def work(name: str) -> str:
    note(f"{name} begins")
    while (folder / f"hold {name}").exists():
        time.sleep(0.01)
    note(f"{name} ends")
    return name

@durable.step
def first() -> str:
    return work("first")

@durable.step
def second() -> str:
    return work("second")

@durable.workflow()
def flow(ctx: WorkflowContext) -> str:
    return ctx.step(first) + ctx.step(second) + ctx.namespace

@asynccontextmanager
async def application() -> AsyncIterator[None]:
    note("opened")
    try:
        yield
    finally:
        note("closed")

wrapped = AsyncDurable(offload(store), lifespan=application, **options)
aflow_first = adurable.step(name="first")(lambda: work("first"))

@adurable.workflow(name="flow")
async def aflow(ctx: AsyncWorkflowContext) -> str:
    return await ctx.step(aflow_first)

@wrapped.workflow(name="flow")
async def wrapped_flow(ctx: AsyncWorkflowContext) -> None:
    note("inside")
"""


class Application:
    """A folder with flows, their database, and the worker processes on them."""

    def __init__(self, folder: Path, address: BackendAddress) -> None:
        self.folder = folder
        (folder / "flows.py").write_text(FLOWS)
        self.environment = {**os.environ, "FLOWS_DB": address.database, "FLOWS_LOG": str(folder), "TERM": "dumb"}
        self.database = open_peewee(address)
        self.processes: list[subprocess.Popen[str]] = []

    def client(self, **options: Any) -> Durable:
        """A process that starts runs and serves none."""
        durable = Durable(PeeweeStateStore(self.database), **options)
        durable.workflow(name="flow")(lambda ctx: None)
        return durable

    def worker(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Begin ``durable worker``."""
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "durable"), "worker", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def hold(self, name: str) -> Path:
        """Let the step *name* wait for as long as the file is there."""
        path = self.folder / f"hold {name}"
        path.touch()
        return path

    def log(self) -> list[str]:
        """What the steps have noted."""
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []

    def end(self) -> None:
        """Leave nothing behind."""
        for process in self.processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        self.database.close()


@pytest.fixture
def app(fresh_database: Any, tmp_path: Path) -> Iterator[Application]:
    """A new application."""
    folder = tmp_path / "app"
    folder.mkdir()
    app = Application(folder, fresh_database("sqlite"))
    yield app
    app.end()


def ended(process: subprocess.Popen[str], within_s: float = 60) -> tuple[int, str]:
    """The exit code and everything it printed."""
    printed, _ = process.communicate(timeout=within_s)
    return process.returncode, printed


def test_it_serves_and_drains_at_sigterm(app: Application) -> None:
    client = app.client()
    handle = client.start("flow", id="r")
    held = app.hold("first")
    process = app.worker("flows:durable", "--concurrency", "2")
    eventually(lambda: app.log() == ["first begins"], "the worker took the run")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    held.unlink()

    code, printed = ended(process)
    assert (code, "drained" in printed) == (0, True), printed
    run = handle.get()
    assert (run.status, run.locked_by, run.recovery_attempts) == ("pending", None, None)
    assert app.log() == ["first begins", "first ends"]

    app.worker("flows:durable")
    assert handle.result("60 s") == "firstseconddefault"
    assert app.log() == ["first begins", "first ends", "second begins", "second ends"]


@pytest.mark.parametrize("target", ["flows:durable", "flows:adurable"])
def test_a_turn_beyond_the_grace_period_does_not_keep_the_process(app: Application, target: str) -> None:
    client = app.client()
    client.start("flow", id="r")
    app.hold("first")
    process = app.worker(target, FLOWS_GRACE="200 ms")
    eventually(lambda: app.log() == ["first begins"], "the worker took the run")
    process.send_signal(signal.SIGTERM)

    code, printed = ended(process, within_s=30)
    assert code == 0, printed
    assert client.get_run("r").status == "running"


@pytest.mark.parametrize("target", ["flows:durable", "flows:adurable"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_does_not_wait_for_its_next_poll(app: Application, target: str, number: int) -> None:
    handle = app.client().start("flow", id="r")
    process = app.worker(target, FLOWS_POLL="10 min")
    handle.result("60 s")
    process.send_signal(number)
    code, printed = ended(process, within_s=30)
    assert (code, "drained" in printed) == (0, True), printed


def test_a_killed_worker_repeats_no_finished_step(app: Application) -> None:
    client = app.client()
    handle = client.start("flow", id="r")
    held = app.hold("second")
    process = app.worker("flows:durable")
    eventually(lambda: "second begins" in app.log(), "the worker came to the second step")
    process.kill()
    process.communicate()
    held.unlink()
    assert handle.get().status == "running"

    app.worker("flows:durable")
    assert handle.result("60 s") == "firstseconddefault"
    assert app.log() == ["first begins", "first ends", "second begins", "second begins", "second ends"]


def test_a_second_signal_stops_at_once(app: Application) -> None:
    app.client().start("flow", id="r")
    app.hold("first")
    process = app.worker("flows:durable")
    eventually(lambda: app.log() == ["first begins"], "the worker took the run")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    code, _ = ended(process, within_s=30)
    assert code == -signal.SIGTERM


def test_it_serves_the_namespace_that_it_is_told(app: Application) -> None:
    ours = app.client(namespace="ours").start("flow")
    others = app.client().start("flow")
    process = app.worker("flows:durable", "--namespace", "ours")
    assert ours.result("60 s") == "firstsecondours"
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 0
    assert others.get().status == "pending"


def test_it_serves_inside_the_lifespan_of_the_application(app: Application) -> None:
    handle = app.client().start("flow")
    process = app.worker("flows:wrapped")
    handle.result("60 s")
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 0
    assert app.log() == ["opened", "inside", "closed"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["flows"], "write the target as module:object"),
        (["flows:"], "write the target as module:object"),
        (["nowhere:durable"], "there is no module 'nowhere'"),
        (["flows.sub:durable"], "there is no module"),
        (["flows:nothing"], "no Durable or AsyncDurable"),
        (["flows:db"], "no Durable or AsyncDurable"),
        (["flows:empty"], "knows no workflow"),
        (["flows:durable", "--namespace", "a "], "ends in a space"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_what_is_wrong_is_one_readable_paragraph(app: Application, arguments: list[str], words: str) -> None:
    code, printed = ended(app.worker(*arguments))
    assert code == 1
    assert words in " ".join(printed.split())
    assert "Traceback" not in printed
    assert "\n\n" not in printed.strip()


def test_a_database_that_cannot_be_opened_is_one_readable_paragraph(app: Application) -> None:
    code, printed = ended(app.worker("flows:durable", FLOWS_DB=str(app.folder / "no" / "such" / "file")))
    assert code == 1
    assert "StoreUnavailable" in printed
    assert "Traceback" not in printed


def test_an_error_of_the_users_module_keeps_its_traceback(app: Application) -> None:
    (app.folder / "flows.py").write_text("import nothing_of_the_kind\n")
    code, printed = ended(app.worker("flows:durable"))
    assert code == 1
    assert "nothing_of_the_kind" in printed


def test_a_concurrency_of_none_is_refused(app: Application) -> None:
    code, printed = ended(app.worker("flows:durable", "--concurrency", "0"))
    assert code == 2
    assert "concurrency" in printed
