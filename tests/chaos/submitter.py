"""A careful client: repeats every submission under its key, against either API, until it has a 202."""

import asyncio
import time
from random import Random

import httpx

from tests.chaos.plan import Plan
from tests.chaos.record import Record
from tests.chaos.workload import Work

AT_ONCE = 48
"""Submissions under way at most."""
PATIENCE = 90.0


class Submitter:
    """Submits the plan's operations at their times."""

    def __init__(self, urls: list[str], plan: Plan, record: Record) -> None:
        self._urls = urls
        self._plan = plan
        self._record = record
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._http = httpx.AsyncClient(timeout=5, trust_env=False, limits=httpx.Limits(max_connections=AT_ONCE))

    async def submit(self, work: Work) -> str | None:
        """The operation's id; None, and a complaint, if there never was a 202."""
        dice = Random(f"{self._plan.seed}/{work.number}")
        deadline = time.monotonic() + PATIENCE
        async with self._gate:
            while time.monotonic() < deadline:
                operation_id = await self._once(dice.choice(self._urls), work)
                if operation_id is not None:
                    if dice.random() < 0.05:  # a client that did not trust its own ears
                        await self._once(dice.choice(self._urls), work)
                    return operation_id
                await asyncio.sleep(dice.uniform(0.05, 0.3))
        self._record.complaints.append(f"P1: key {work.key} had no 202 in {PATIENCE:g} s")
        return None

    async def close(self) -> None:
        """The end."""
        await self._http.aclose()

    async def _once(self, url: str, work: Work) -> str | None:
        headers = {"Idempotency-Key": work.key}
        try:
            answer = await self._http.post(f"{url}/v1/operations", json=work.body, headers=headers)
        except httpx.TransportError:
            self._record.statuses[0] += 1
            return None
        self._record.statuses[answer.status_code] += 1
        if answer.status_code == 202:
            operation_id: str = answer.json()["id"]
            self._record.answers[work.key].add(operation_id)
            return operation_id
        if answer.status_code < 500:
            self._record.complaints.append(f"key {work.key}: {answer.status_code} {answer.text[:300]}")
        return None
