"""Requests that are repeated, against either API, until they are answered."""

import asyncio
import time
from typing import Any

import httpx

from tests.chaos.record import Record

TIMEOUT = 60.0
"""Timeout in seconds until a server that is down is back."""


class PatientHttp:
    """A client of the APIs."""

    def __init__(self, urls: list[str], record: Record) -> None:
        self._urls = urls
        self._record = record
        self._http = httpx.AsyncClient(timeout=5, trust_env=False)

    async def close(self) -> None:
        """The end."""
        await self._http.aclose()

    async def post(self, path: str, body: dict[str, Any], *expected: int, key: str | None = None) -> Any:
        """As `request`."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.request("POST", path, *expected, json=body, headers=headers)

    async def request(self, method: str, path: str, *expected: int, **content: Any) -> httpx.Response | None:
        """Returns the response with an expected status, from either API; None after the timeout, or, with a complaint,
        after another status."""
        deadline, turn = time.monotonic() + TIMEOUT, 0
        while time.monotonic() < deadline:
            url = self._urls[turn % len(self._urls)]
            turn += 1
            try:
                answer = await self._http.request(method, f"{url}{path}", **content)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code in expected:
                return answer
            if answer.status_code < 500:
                body = str(content)[:300]
                self._record.complaints.append(f"{method} {path} {body}: {answer.status_code} {answer.text[:300]}")
                return None
            await asyncio.sleep(0.1)
        return None
