"""The long-lived processes that the tests of a session share."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from entrypoints.local.demo_types import DEMO_TYPES
from tests.conftest import STACK, group_of
from tests.support.pages import ROOT, block
from tests.support.places import in_memory
from tests.support.stack.apart import Apart, running_apart
from tests.support.stack.commands import Service, Stack, running
from tests.support.stack.fork import Forks
from tests.support.stack.ledger import Ledger

# A killed worker's workflow task is given to another process after the task's time-out: not 10 s here.
PATIENT = 'task_queue = "opledger"'
QUICK = f'{PATIENT}\ntask_timeout = "3s"'
EXTRA = """
[operations.traced]
workflow = "Traced"
task_queue = "traced"

[operations.deploy-soon]
workflow = "DeployMachine"
task_queue = "opledger"
execution_timeout = "15s"

[operations.commission-soon]
workflow = "CommissionMachine"
task_queue = "opledger"
execution_timeout = "15s"
retry_policy = { maximum_attempts = 2, initial_interval = "1s" }

[operations.release-soon]
workflow = "ReleaseMachine"
task_queue = "opledger"
execution_timeout = "15s"

[operations.elsewhere]
description = "Its workers are all down"
workflow = "DeployMachine"
task_queue = "nobody-polls-this"

[operations.refused]
description = "A task queue that Temporal keeps for itself"
workflow = "DeployMachine"
task_queue = "/_sys/not-for-you"
"""
Scenario = Callable[[Apart], Awaitable[None]]
RECONCILIATION: dict[str, Any] = {
    "OPLEDGER_RECONCILE_EVERY": "2s",
    "OPLEDGER_RECONCILE_GRACE": "3s",
    "OPLEDGER_VERIFY_EVERY": "10s",
}


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A folder for data, in memory where there is room: some disks take half a second for a new cluster."""
    with tempfile.TemporaryDirectory(prefix="opledger-e2e-", dir=in_memory()) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def operations_file(place: Path) -> Path:
    """The demo's types, and some more."""
    path = place / "types.toml"
    demo = DEMO_TYPES.read_text().replace('task_timeout = "3s"', "")
    pages = ("docs/other-languages.md", "docs/adopt.md", "docs/tracking.md")
    examples = [block(page, "operations.toml") for page in pages]
    examples.append((ROOT / "examples/deployer/operations.toml").read_text())
    path.write_text(demo.replace(PATIENT, QUICK) + EXTRA + "".join(examples))
    return path


@pytest.fixture(scope="session")
async def stack(place: Path, operations_file: Path) -> AsyncIterator[Stack]:
    """`opledger up` on a data folder, which tests kill in every way and leave running."""
    async with running(place / "up", "--operations", str(operations_file), **RECONCILIATION) as stack:
        yield stack


@pytest.fixture
def ledger(stack: Stack) -> Ledger:
    """The API of the stack."""
    return stack.ledger


@pytest.fixture(scope="session")
async def temporal(stack: Stack) -> Client:
    """A client of the stack's Temporal: the world outside of opledger."""
    return await stack.temporal()


@pytest.fixture(scope="session")
def forked() -> Iterator[Forks]:
    """Runs commands that end soon, without the two seconds of imports that each of them takes as a new process."""
    with Forks() as forks:
        yield forks


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The demo is begun beside test_kill.py, which mostly waits, and looked at after it."""
    kills = [item for item in items if item.path.name == "test_kill.py"]
    for demo in [item for item in items if item.name == "test_demo_prints_every_expected_outcome" and kills]:
        items.remove(demo)
        items.insert(items.index(kills[-1]) + 1, demo)


@pytest.fixture(scope="session")
def demo(request: pytest.FixtureRequest, place: Path) -> Iterator[Service | None]:
    """`opledger demo` in an empty folder, if it is going to be looked at."""
    if all(item.name != "test_demo_prints_every_expected_outcome" for item in request.session.items):
        yield None
        return
    folder = place / "demo"
    folder.mkdir()
    service = Service("demo", cwd=folder)
    yield service
    service.kill()


@pytest.fixture(autouse=True)
def early(request: pytest.FixtureRequest) -> None:
    """Begin with what mostly waits."""
    if group_of(request.node.nodeid) == STACK:
        request.getfixturevalue("outage")


@pytest.fixture(scope="session")
async def outage(
    request: pytest.FixtureRequest, place: Path, operations_file: Path
) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    """The scenarios of test_outage.py, each begun when the one before it has ended, however that was."""
    tasks: dict[str, asyncio.Task[None]] = {}
    if all(item.path.name != "test_outage.py" for item in request.session.items):
        yield tasks
        return
    from tests.e2e.test_outage import SCENARIOS

    stopped = asyncio.Event()
    ready: asyncio.Future[Apart] = asyncio.get_running_loop().create_future()

    async def keep() -> None:
        async with running_apart(place / "apart", operations_file, **RECONCILIATION) as apart:
            ready.set_result(apart)
            await stopped.wait()

    async def in_turn(scenario: Scenario, before: list[asyncio.Task[None]]) -> None:
        either: list[asyncio.Future[Any]] = [ready, keeping]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await keeping  # for its error
        if before:
            await asyncio.wait(before)
        await scenario(ready.result())

    keeping = asyncio.create_task(keep())
    for scenario in SCENARIOS:
        tasks[scenario.__name__] = asyncio.create_task(in_turn(scenario, list(tasks.values())))
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    stopped.set()
    await keeping
