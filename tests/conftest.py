"""Fixtures that every test may use: the real servers of one session."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from tests.support.postgres import database_url, empty_database_url, postgres_engine, postgres_server
from tests.support.temporal_server import temporal_server

__all__ = ["database_url", "empty_database_url", "postgres_engine", "postgres_server"]


@pytest.fixture(scope="session")
async def temporal_address() -> AsyncIterator[str]:
    """Address of a real Temporal server that ends with the session."""
    async with temporal_server() as address:
        yield address


@pytest.fixture(scope="session")
async def temporal_client(temporal_address: str) -> Client:
    """A client of that server."""
    return await Client.connect(temporal_address)
