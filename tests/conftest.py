"""Fixtures that every test may use: the real servers of one session."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings
from temporalio.client import Client

from tests.support.pgbouncer import pgbouncer, pooled_engine, pooled_url
from tests.support.postgres import database_url, empty_database_url, postgres_engine, postgres_server
from tests.support.temporal_server import temporal_server

__all__ = [
    "database_url",
    "empty_database_url",
    "pgbouncer",
    "pooled_engine",
    "pooled_url",
    "postgres_engine",
    "postgres_server",
]

settings.register_profile("ci", max_examples=100, stateful_step_count=60, deadline=None)
settings.register_profile("nightly", max_examples=3_000, stateful_step_count=80, deadline=None)
settings.register_profile("fuzz", max_examples=8_000, deadline=None)
settings.load_profile("ci")

HERE = Path(__file__).parent
LONGEST = ("e2e/test_chaos.py", "stack")
FOLDERS = ("e2e", "integration", "contract", "workflow", "simulation", "unit")
"""From those with the longest files to those with the shortest."""
IN_PARALLEL = "PYTEST_XDIST_WORKER" in os.environ


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share the tests, each file goes to one of them, and the longest files are begun first."""
    if IN_PARALLEL:
        for item in items:
            if item.get_closest_marker("xdist_group") is None:
                item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(HERE))))
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[int, int]:
    group = item.get_closest_marker("xdist_group")
    name = group.args[0] if group else ""
    folder = item.path.relative_to(HERE).parts[0]
    return LONGEST.index(name) if name in LONGEST else len(LONGEST), FOLDERS.index(folder)


DYNAMIC_CONFIG = {
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
