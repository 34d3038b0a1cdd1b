"""Does to operations what people and programs do to them: through Temporal itself, or through the ledger's API."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tests.chaos import interference
from tests.chaos.kinds import Fate
from tests.chaos.record import Record
from tests.chaos.workload import Work

PATIENCE = 60.0
"""Seconds that an operation has to be started, and a server that is down to come back."""
TOO_OLD = 12.0
"""Seconds of age at which an execution is no longer deleted: it must not end by itself in the same moment."""
NUDGES = 30


class Fates:
    """Fulfils what the plan has for an operation."""

    def __init__(self, client: Client, urls: list[str], record: Record) -> None:
        self._client = client
        self._urls = urls
        self._record = record
        self._http = httpx.AsyncClient(timeout=5, trust_env=False)

    async def fulfil(self, work: Work, operation_id: str) -> None:
        """Wait until it is time, do it, and note what came of it."""
        acts: dict[Fate, Callable[[str], Awaitable[str]]] = {
            Fate.TERMINATED: self._terminate,
            Fate.CANCELED: lambda one: self._surely(lambda: interference.cancel(self._client, one)),
            Fate.RESET: lambda one: self._surely(lambda: interference.reset(self._client, one)),
            Fate.TERMINATED_AND_RESET: self._terminate_and_reset,
            Fate.DELETED: self._delete,
            Fate.SIGNALLED_AT_CLOSE: self._nudge,
            Fate.API_CANCEL: lambda one: self._ask(one, force=False),
            Fate.API_CANCEL_AT_ONCE: lambda one: self._ask(one, force=False),
            Fate.API_FORCE: lambda one: self._ask(one, force=True),
        }
        if work.fate is Fate.LEFT_ALONE:
            self._record.fates[(work.fate, "done")] += 1
            return
        await asyncio.sleep(work.fate_after)
        self._record.fates[(work.fate, await acts[work.fate](operation_id))] += 1

    async def close(self) -> None:
        """The end."""
        await self._http.aclose()

    async def _terminate(self, operation_id: str) -> str:
        return await self._surely(lambda: interference.terminate(self._client, operation_id))

    async def _terminate_and_reset(self, operation_id: str) -> str:
        # It must have run: what is reset is the end of its first workflow task.
        if (outcome := await self._surely(lambda: interference.first_task_done(self._client, operation_id))) != "done":
            return outcome
        if (outcome := await self._terminate(operation_id)) != "done":
            return outcome
        await asyncio.sleep(1.5)
        return await self._surely(lambda: interference.reset(self._client, operation_id))

    async def _delete(self, operation_id: str) -> str:
        async def delete() -> bool:
            age = await interference.running_for(self._client, operation_id)
            if age is None or age > TOO_OLD:
                return False
            self._record.deleted[operation_id].append(datetime.now(UTC))  # before: its answer may be lost
            await interference.delete(self._client, operation_id)
            return True

        return await self._surely(delete)

    async def _nudge(self, operation_id: str) -> str:
        """Signals one after the other as soon as it has slept enough: one of them arrives as the close is under way."""
        if (outcome := await self._surely(lambda: interference.slept(self._client, operation_id))) != "done":
            return outcome
        for number in range(NUDGES):
            outcome = await self._surely(lambda: interference.nudge(self._client, operation_id))
            if outcome != "done":
                return "done" if number else outcome
            await asyncio.sleep(0.02)
        return "done"

    async def _surely(self, act: Callable[[], Awaitable[bool]]) -> str:
        """Try until it is done; what is not there may only not have been started yet."""
        deadline, outcome = time.monotonic() + PATIENCE, "not done"
        while time.monotonic() < deadline:
            try:
                return "done" if await act() else "too late"
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND and "completed" in error.message:
                    return "too late"
                outcome = "never started" if error.status is RPCStatusCode.NOT_FOUND else "no answer"
            await asyncio.sleep(0.2)
        return outcome

    async def _ask(self, operation_id: str, *, force: bool) -> str:
        deadline, turn = time.monotonic() + PATIENCE, 0
        while time.monotonic() < deadline:
            url = self._urls[turn % len(self._urls)]
            turn += 1
            try:
                answer = await self._http.post(
                    f"{url}/v1/operations/{operation_id}/cancel", json={"force": force, "reason": "the client's wish"}
                )
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code in (202, 409):
                return "done" if answer.status_code == 202 else "too late"
            if answer.status_code < 500:
                self._record.complaints.append(f"cancelling {operation_id}: {answer.status_code} {answer.text[:300]}")
                return "refused"
            await asyncio.sleep(0.1)
        return "no answer"
