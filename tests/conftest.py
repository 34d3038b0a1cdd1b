"""Fixtures that every test may use: the real servers of one session."""

import gc
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from temporalio.client import Client
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from tests.support.postgres.pgbouncer import pgbouncer, pooled_engine, pooled_url
from tests.support.postgres.server import database_url, empty_database_url, postgres_engine, postgres_server
from tests.support.temporal.schedules import unscheduled
from tests.support.temporal.server import MAX_CALLBACKS, temporal_server

__all__ = [
    "database_url",
    "empty_database_url",
    "pgbouncer",
    "pooled_engine",
    "pooled_url",
    "postgres_engine",
    "postgres_server",
    "unscheduled",
]

# Where the environment forbids writing bytecode, as in many containers, each process that the tests start would compile
# a thousand modules, and pytest would rewrite every test module in each of its processes.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The same examples in each run, so that a run fails because of a change. `make nightly` looks for new ones.
settings.register_profile("ci", max_examples=100, stateful_step_count=60, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=3_000, stateful_step_count=80, deadline=None)
settings.register_profile("fuzz", max_examples=8_000, deadline=None)
settings.load_profile("ci")

HERE = Path(__file__).parent
OF_THEIR_OWN = {"test_chaos.py", "test_failover.py", "test_pooler.py", "test_push.py", "test_readme.py"}
"""Files end to end that start their own processes. All others share a stack, and so belong into one process."""
STACK = "the stack"
FIRST = ("tests/e2e/test_chaos.py", STACK)
FOLDERS = ("e2e", "integration", "contract", "workflow", "simulation", "unit")
"""From those with the longest files to those with the shortest."""
IN_PARALLEL = "PYTEST_XDIST_WORKER" in os.environ


def group_of(nodeid: str) -> str:
    """What runs in one process, one after another: a file, or the files that share the stack."""
    file = nodeid.split("::", 1)[0]
    return STACK if "tests/e2e/" in file and Path(file).name not in OF_THEIR_OWN else file


class _ByGroup(LoadFileScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Give out groups of files. (xdist's own loadgroup does nothing with pytest 9.)"""
    return _ByGroup(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests, begin with the longest files."""
    if IN_PARALLEL:
        items.sort(key=_turn)


def pytest_collection_finish() -> None:
    """Test modules and items live to the end: the garbage collector need not visit them again and again."""
    gc.freeze()


def _turn(item: pytest.Item) -> tuple[int, int]:
    group = group_of(item.nodeid)
    folder = item.path.relative_to(HERE).parts[0]
    return FIRST.index(group) if group in FIRST else len(FIRST), FOLDERS.index(folder)


DYNAMIC_CONFIG = {
    "callback.maxPerExecution": MAX_CALLBACKS,
    "callback.allowedAddresses": [{"Pattern": "127.0.0.1:*", "AllowInsecure": True}],
    # By default the fifth, and most of a minute.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": 2,
}


@pytest.fixture(scope="session")
async def temporal_address() -> AsyncIterator[str]:
    """Address of a real Temporal server that ends with the session. It calls back to 127.0.0.1 (not to localhost), and
    lists workflows as having problems from the second failed task on."""
    async with temporal_server(dynamic_config=DYNAMIC_CONFIG) as address:
        yield address


@pytest.fixture(scope="session")
async def temporal_client(temporal_address: str) -> Client:
    """A client of that server."""
    return await Client.connect(temporal_address)
