"""A client that asks the ledger to adopt executions, more than once and at the same time."""

import asyncio
import time

import httpx

from tests.chaos.checker.facts import ReceivedId
from tests.chaos.clients.servers import Servers
from tests.chaos.plan.kinds import Fate
from tests.chaos.plan.workload import Work
from tests.chaos.record import Record

TIMEOUT = 240.0
"""Seconds of repeats: the call needs Temporal, which a slow machine and the faults keep away for long."""


class Adopter:
    """Calls both APIs at once."""

    def __init__(self, servers: Servers, record: Record) -> None:
        self._servers = servers
        self._record = record
        self._http = httpx.AsyncClient(timeout=5, trust_env=False)

    async def adopt(self, work: Work, workflow_id: str) -> None:
        """Have it adopted; the record gets every answer."""
        self._record.asked.add(workflow_id)
        await asyncio.gather(*(self._adopt(url, work, workflow_id) for url in self._servers.urls))

    async def close(self) -> None:
        """The end."""
        await self._http.aclose()

    async def _adopt(self, url: str, work: Work, workflow_id: str) -> None:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                body = {"type": work.type, "workflow_id": workflow_id}
                answer = await self._http.post(
                    f"{url}/v1/operations:adopt", json=body, headers=self._servers.headers(work.tenant)
                )
            except httpx.TransportError:
                await asyncio.sleep(0.3)
                continue
            self._record.adoptions[answer.status_code] += 1
            if answer.status_code in (200, 201):
                self._record.received_ids.append(ReceivedId(answer.json()["id"], workflow_id, tenant=work.tenant))
                return
            if answer.status_code < 500:
                if work.fate is not Fate.DELETED:
                    self._record.complaints.append(f"adopting {workflow_id}: {answer.status_code} {answer.text[:300]}")
                return
            await asyncio.sleep(0.3)
        self._record.complaints.append(f"{workflow_id} was not adopted in {TIMEOUT:g} s")
