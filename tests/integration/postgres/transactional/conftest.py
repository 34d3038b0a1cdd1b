"""Roles of teams that submit in SQL."""

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.schema.grants import grant_submit_to
from entrypoints.local.embedded.postgres import USER

Team = Callable[[str], Awaitable[str]]
"""Creates a role of a team and returns its URL."""
_numbers = itertools.count(1)


@pytest.fixture
async def create_role(postgres_engine: AsyncEngine) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Creates roles that can only log in, and have a table of their own in the schema `public`."""
    created: list[str] = []

    async def create() -> str:
        name = f"team_{os.getpid()}_{next(_numbers)}"
        async with postgres_engine.begin() as connection:
            await connection.execute(text(f"CREATE ROLE {name} LOGIN"))
            await connection.execute(text("CREATE TABLE IF NOT EXISTS public.machines (name text)"))
            await connection.execute(text(f"GRANT ALL ON public.machines TO {name}"))
        created.append(name)
        return name

    yield create
    async with postgres_engine.begin() as connection:
        for name in created:
            await connection.execute(text(f"DROP OWNED BY {name}"))
            await connection.execute(text(f"DROP ROLE {name}"))


@pytest.fixture
async def team(database_url: str, create_role: Callable[[], Awaitable[str]]) -> Team:
    """Creates a role that may submit for the tenant, and returns its URL."""

    async def create(tenant: str) -> str:
        role = await create_role()
        await grant_submit_to(database_url, role, tenant)
        return as_role(database_url, role)

    return create


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[str], Awaitable["asyncpg.Connection[Any]"]]]:
    """Opens connections, which end with the test."""
    opened: list[asyncpg.Connection[Any]] = []

    async def open_one(url: str) -> "asyncpg.Connection[Any]":
        connection: asyncpg.Connection[Any] = await asyncpg.connect(url.replace("+asyncpg", ""))
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.terminate()


def as_role(url: str, role: str) -> str:
    """Returns the URL for another user."""
    assert f"//{USER}@" in url
    return url.replace(f"//{USER}@", f"//{quote(role)}@")
