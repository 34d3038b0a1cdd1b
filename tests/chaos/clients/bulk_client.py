"""Makes bulk actions, and records them for the checker."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tests.chaos.checker.facts import BulkOrder
from tests.chaos.clients.patient_http import PatientHttp
from tests.chaos.clients.servers import Servers
from tests.chaos.plan.acknowledgement import Acknowledgement
from tests.chaos.plan.crowd import Crowd
from tests.chaos.plan.tenants import OWN
from tests.chaos.plan.workload import Work
from tests.chaos.record import Record

TIMEOUT = 240.0
"""Timeout of a bulk action in seconds. Servers are killed meanwhile."""
WORDS = "the client cancelled"


class BulkClient:
    """Makes bulk actions. Every request is repeated until it is answered: a confirmation that was stored without an
    answer gives the same bulk action."""

    def __init__(self, servers: Servers, record: Record) -> None:
        self._record = record
        self._http = PatientHttp(servers, record)

    async def close(self) -> None:
        """The end."""
        await self._http.close()

    async def act(
        self,
        verb: str,
        criteria: dict[str, Any],
        candidates: Collection[str] | None,
        *,
        tenant: str = OWN,
        between: Callable[[], Awaitable[object]] | None = None,
    ) -> str | None:
        """Returns the id of the bulk action; None if nothing matches, or, with a complaint, if there was no answer.
        `candidates`: all operations that may match, if they are known. `between`: runs after the dry run."""
        path, body = f"/v1/operations:{verb}", {"filter": criteria}
        found = await self._http.post(path, {**body, "dry_run": True}, 200, tenant=tenant)
        counted = datetime.now(UTC)
        if found is None:
            self._record.complaints.append(f"P5: a dry run of a bulk {verb} on {criteria} had no 200")
            return None
        if not found.json()["matching"]:
            return None
        if between is not None:
            await between()
        reason = f"bulk {uuid4()}"
        confirmation = {**body, "confirm": found.json()["confirm"]}
        if verb in ("cancel", "acknowledge"):
            confirmation["reason"] = reason
        made = await self._http.post(path, confirmation, 202, tenant=tenant)
        if made is None:
            self._record.complaints.append(f"P5: a bulk {verb} on {criteria} had no 202")
            return None
        action_id: str = made.json()["id"]
        self._record.bulk[action_id] = BulkOrder(
            verb,
            found.json()["matching"],
            None if candidates is None else frozenset(candidates),
            reason,
            tenant,
            counted,
        )
        return action_id

    async def acknowledge(self, planned: Acknowledgement) -> None:
        """Acknowledges what the dry run counts. Problems end before the confirmation, and new ones follow."""
        criteria = {"attention": list(planned.kinds)}
        await self.act(
            "acknowledge", criteria, None, tenant=planned.tenant, between=lambda: asyncio.sleep(planned.pause)
        )

    async def handle(self, crowd: Crowd) -> None:
        """Cancels the crowd, retries those that were cancelled, and deletes them."""
        criteria: dict[str, Any] = {"label": {"crowd": crowd.label}}
        members = await self._submit(crowd, crowd.works)
        if not members:
            return
        late: list[str] = []

        async def submit_the_late_one() -> None:
            late.extend(await self._submit(crowd, [crowd.late]))

        tenant = crowd.tenant
        cancelled = await self.act("cancel", criteria, members, tenant=tenant, between=submit_the_late_one)
        if cancelled and await self._done(tenant, cancelled) and await self._all_done(tenant, members):
            failed = {**criteria, "status": ["FAILED"]}
            for verb in ("retry", "delete"):
                action = await self.act(verb, failed, members, tenant=tenant)
                if action is None or not await self._done(tenant, action):
                    break
        for operation_id in late:
            await self._http.post(f"/v1/operations/{operation_id}/cancel", {"reason": WORDS}, 202, tenant=tenant)

    async def _submit(self, crowd: Crowd, works: Collection[Work]) -> list[str]:
        """The ids of the operations that were accepted in one batch."""
        body = {"operations": [_submission(crowd, work) for work in works]}
        answer = await self._http.post("/v1/operations/batch", body, 200, tenant=crowd.tenant)
        if answer is None:
            self._record.unanswered.update(work.key for work in works)
            self._record.complaints.append(f"P1: a batch of {len(works)} had no answer")
            return []
        made = []
        for work, item in zip(works, answer.json()["items"], strict=True):
            if item["status"] == 202:
                made.append(item["operation"]["id"])
                self._record.answers[work.key].add(made[-1])
            else:
                self._record.complaints.append(f"key {work.key} in a batch: {item}")
        return made

    async def _all_done(self, tenant: str, members: Collection[str]) -> bool:
        """Whether all operations end in time."""
        answers = [await self._done(tenant, member) for member in members]
        return all(answers)

    async def _done(self, tenant: str, operation_id: str) -> bool:
        """Whether the operation ends in time."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            shown = await self._http.request("GET", f"/v1/operations/{operation_id}", 200, tenant=tenant)
            if shown is not None and shown.json()["done"]:
                return True
            await asyncio.sleep(0.3)
        return False


def _submission(crowd: Crowd, work: Work) -> dict[str, Any]:
    body = work.body(None)
    return {**body, "labels": {**body["labels"], "crowd": crowd.label}, "idempotency_key": work.sent_key}
