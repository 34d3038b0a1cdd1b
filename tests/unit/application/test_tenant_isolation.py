"""Tenant isolation (P8): two tenants use every route; neither can see, find, count, change or guess the other's data.

The routes come from the application. A new route with an operation's id is tested as it is; any other new route
fails `test_no_route_is_left_out` until a test for it is declared here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from entrypoints.http.security.authorization import PUBLIC, routes
from tests.support.http.access import Guarded
from tests.support.http.api import problem
from tests.support.http.sse import stream_of

STRANGER = UUID("019b76da-a800-7000-8000-00000000ffff")
"""The id of no operation."""
ROUTES = [(method, path) for method, path, handler in routes(Guarded().app) if handler.opt["scope"] != PUBLIC]
OF_ONE = [route for route in ROUTES if "{operation_id}" in route[1]]


@dataclass
class Tenants:
    """Two tenants: the id of an operation of the first, and requests as each of them."""

    app: Any
    client: httpx.AsyncClient
    owner: dict[str, str]
    other: dict[str, str]
    id: str

    async def by_owner(self, method: str, path: str, **request: Any) -> httpx.Response:
        return await self._ask(method, path, self.owner, **request)

    async def by_other(self, method: str, path: str, **request: Any) -> httpx.Response:
        return await self._ask(method, path, self.other, **request)

    async def _ask(self, method: str, path: str, key: dict[str, str], **request: Any) -> httpx.Response:
        headers = {**request.pop("headers", {}), **key}
        return await self.client.request(method, path, headers=headers, **request)

    async def seen(self) -> list[Any]:
        """Returns everything that the owner can see."""
        paths = ("", "/counts", f"/{self.id}", f"/{self.id}/transitions")
        return [(await self.by_owner("GET", f"/v1/operations{path}")).json() for path in paths]


async def with_operation(app: Any, client: httpx.AsyncClient, owner: dict[str, str], other: dict[str, str]) -> Tenants:
    """Submits an operation as the owner."""
    made = await client.post("/v1/operations", json=SUBMISSION, headers={**owner, **IDEMPOTENT})
    return Tenants(app, client, owner, other, made.json()["id"])


SUBMISSION = {"type": "deploy", "input": {"a": 1}, "labels": {"team": "x"}}
IDEMPOTENT = {"Idempotency-Key": "the same"}


async def submitted(tenants: Tenants) -> None:
    """The same idempotency key is independent, with the same body and with another."""
    for key, body in (("the same", SUBMISSION), ("b", {"type": "build"})):
        answer = await tenants.by_other("POST", "/v1/operations", json=body, headers={"Idempotency-Key": key})
        assert answer.status_code == 202
        assert "idempotent-replayed" not in answer.headers
        assert answer.json()["id"] != tenants.id
    reused = await tenants.by_other("POST", "/v1/operations", json={"type": "build"}, headers=IDEMPOTENT)
    problem(reused, 422)


async def listed(tenants: Tenants) -> None:
    """No filter finds the owner's operation, and the owner's page token is invalid."""
    await tenants.by_owner("POST", "/v1/operations", json=SUBMISSION)
    first = (await tenants.by_owner("GET", "/v1/operations?page_size=1")).json()
    assert first["next_page_token"]
    for query in ("", "?type=deploy", "?label.team=x", "?status=ACCEPTED", "?order=accepted_at"):
        answer = await tenants.by_other("GET", f"/v1/operations{query}")
        assert answer.json() == {"items": [], "next_page_token": None}
    token = {"page_size": "1", "page_token": first["next_page_token"]}
    problem(await tenants.by_other("GET", "/v1/operations", params=token), 400)


async def counted(tenants: Tenants) -> None:
    """The counts contain neither the owner's operations nor their types."""
    counts = (await tenants.by_other("GET", "/v1/operations/counts")).json()
    assert counts["by_type"] == {}
    assert set(counts["by_status"].values()) == {0}


async def measured(tenants: Tenants) -> None:
    """The durations are those of the tenant's own operations: none, as for an unknown type."""
    window = {"finished_after": "2026-01-01T00:00:00Z", "finished_before": "2100-01-01T00:00:00Z"}
    nobodys, theirs = [
        await tenants.by_other("GET", "/v1/operations/durations", params={"type": name, **window})
        for name in ("build", "deploy")
    ]
    assert theirs.status_code == 200
    assert theirs.text.replace("deploy", "build") == nobodys.text


async def measured_over_time(tenants: Tenants) -> None:
    """The throughput is that of the tenant's own operations, also if it names the type of another tenant's."""
    await tenants.by_owner("POST", f"/v1/operations/{tenants.id}/cancel")  # which ends it
    mine = (await tenants.by_owner("GET", "/v1/operations/throughput")).json()
    assert mine["failures"] == {"CANCELED": {"deploy": 1}}
    for parameters in ({}, {"type": "deploy"}):
        theirs = (await tenants.by_other("GET", "/v1/operations/throughput", params=parameters)).json()
        assert theirs["failures"] == {}
        assert {(each["started"], each["completed"], each["failed"]) for each in theirs["buckets"]} == {(0, 0, 0)}


async def declared(tenants: Tenants) -> None:
    """Declared types are the same for every tenant, and name none."""
    for path in ("/v1/operation-types", "/v1/operation-types/deploy"):
        mine, theirs = await tenants.by_owner("GET", path), await tenants.by_other("GET", path)
        assert mine.status_code == 200
        assert mine.json() == theirs.json()
        assert "tenant" not in mine.text


async def submitted_together(tenants: Tenants) -> None:
    """The same for keys in a batch."""
    item = {**SUBMISSION, "idempotency_key": "the same"}
    for _ in range(2):
        answer = await tenants.by_other("POST", "/v1/operations/batch", json={"operations": [item]})
        [made] = answer.json()["items"]
        assert made["operation"]["id"] != tenants.id
    assert made["replayed"]


async def adopted(tenants: Tenants) -> None:
    """The execution of another tenant's operation is as unknown as one that does not exist."""
    for workflow_id in (tenants.id, str(STRANGER)):
        body = {"type": "deploy", "workflow_id": workflow_id}
        problem(await tenants.by_other("POST", "/v1/operations:adopt", json=body), 404)


async def recorded(tenants: Tenants) -> None:
    """Keys are independent. Of another tenant's open operation, only that it has the workflow id is visible."""
    body = {"type": "Work", "workflow_id": "order-1"}
    mine = await tenants.by_owner("POST", "/v1/operations:record", json=body, headers=IDEMPOTENT)
    problem(mine, 422)  # the owner has used the key for a submission
    assert (await tenants.by_owner("POST", "/v1/operations:record", json=body)).status_code == 201
    for policy in ("reject", "use_existing"):
        answer = await tenants.by_other("POST", "/v1/operations:record", json={**body, "on_running": policy})
        assert "operation_id" not in problem(answer, 409)
    free = {**body, "workflow_id": "order-2"}
    answer = await tenants.by_other("POST", "/v1/operations:record", json=free, headers=IDEMPOTENT)
    assert answer.status_code == 201
    assert answer.json()["id"] != tenants.id


async def reported(tenants: Tenants) -> None:
    """A report about another tenant's operation gets the answer of one about no operation, and changes nothing."""
    before = await tenants.seen()
    execution = {
        **dict.fromkeys(("workflow_id", "run_id", "first_run_id"), tenants.id),
        "namespace": "default",
        "workflow_type": "Deploy",
        "task_queue": "queue",
        "started_at": "2026-01-01T00:00:00Z",
    }
    answers = []
    for kind in ("started", "dispatched", "start_rejected"):
        for operation_id in (tenants.id, str(STRANGER)):
            report = {"operation_id": operation_id, "kind": kind, "occurred_at": "2026-01-01T00:00:00Z"}
            answers.append(await tenants.by_other("POST", "/v1/reports", json={**report, "execution": execution}))
    assert [answer.json() for answer in answers] == [{"outcome": "unknown_operation"}] * 6
    assert await tenants.seen() == before


async def streamed(tenants: Tenants) -> None:
    """The stream has only the tenant's own events."""
    async with stream_of(tenants.app, "/v1/events", tenants.other) as events:
        await events.event()
        assert (await tenants.by_owner("POST", "/v1/operations", json=SUBMISSION)).status_code == 202
        made = (await tenants.by_other("POST", "/v1/operations", json=SUBMISSION)).json()
        assert (await events.event()).data["operation_id"] == made["id"]
        assert (await events.event()).data["id"] == made["id"]


async def streamed_with_a_ticket(tenants: Tenants) -> None:
    """A ticket gives access to its own tenant's events."""
    made = (await tenants.by_other("POST", "/v1/stream-tickets")).json()
    path = f"/v1/operations/{tenants.id}/events?ticket={made['ticket']}"
    problem(await tenants.client.get(path), 404)


async def selected(tenants: Tenants) -> None:
    """No filter selects the owner's operation, and the owner's confirmation is invalid."""
    for verb in ("cancel", "retry", "delete", "acknowledge"):
        url, body = f"/v1/operations:{verb}", {"filter": {"all": True}}
        mine = (await tenants.by_owner("POST", url, json={**body, "dry_run": True})).json()
        theirs = (await tenants.by_other("POST", url, json={**body, "dry_run": True})).json()
        assert (theirs["matching"], theirs["sample"]) == (0, [])
        problem(await tenants.by_other("POST", url, json={**body, "confirm": mine["confirm"]}), 422)


WALKS: dict[tuple[str, str], Callable[[Tenants], Awaitable[None]]] = {
    ("POST", "/v1/operations"): submitted,
    ("POST", "/v1/operations:adopt"): adopted,
    ("POST", "/v1/operations/batch"): submitted_together,
    ("POST", "/v1/operations:record"): recorded,
    ("POST", "/v1/operations:cancel"): selected,
    ("POST", "/v1/operations:retry"): selected,
    ("POST", "/v1/operations:delete"): selected,
    ("POST", "/v1/operations:acknowledge"): selected,
    ("POST", "/v1/reports"): reported,
    ("GET", "/v1/operations"): listed,
    ("GET", "/v1/operations/counts"): counted,
    ("GET", "/v1/operations/durations"): measured,
    ("GET", "/v1/operations/throughput"): measured_over_time,
    ("GET", "/v1/operation-types"): declared,
    ("GET", "/v1/operation-types/{name}"): declared,
    ("GET", "/v1/events"): streamed,
    ("POST", "/v1/stream-tickets"): streamed_with_a_ticket,
}


BODIES = {"/v1/operations/{operation_id}/keep": {"keep": True}}
"""Of the routes of one operation that need a body."""


def test_no_route_is_left_out() -> None:
    """Every route has an operation's id in it, or a test in WALKS."""
    assert {route for route in ROUTES if route not in OF_ONE} == WALKS.keys()
    assert len(OF_ONE) >= 3


class Isolation:
    """Subclasses provide the tenants."""

    @pytest.fixture
    async def tenants(self) -> Tenants:
        raise NotImplementedError

    @pytest.mark.parametrize("route", WALKS, ids=" ".join)
    async def test_routes_over_all_operations(self, tenants: Tenants, route: tuple[str, str]) -> None:
        """Each by its function in WALKS."""
        await WALKS[route](tenants)

    @pytest.mark.parametrize(("method", "path"), OF_ONE)
    async def test_routes_hide_an_operation_of_another_tenant(self, tenants: Tenants, method: str, path: str) -> None:
        """Another tenant's operation gives 404, with the same body as an unknown one, and does not change. For the
        owner the route works."""
        before = await tenants.seen()
        answers = [
            await tenants.by_other(
                method, path.format(operation_id=operation_id), headers={"If-None-Match": "*"}, json=BODIES.get(path)
            )
            for operation_id in (tenants.id, STRANGER)
        ]
        anothers, nobodys = (problem(answer, 404) for answer in answers)
        assert anothers == {**nobodys, "detail": nobodys["detail"].replace(str(STRANGER), tenants.id)}
        assert answers[0].headers.keys() == answers[1].headers.keys()
        assert await tenants.seen() == before
        await tenants.by_owner("POST", f"/v1/operations/{tenants.id}/cancel")  # finished, so that a stream of it ends
        answer = await tenants.by_owner(method, path.format(operation_id=tenants.id), json=BODIES.get(path))
        assert answer.status_code != 404


class TestOnMemory(Isolation):
    @pytest.fixture
    async def tenants(self) -> Tenants:
        """Two tenants; both may do everything in their own."""
        api = Guarded()
        return await with_operation(api.app, api.client, await api.key("owner"), await api.key("other"))
