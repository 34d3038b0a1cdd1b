"""Stream tickets: streams without the Authorization header."""

import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from application.watch.waiter_limit import WaiterLimit
from domain.access.principal import Principal
from domain.access.scope import Scope
from domain.access.stream_ticket import LIFETIME
from entrypoints.http.responses import sse as event_stream
from tests.support.http.access import Guarded, bearer
from tests.support.http.api import Api, problem
from tests.support.http.sse import Streamed, stream_of


async def ticket(api: Api, key: Mapping[str, str] | None = None) -> str:
    """Creates a ticket."""
    answer = await api.client.post("/v1/stream-tickets", headers=dict(key or {}))
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["ticket"])


def streaming(api: Api, path: str, query: str) -> AbstractAsyncContextManager[Streamed]:
    """Opens a stream as EventSource does, with the URL only."""
    return stream_of(api.app, path, {}, query.encode())


async def opened(api: Api, path: str, query: str) -> httpx.Response:
    """Returns the start of the response to such a request."""
    return await api.client.head(path, params=query)


async def refusal(api: Api, path: str, query: str) -> dict[str, Any]:
    """Returns the problem of a refused stream."""
    answer = await api.client.get(f"{path}?{query}")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    return problem(answer, 401)


async def test_a_ticket_opens_one_stream() -> None:
    """Of all operations or of one. Afterwards it is used."""
    api = Guarded()
    key = await api.key()
    made = (await api.ask("POST", "/v1/operations", key, json={"type": "deploy"})).json()
    for path in ("/v1/events", f"/v1/operations/{made['id']}/events"):
        query = f"ticket={await ticket(api, key)}"
        async with streaming(api, path, query) as stream:
            await stream.event()
        body = await refusal(api, path, query)
        assert (body["type"], body["errors"][0]["parameter"]) == ("urn:opledger:problem:invalid-ticket", "ticket")


async def test_a_ticket_is_for_its_tenant() -> None:
    """P8: the stream has the owner's events; another tenant's operation is not found."""
    api = Guarded()
    owner, other = await api.key("a"), await api.key("b")
    made = (await api.ask("POST", "/v1/operations", owner, json={"type": "deploy"})).json()
    path = f"/v1/operations/{made['id']}/events"
    problem(await api.client.get(f"{path}?ticket={await ticket(api, other)}"), 404)
    async with streaming(api, "/v1/events", f"ticket={await ticket(api, other)}") as stream:
        await stream.event()
        await api.ask("POST", "/v1/operations", owner, json={"type": "deploy"})
        own = (await api.ask("POST", "/v1/operations", other, json={"type": "deploy"})).json()
        assert (await stream.event()).data["operation_id"] == own["id"]


async def test_a_ticket_expires_after_a_minute() -> None:
    api = Guarded()
    late = await ticket(api, await api.key())
    api.clock.advance(LIFETIME)
    await refusal(api, "/v1/events", f"ticket={late}")


@pytest.mark.parametrize(
    "text", ["", "x", "opt_", "opt_" + "a" * 32, "OPT_" + "a" * 32, "%6fpt_" + "a" * 32, "é", "null"]
)
async def test_an_invalid_ticket_is_refused(text: str) -> None:
    api = Guarded()
    assert (await refusal(api, "/v1/events", f"ticket={text}"))["errors"][0]["parameter"] == "ticket"


async def test_creating_a_ticket_needs_the_scope_read() -> None:
    """A ticket gives no other scope: it is valid for streams only."""
    api = Guarded()
    problem(await api.client.post("/v1/stream-tickets", headers=await api.key("a", Scope.SUBMIT)), 403)
    problem(await api.client.post("/v1/stream-tickets"), 401)
    made = await ticket(api, await api.key("a", Scope.READ))
    problem(await api.client.get(f"/v1/operations?ticket={made}"), 401)
    problem(await api.client.post(f"/v1/stream-tickets?ticket={made}"), 401)
    problem(await api.client.get("/v1/operations", headers=bearer(made)), 401)
    assert (await opened(api, "/v1/events", f"ticket={made}")).status_code == 200


async def test_two_credentials_in_a_request_are_refused() -> None:
    """Two tickets, or a ticket and the header: it is ambiguous which one counts."""
    api = Guarded()
    key = await api.key()
    first, second = await ticket(api, key), await ticket(api, key)
    for query, headers in ((f"ticket={first}&ticket={second}", {}), (f"ticket={first}", key)):
        answer = await api.client.get(f"/v1/events?{query}", headers=headers)
        assert problem(answer, 400)["errors"][0]["parameter"] == "ticket"
    assert (await opened(api, "/v1/events", f"ticket={first}")).status_code == 200


async def test_a_revoked_key_revokes_its_tickets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unused ones, and the streams that were opened with one."""
    monkeypatch.setattr(event_stream, "RECHECK_INTERVAL", 0)
    api = Guarded(heartbeat=0.01)
    key = await api.key()
    unused, used = await ticket(api, key), await ticket(api, key)
    async with streaming(api, "/v1/events", f"ticket={used}") as stream:
        await stream.event()
        [stored] = await api.api_keys.list()
        await api.manage.revoke(stored.prefix)
        api.key_clock.advance(timedelta(seconds=10))
        await stream.rest()
    await refusal(api, "/v1/events", f"ticket={unused}")


async def test_a_stream_ends_with_the_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the token for which the ticket was issued."""
    monkeypatch.setattr(event_stream, "RECHECK_INTERVAL", 0)
    api = Guarded(heartbeat=0.01)
    until = api.clock.now() + timedelta(seconds=30)
    token = bearer(api.tokens.issue(Principal("a", "person", frozenset({Scope.READ}), "token person", until)))
    unused, used = await ticket(api, token), await ticket(api, token)
    async with streaming(api, "/v1/events", f"ticket={used}") as stream:
        await stream.event()
        api.clock.advance(timedelta(seconds=30))
        await stream.rest()
    await refusal(api, "/v1/events", f"ticket={unused}")


async def test_the_query_may_resume_a_stream() -> None:
    """EventSource cannot set Last-Event-ID. When it reconnects by itself, its header is newer than its URL."""
    api = Guarded()
    key = await api.key()
    async with streaming(api, "/v1/events", f"ticket={await ticket(api, key)}") as stream:
        first = await stream.event()
    made = [(await api.ask("POST", "/v1/operations", key, json={"type": "deploy"})).json()["id"] for _ in range(2)]
    query = f"ticket={await ticket(api, key)}&last_event_id={first.id}"
    async with streaming(api, "/v1/events", query) as stream:
        events = [await stream.event() for _ in range(4)]
    assert [event.data["operation_id"] for event in events if event.kind == "transition"] == made
    headers = {"last-event-id": str(events[1].id)}
    again = f"ticket={await ticket(api, key)}&last_event_id={first.id}"
    async with stream_of(api.app, "/v1/events", headers, again.encode()) as stream:
        assert (await stream.event()).data["operation_id"] == made[1]


@pytest.mark.parametrize("name", ["x", "1.1", "9999-00000000000000000000000000000001-1"])
async def test_an_invalid_event_id_in_the_query_is_refused(name: str) -> None:
    """The error names the parameter, not the header."""
    api = Guarded()
    answer = await api.client.get(f"/v1/events?last_event_id={name}", headers=await api.key())
    assert problem(answer, 400)["errors"][0]["parameter"] == "last_event_id"


async def test_a_ticket_is_never_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the access log, not with an error, and neither in responses nor in metrics."""
    caplog.set_level(logging.DEBUG)
    api = Guarded()
    key = await api.key()
    good = await ticket(api, key)
    for query in (f"ticket={good}", f"ticket={good}", f"ticket={good}&unknown=1"):
        answer = await api.client.get(f"/v1/operations/019b76da-a800-7000-8000-00000000ffff/events?{query}")
        assert good not in answer.text + str(answer.headers)

    async def fail(_: Any) -> Any:
        raise RuntimeError("bug")

    monkeypatch.setattr(api.tickets, "take", fail)
    problem(await api.client.get(f"/v1/events?ticket={good}"), 500)
    ours = [record for record in caplog.records if "httpx" not in record.name]
    logged = [str({**vars(record), "message": record.getMessage()}) for record in ours]
    assert len(logged) >= 5
    assert not [line for line in logged if good in line]
    assert good not in str(api.answers)


async def test_streams_count_against_the_limit_of_the_credential() -> None:
    """Opened with a ticket or with the header."""
    api = Guarded(waiters=WaiterLimit(10, each=1))
    key = await api.key()
    async with streaming(api, "/v1/events", f"ticket={await ticket(api, key)}") as stream:
        await stream.event()
        problem(await api.client.get(f"/v1/events?ticket={await ticket(api, key)}"), 429)
        problem(await api.client.get("/v1/events", headers=key), 429)


async def test_without_access_control_tickets_work_too() -> None:
    """So that a page needs one way only. An invalid ticket is refused."""
    api = Api()
    good = await ticket(api)
    async with streaming(api, "/v1/events", f"ticket={good}") as stream:
        await stream.event()
    await refusal(api, "/v1/events", f"ticket={good}")
