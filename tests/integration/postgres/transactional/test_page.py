"""The examples of docs/transactions.md, run as they stand there."""

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.postgres.transactional.conftest import as_role
from tests.support.pages import block
from tests.support.stack.commands import run

PAGE = "docs/transactions.md"
ROWS = text(
    "SELECT id, tenant, name FROM opledger.operations JOIN public.machines ON input ->> 'machine' = name ORDER BY name"
)


@pytest.fixture
async def shop(database_url: str, postgres_engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[str]:
    """URL of the page's role, with its table and its tenant."""
    async with postgres_engine.begin() as connection:
        for statement in (
            "CREATE ROLE shop LOGIN",
            "CREATE TABLE public.machines (name text)",
            "GRANT ALL ON public.machines TO shop",
        ):
            await connection.execute(text(statement))
    program, *words = shlex.split(block(PAGE, "grant"))
    granted = await run(*words, cwd=tmp_path, DATABASE_URL=database_url)
    assert (program, granted.code) == ("opledger", 0), granted
    yield as_role(database_url, "shop").replace("+asyncpg", "")
    async with postgres_engine.begin() as connection:
        await connection.execute(text("DROP OWNED BY shop"))
        await connection.execute(text("DROP ROLE shop"))


async def test_examples_of_the_page_store_operation_and_row(
    shop: str, postgres_engine: AsyncEngine, tmp_path: Path
) -> None:
    """The SQL and the script: the operation is there with the team's row."""
    connection = await asyncpg.connect(shop)
    await connection.execute(block(PAGE, "transaction.sql"))
    await connection.close()
    shown = "postgresql+psycopg://shop@localhost/shop"
    script = tmp_path / "transaction.py"
    script.write_text(block(PAGE, "transaction.py").replace(shown, shop.replace("postgresql:", "postgresql+psycopg:")))
    process = await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    async with postgres_engine.connect() as reading:
        found = [tuple(row) for row in await reading.execute(ROWS)]
    assert [(tenant, name) for _, tenant, name in found] == [("acme", "m1"), ("acme", "m2")]
    assert UUID(output.decode().strip()) == found[1][0]


async def test_migrate_grants_an_existing_role_only(
    create_role: Callable[[], Awaitable[str]], database_url: str, tmp_path: Path
) -> None:
    """`opledger migrate --grant-submit-to`. A role that does not exist is an error."""
    role = await create_role()
    granted = await run("migrate", "--grant-submit-to", role, "acme", cwd=tmp_path, DATABASE_URL=database_url)
    words = f"the role {role} may call opledger.submit for the tenant acme"
    assert (granted.code, granted.output.splitlines()[1:]) == (0, [words])
    connection = await asyncpg.connect(as_role(database_url, role).replace("+asyncpg", ""))
    assert await connection.fetchval("SELECT opledger.submit('deploy', tenant => 'acme')")
    await connection.close()
    refused = await run("migrate", "--grant-submit-to", "nobody", "acme", cwd=tmp_path, DATABASE_URL=database_url)
    assert refused.code != 0
    assert "the database role nobody does not exist" in refused.errors
