"""Requests that are repeated, against either API, until they are answered."""

import asyncio
import time
from typing import Any

import httpx

from tests.chaos.clients.servers import Servers
from tests.chaos.plan.tenants import OWN
from tests.chaos.record import Record

TIMEOUT = 60.0
"""Timeout in seconds until a server that is down is back."""


class PatientHttp:
    """A client of the APIs."""

    def __init__(self, servers: Servers, record: Record) -> None:
        self._servers = servers
        self._record = record
        self._http = httpx.AsyncClient(timeout=5, trust_env=False)

    async def close(self) -> None:
        """The end."""
        await self._http.aclose()

    async def post(
        self, path: str, body: dict[str, Any], *expected: int, tenant: str = OWN, key: str | None = None
    ) -> Any:
        """As `request`."""
        return await self.request("POST", path, *expected, tenant=tenant, key=key, json=body)

    async def request(
        self, method: str, path: str, *expected: int, tenant: str = OWN, key: str | None = None, **content: Any
    ) -> httpx.Response | None:
        """Returns the response with an expected status, from either API; None after the timeout, or, with a complaint,
        after another status. Without expected ones, each below 500 is."""
        headers = self._servers.headers(tenant) | ({} if key is None else {"Idempotency-Key": key})
        deadline, turn = time.monotonic() + TIMEOUT, 0
        while time.monotonic() < deadline:
            url = self._servers.urls[turn % len(self._servers.urls)]
            turn += 1
            try:
                answer = await self._http.request(method, f"{url}{path}", headers=headers, **content)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code in expected or (not expected and answer.status_code < 500):
                return answer
            if answer.status_code < 500:
                body = str(content)[:300]
                self._record.complaints.append(f"{method} {path} {body}: {answer.status_code} {answer.text[:300]}")
                return None
            await asyncio.sleep(0.1)
        return None
