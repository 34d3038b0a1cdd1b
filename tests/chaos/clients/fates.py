"""Does to operations what people and programs do to them: through Temporal itself, or through the ledger's API."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tests.chaos.clients import interference
from tests.chaos.clients.bulk_client import BulkClient
from tests.chaos.clients.patient_http import TIMEOUT, PatientHttp
from tests.chaos.clients.servers import Servers
from tests.chaos.plan.kinds import Fate
from tests.chaos.plan.tenants import named_key
from tests.chaos.plan.workload import Work
from tests.chaos.record import Record

TOO_OLD = 12.0
"""Seconds of age at which an execution is no longer deleted: it must not end by itself in the same moment."""
NUDGES = 30


class Fates:
    """Fulfils what the plan has for an operation."""

    def __init__(self, client: Client, servers: Servers, record: Record) -> None:
        self._client = client
        self._record = record
        self._http = PatientHttp(servers, record)
        self._bulk = BulkClient(servers, record)

    async def fulfil(self, work: Work, one: str) -> None:
        """Wait until it is time, do it, and note what came of it. `one`: the workflow id, and for what goes through the
        API the operation's id, which is the same for a submission without a template."""
        acts: dict[Fate, Callable[[str], Awaitable[str]]] = {
            Fate.TERMINATED: self._terminate,
            Fate.CANCELED: lambda one: self._surely(lambda: interference.cancel(self._client, one)),
            Fate.RESET: lambda one: self._surely(lambda: interference.reset(self._client, one)),
            Fate.TERMINATED_AND_RESET: self._terminate_and_reset,
            Fate.DELETED: self._delete,
            Fate.SIGNALLED_AT_CLOSE: self._nudge,
            Fate.API_CANCEL: lambda one: self._ask(work.tenant, one, force=False),
            Fate.API_CANCEL_AT_ONCE: lambda one: self._ask(work.tenant, one, force=False),
            Fate.API_BULK_CANCEL: lambda one: self._cancel_in_bulk(work.tenant, one),
            Fate.API_RETRY: lambda one: self._retry(work.tenant, one),
            Fate.API_FORCE: lambda one: self._ask(work.tenant, one, force=True),
        }
        if work.fate is Fate.LEFT_ALONE:
            self._record.fates[(work.fate, "done")] += 1
            return
        await asyncio.sleep(work.fate_after)
        self._record.fates[(work.fate, await acts[work.fate](one))] += 1

    async def close(self) -> None:
        """The end."""
        await self._http.close()
        await self._bulk.close()

    async def _terminate(self, workflow_id: str) -> str:
        return await self._surely(lambda: interference.terminate(self._client, workflow_id))

    async def _terminate_and_reset(self, workflow_id: str) -> str:
        # It must have run: what is reset is the end of its first workflow task.
        if (outcome := await self._surely(lambda: interference.first_task_done(self._client, workflow_id))) != "done":
            return outcome
        if (outcome := await self._terminate(workflow_id)) != "done":
            return outcome
        await asyncio.sleep(1.5)
        return await self._surely(lambda: interference.reset(self._client, workflow_id))

    async def _delete(self, workflow_id: str) -> str:
        async def delete() -> bool:
            age = await interference.running_for(self._client, workflow_id)
            if age is None or age > TOO_OLD:
                return False
            self._record.deleted[workflow_id].append(datetime.now(UTC))  # before: its answer may be lost
            await interference.delete(self._client, workflow_id)
            return True

        return await self._surely(delete)

    async def _nudge(self, workflow_id: str) -> str:
        """Signals one after the other as soon as it has slept enough: one of them arrives as the close is under way."""
        if (outcome := await self._surely(lambda: interference.slept(self._client, workflow_id))) != "done":
            return outcome
        for number in range(NUDGES):
            outcome = await self._surely(lambda: interference.nudge(self._client, workflow_id))
            if outcome != "done":
                return "done" if number else outcome
            await asyncio.sleep(0.02)
        return "done"

    async def _surely(self, act: Callable[[], Awaitable[bool]]) -> str:
        """Try until it is done; what is not there may only not have been started yet."""
        deadline, outcome = time.monotonic() + TIMEOUT, "not done"
        while time.monotonic() < deadline:
            try:
                return "done" if await act() else "too late"
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND and "completed" in error.message:
                    return "too late"
                outcome = "never started" if error.status is RPCStatusCode.NOT_FOUND else "no answer"
            await asyncio.sleep(0.2)
        return outcome

    async def _ask(self, tenant: str, operation_id: str, *, force: bool) -> str:
        body = {"force": force, "reason": "the client cancelled"}
        answer = await self._http.post(f"/v1/operations/{operation_id}/cancel", body, 202, 409, tenant=tenant)
        return "no answer" if answer is None else "done" if answer.status_code == 202 else "too late"

    async def _cancel_in_bulk(self, tenant: str, operation_id: str) -> str:
        """A bulk action on what has this workflow id."""
        action = await self._bulk.act("cancel", {"workflow_id": [operation_id]}, {operation_id}, tenant=tenant)
        return "too late, or no answer" if action is None else "done"

    async def _retry(self, tenant: str, operation_id: str) -> str:
        """As soon as it is done, under a key; the new operation comes to what the first one came to."""
        path, key = f"/v1/operations/{operation_id}/retry", f"retry-{operation_id}"
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            answer = await self._http.post(path, {}, 202, 409, tenant=tenant, key=key)
            if answer is None:
                self._record.unanswered.add(named_key(tenant, key))
                return "no answer"
            if answer.status_code == 202:
                self._record.answers[named_key(tenant, key)].add(answer.json()["id"])
                return "done"
            await asyncio.sleep(0.3)
        return "never done"
