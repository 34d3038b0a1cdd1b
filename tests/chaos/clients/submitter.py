"""A careful client: repeats every submission under its key, against either API, until it has a 202."""

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx

from tests.chaos.checker.facts import Submission
from tests.chaos.clients.servers import Servers
from tests.chaos.plan.plan import Plan
from tests.chaos.plan.workload import Work
from tests.chaos.record import Record

AT_ONCE = 48
"""Submissions under way at most."""
TIMEOUT = 90.0


class WorkflowIdInUse(Exception):
    """The answer 409: an open operation has the workflow id."""

    def __init__(self, holder: str | None) -> None:
        super().__init__(holder)
        self.holder = holder


class Submitter:
    """Submits the plan's operations at their times."""

    def __init__(self, servers: Servers, plan: Plan, record: Record) -> None:
        self._servers = servers
        self._plan = plan
        self._record = record
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._http = httpx.AsyncClient(timeout=5, trust_env=False, limits=httpx.Limits(max_connections=AT_ONCE))

    async def submit(self, work: Work) -> str | None:
        """The operation's id; None if it was refused because of its workflow id, or, with a complaint, if there never
        was a 202."""
        dice = Random(f"{self._plan.seed}/{work.number}")
        deadline = time.monotonic() + TIMEOUT
        sent = datetime.now(UTC)
        body = work.body(parent := next(iter(self._record.answers.get(work.parent or "", ())), None))
        async with self._gate:
            while time.monotonic() < deadline:
                try:
                    operation_id = await self._once(dice.choice(self._servers.urls), work, body)
                except WorkflowIdInUse as refusal:
                    self._note(work, sent, refusal.holder, refused=True)
                    return None
                if operation_id is not None:
                    self._note(work, sent, operation_id)
                    if parent is not None:
                        self._record.parents[operation_id] = parent
                    if dice.random() < 0.05:  # a client that did not trust its own ears
                        with contextlib.suppress(WorkflowIdInUse):
                            await self._once(dice.choice(self._servers.urls), work, body)
                    return operation_id
                await asyncio.sleep(dice.uniform(0.05, 0.3))
        self._record.complaints.append(f"P1: key {work.key} had no 202 in {TIMEOUT:g} s")
        return None

    async def close(self) -> None:
        """The end."""
        await self._http.aclose()

    def _note(self, work: Work, sent: datetime, operation_id: str | None, *, refused: bool = False) -> None:
        if "name" in work.input:
            received = datetime.now(UTC)
            self._record.submissions.append(
                Submission(
                    work.key,
                    work.number,
                    work.type,
                    sent,
                    received,
                    operation_id,
                    refused,
                    work.workflow_id,
                    work.tenant,
                )
            )

    async def _once(self, url: str, work: Work, body: dict[str, Any]) -> str | None:
        headers = {"Idempotency-Key": work.sent_key, **self._servers.headers(work.tenant)}
        try:
            answer = await self._http.post(f"{url}/v1/operations", json=body, headers=headers)
        except httpx.TransportError:
            self._record.statuses[0] += 1
            self._record.unanswered.add(work.key)
            return None
        self._record.statuses[answer.status_code] += 1
        if answer.status_code == 202:
            operation_id: str = answer.json()["id"]
            self._record.answers[work.key].add(operation_id)
            return operation_id
        if answer.status_code == 409 and answer.json()["type"].endswith(":workflow-id-in-use"):
            raise WorkflowIdInUse(answer.json().get("operation_id"))
        if answer.status_code >= 500:
            self._record.unanswered.add(work.key)  # it may have been stored all the same
        else:
            self._record.complaints.append(f"key {work.key}: {answer.status_code} {answer.text[:300]}")
        return None
