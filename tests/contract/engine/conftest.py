"""Fixtures: the engines on which the workflow engine's contract is tested."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from tests.contract.engine.callback_receiver import CallbackReceiver
from tests.contract.engine.memory import MemoryWorld
from tests.contract.engine.temporal import TemporalWorld
from tests.support.tcp_proxy import Proxy


@pytest.fixture
def memory_world() -> MemoryWorld:
    """The engine in memory, new for each test."""
    return MemoryWorld()


@pytest.fixture(scope="session")
async def temporal_world(temporal_address: str, temporal_client: Client) -> AsyncIterator[TemporalWorld]:
    """The real server behind a proxy, and a receiver of its callbacks."""
    proxy, receiver = Proxy(temporal_address), CallbackReceiver()
    await proxy.up()
    await receiver.up()
    proxied = await Client.connect(proxy.address, identity="opledger@test", lazy=True)
    yield TemporalWorld(temporal_client, proxied, proxy, receiver)
    await proxy.down()
    await receiver.down()
