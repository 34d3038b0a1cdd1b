"""Two tenants walk every route (P8): nothing of the one is seen, found, counted, changed or guessed by the other.

The routes are the application's own: a new one with an operation's id in it is walked as it is, and any other one is
missed by `test_no_route_is_left_out` until somebody says here how it is walked.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from entrypoints.http.security.authorization import PUBLIC, routes
from tests.support.http_access import Guarded
from tests.support.http_api import problem
from tests.support.sse import stream_of

STRANGER = UUID("019b76da-a800-7000-8000-00000000ffff")
"""Nobody's operation."""
ROUTES = [(method, path) for method, path, handler in routes(Guarded().app) if handler.opt["scope"] != PUBLIC]
OF_ONE = [route for route in ROUTES if "{operation_id}" in route[1]]


@dataclass
class Tenants:
    """An operation of the owner's, and both keys."""

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
        """All that the owner sees."""
        paths = ("", "/counts", f"/{self.id}", f"/{self.id}/transitions")
        return [(await self.by_owner("GET", f"/v1/operations{path}")).json() for path in paths]


async def with_operation(app: Any, client: httpx.AsyncClient, owner: dict[str, str], other: dict[str, str]) -> Tenants:
    """Have the owner submit."""
    made = await client.post("/v1/operations", json=SUBMISSION, headers={**owner, **IDEMPOTENT})
    return Tenants(app, client, owner, other, made.json()["id"])


SUBMISSION = {"type": "deploy", "input": {"a": 1}, "labels": {"team": "x"}}
IDEMPOTENT = {"Idempotency-Key": "the same"}


async def submitted(tenants: Tenants) -> None:
    """The same idempotency key, with the same body and with another, is the other's own."""
    for key, body in (("the same", SUBMISSION), ("b", {"type": "build"})):
        answer = await tenants.by_other("POST", "/v1/operations", json=body, headers={"Idempotency-Key": key})
        assert answer.status_code == 202
        assert "idempotent-replayed" not in answer.headers
        assert answer.json()["id"] != tenants.id
    reused = await tenants.by_other("POST", "/v1/operations", json={"type": "build"}, headers=IDEMPOTENT)
    problem(reused, 422)


async def listed(tenants: Tenants) -> None:
    """No filter finds the owner's, and the owner's page token is none."""
    await tenants.by_owner("POST", "/v1/operations", json=SUBMISSION)
    first = (await tenants.by_owner("GET", "/v1/operations?page_size=1")).json()
    assert first["next_page_token"]
    for query in ("", "?type=deploy", "?label.team=x", "?status=ACCEPTED", "?order=accepted_at"):
        answer = await tenants.by_other("GET", f"/v1/operations{query}")
        assert answer.json() == {"items": [], "next_page_token": None}
    token = {"page_size": "1", "page_token": first["next_page_token"]}
    problem(await tenants.by_other("GET", "/v1/operations", params=token), 400)


async def counted(tenants: Tenants) -> None:
    """The owner's are not in the sums, nor are their types."""
    counts = (await tenants.by_other("GET", "/v1/operations/counts")).json()
    assert counts["by_type"] == {}
    assert set(counts["by_status"].values()) == {0}


async def submitted_together(tenants: Tenants) -> None:
    """In a batch too."""
    item = {**SUBMISSION, "idempotency_key": "the same"}
    for _ in range(2):
        answer = await tenants.by_other("POST", "/v1/operations/batch", json={"operations": [item]})
        [made] = answer.json()["items"]
        assert made["operation"]["id"] != tenants.id
    assert made["replayed"]


async def streamed(tenants: Tenants) -> None:
    """What arrives is the other's own."""
    async with stream_of(tenants.app, "/v1/events", tenants.other) as events:
        await events.event()
        assert (await tenants.by_owner("POST", "/v1/operations", json=SUBMISSION)).status_code == 202
        made = (await tenants.by_other("POST", "/v1/operations", json=SUBMISSION)).json()
        assert (await events.event()).data["operation_id"] == made["id"]
        assert (await events.event()).data["id"] == made["id"]


async def streamed_with_a_ticket(tenants: Tenants) -> None:
    """A ticket is its own tenant's."""
    made = (await tenants.by_other("POST", "/v1/stream-tickets")).json()
    path = f"/v1/operations/{tenants.id}/events?ticket={made['ticket']}"
    problem(await tenants.client.get(path), 404)


WALKS: dict[tuple[str, str], Callable[[Tenants], Awaitable[None]]] = {
    ("POST", "/v1/operations"): submitted,
    ("POST", "/v1/operations/batch"): submitted_together,
    ("GET", "/v1/operations"): listed,
    ("GET", "/v1/operations/counts"): counted,
    ("GET", "/v1/events"): streamed,
    ("POST", "/v1/stream-tickets"): streamed_with_a_ticket,
}


def test_no_route_is_left_out() -> None:
    """Every route has an operation's id in it, or a walk of its own."""
    assert {route for route in ROUTES if route not in OF_ONE} == WALKS.keys()
    assert len(OF_ONE) >= 3


class Isolation:
    """Subclasses give the tenants."""

    @pytest.fixture
    async def tenants(self) -> Tenants:
        raise NotImplementedError

    @pytest.mark.parametrize("route", WALKS, ids=" ".join)
    async def test_routes_over_all_operations(self, tenants: Tenants, route: tuple[str, str]) -> None:
        """Each by its own walk."""
        await WALKS[route](tenants)

    @pytest.mark.parametrize(("method", "path"), OF_ONE)
    async def test_routes_of_one_operation(self, tenants: Tenants, method: str, path: str) -> None:
        """404 for another tenant's, in the very words of an operation that there is not; and nothing has changed. For
        the owner the same route is there."""
        before = await tenants.seen()
        answers = [
            await tenants.by_other(method, path.format(operation_id=operation_id), headers={"If-None-Match": "*"})
            for operation_id in (tenants.id, STRANGER)
        ]
        anothers, nobodys = (problem(answer, 404) for answer in answers)
        assert anothers == {**nobodys, "detail": nobodys["detail"].replace(str(STRANGER), tenants.id)}
        assert answers[0].headers.keys() == answers[1].headers.keys()
        assert await tenants.seen() == before
        await tenants.by_owner("POST", f"/v1/operations/{tenants.id}/cancel")  # it is done then: a stream of it ends
        assert (await tenants.by_owner(method, path.format(operation_id=tenants.id))).status_code != 404


class TestOnMemory(Isolation):
    @pytest.fixture
    async def tenants(self) -> Tenants:
        """Two tenants; both may do everything in their own."""
        api = Guarded()
        return await with_operation(api.app, api.client, await api.key("owner"), await api.key("other"))
