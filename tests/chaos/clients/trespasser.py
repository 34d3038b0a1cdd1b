"""A client that tries what it may not: requests about operations of another tenant."""

from random import Random
from typing import Any

from tests.chaos.checker.facts import NOTHING, Trespass
from tests.chaos.clients.patient_http import PatientHttp
from tests.chaos.clients.servers import Servers
from tests.chaos.plan.plan import Plan
from tests.chaos.plan.tenants import other_than
from tests.chaos.plan.workload import Work
from tests.chaos.record import Record

TRIED = 0.3
"""Share of the operations about which the other tenant asks."""
SINGLE = (
    ("GET", ""),
    ("GET", "/history"),
    ("POST", "/cancel"),
    ("POST", "/retry"),
    ("POST", "/acknowledge"),
    ("DELETE", ""),
)
REASON = "a trespasser"


class Trespasser:
    """Asks about an operation with the key of the tenant that it does not belong to."""

    def __init__(self, servers: Servers, plan: Plan, record: Record) -> None:
        self._plan = plan
        self._record = record
        self._http = PatientHttp(servers, record)

    async def trespass(self, work: Work, operation_id: str) -> None:
        """Tries everything, in an order of its own; the record gets every answer."""
        dice = Random(f"{self._plan.seed}/trespass/{work.number}")
        if dice.random() >= TRIED:
            return
        tenant = other_than(work.tenant)
        for method, end in dice.sample(SINGLE, len(SINGLE)):
            content: dict[str, Any] = {}
            if method == "POST":
                content["json"] = {} if end == "/retry" else {"reason": REASON}
            path = f"/v1/operations/{operation_id}{end}"
            answer = await self._http.request(method, path, tenant=tenant, **content)
            if answer is not None:
                self._note(tenant, operation_id, f"{method} {end}", str(answer.status_code))
        await self._search(tenant, operation_id)

    async def adopt(self, work: Work, workflow_id: str) -> None:
        """Tries to adopt an execution, if it is an operation of its tenant already."""
        if not any(received.workflow_id == workflow_id for received in self._record.received_ids):
            return
        tenant, body = other_than(work.tenant), {"type": work.type, "workflow_id": workflow_id}
        answer = await self._http.request("POST", "/v1/operations:adopt", tenant=tenant, json=body)
        if answer is not None:
            self._note(tenant, workflow_id, "POST adopt", str(answer.status_code))

    async def close(self) -> None:
        """The end."""
        await self._http.close()

    async def _search(self, tenant: str, operation_id: str) -> None:
        """By a list, and by the dry run of a bulk action."""
        listed = await self._http.request("GET", f"/v1/operations?id_prefix={operation_id}", 200, tenant=tenant)
        if listed is not None:
            shown = [one["id"] for one in listed.json()["items"]]
            self._note(tenant, operation_id, "GET list", str(shown) if shown else NOTHING)
        body = {"filter": {"id_prefix": operation_id}, "dry_run": True}
        for verb in ("cancel", "retry", "delete", "acknowledge"):
            counted = await self._http.post(f"/v1/operations:{verb}", body, 200, tenant=tenant)
            if counted is not None:
                matching = counted.json()["matching"]
                self._note(tenant, operation_id, f"bulk {verb}", f"{matching} match" if matching else NOTHING)

    def _note(self, tenant: str, operation_id: str, request: str, answer: str) -> None:
        self._record.trespasses.append(Trespass(tenant, operation_id, request, answer))
