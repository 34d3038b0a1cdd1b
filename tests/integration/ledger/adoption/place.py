"""The API behind access control, as `opledger api` wires it, for clients with the plugin."""

from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from domain.access.scope import Scope
from entrypoints.wiring.database import api_keys
from opledger import OpledgerPlugin


@dataclass(frozen=True)
class Place:
    """The API behind access control, and its database."""

    url: str
    database_url: str
    postgres: AsyncEngine
    client: Client

    async def key(self, *scopes: Scope, tenant: str = "shop") -> str:
        """A new key, as the command makes it."""
        async with api_keys(self.database_url) as keys:
            return (await keys.create(tenant, tenant=tenant, scopes=frozenset(scopes), life=None)).text

    async def rows(self) -> int:
        """Number of operations."""
        async with self.postgres.connect() as connection:
            return int((await connection.execute(text("SELECT count(*) FROM opledger.operations"))).scalar_one())

    def with_plugin(self, key: str) -> Client:
        """A client of a team with the plugin."""
        config = self.client.config()
        config["plugins"] = [OpledgerPlugin(url=self.url, api_key=key)]
        return Client(**config)

    async def operations(self, key: str, workflow_id: str) -> list[dict[str, Any]]:
        """The operations with the workflow id that the key may read."""
        async with httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {key}"}) as client:
            answer = await client.get("/v1/operations", params={"workflow_id": workflow_id}, timeout=60)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items
