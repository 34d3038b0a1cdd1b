"""One idempotency key over HTTP and in SQL: whichever request comes second is refused."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.clock import MemoryClock
from adapters.postgres.connection.driver import connector
from tests.contract.storage.stores import PostgresBackend
from tests.integration.postgres.transactional.conftest import Team
from tests.integration.postgres.transactional.test_submit_function import KEYED, Connect, count
from tests.support.eventually import eventually
from tests.support.http.api import Api

TENANT = "acme"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def api(postgres_engine: AsyncEngine, database_url: str) -> AsyncIterator[Api]:
    """The API of the tenant, on PostgreSQL."""
    backend: Any = PostgresBackend(postgres_engine, connector(database_url))
    yield Api(clock=MemoryClock(datetime.now(UTC)), store=backend, tenant=TENANT)
    await backend.close()


async def posted(api: Api) -> httpx.Response:
    """The request that KEYED is in SQL, over HTTP."""
    body = {"type": "deploy", "input": {}}
    return await api.client.post("/v1/operations", json=body, headers={"Idempotency-Key": "order-1"})


def is_refused(answer: httpx.Response) -> bool:
    """Whether the key was used with another request."""
    return answer.status_code == 422 and "idempotency" in answer.json()["type"]


async def test_a_key_that_was_used_over_http_is_refused_in_sql(
    api: Api, team: Team, connect: Connect, postgres_engine: AsyncEngine
) -> None:
    """Even with the same request. Another tenant's key is independent."""
    made = await posted(api)
    assert made.status_code == 202, made.text
    connection, other = await connect(await team(TENANT)), await connect(await team("another"))
    with pytest.raises(asyncpg.UniqueViolationError, match="idempotency_key: was already used with another request"):
        await connection.fetchval(KEYED, "{}")
    assert await count(postgres_engine, "operations") == 1
    again = await posted(api)
    assert (again.status_code, again.json()["id"]) == (202, made.json()["id"])
    await other.fetchval(KEYED, "{}")
    assert await count(postgres_engine, "operations") == 2


async def test_a_key_that_was_used_in_sql_is_refused_over_http(
    api: Api, team: Team, connect: Connect, postgres_engine: AsyncEngine
) -> None:
    """Even with the same request. A repeat in SQL still gets its id."""
    connection = await connect(await team(TENANT))
    made = await connection.fetchval(KEYED, "{}")
    answer = await posted(api)
    assert is_refused(answer), answer.text
    assert await connection.fetchval(KEYED, "{}") == made
    assert await count(postgres_engine, "operations") == 1


@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
async def test_a_post_waits_for_the_transaction_that_holds_its_key(
    api: Api, team: Team, connect: Connect, postgres_engine: AsyncEngine, ends: str
) -> None:
    """It is refused after a commit, and accepted after a rollback."""
    connection = await connect(await team(TENANT))
    await connection.execute("BEGIN")
    await connection.fetchval(KEYED, "{}")
    posting = asyncio.create_task(posted(api))

    async def waits() -> bool:
        async with postgres_engine.connect() as watching:
            return bool((await watching.exec_driver_sql(WAITING)).scalar_one())

    await eventually(waits)
    await connection.execute(ends)
    answer = await posting
    assert is_refused(answer) if ends == "COMMIT" else answer.status_code == 202, answer.text
    assert await count(postgres_engine, "operations") == 1
