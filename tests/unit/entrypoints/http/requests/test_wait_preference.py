"""Waiting for a change of an operation over HTTP."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from application.watch.read import ReadOperations
from tests.support.http.api import Api, problem, scope_of
from tests.support.waiting import subscribed

LONG = "55s"


async def asking(api: Api, made: dict[str, Any], **request: Any) -> asyncio.Task[httpx.Response]:
    """Starts a request and waits until it is subscribed."""
    task = asyncio.create_task(api.client.get(f"/v1/operations/{made['id']}", **request))
    await subscribed(api.hub)
    return task


@pytest.mark.parametrize("request_", [{"params": {"wait": LONG}}, {"headers": {"Prefer": "wait=55"}}], ids=repr)
async def test_a_wait_returns_the_next_change(request_: dict[str, Any]) -> None:
    """Of any kind, with the ETag of the new version."""
    api = Api()
    made = await api.submit()
    task = await asking(api, made, **request_)
    await api.start(made["id"])
    answer = await task
    assert (answer.status_code, answer.json()["status"], answer.headers["etag"]) == (200, "RUNNING", '"2"')


async def test_a_wait_without_change_returns_the_operation() -> None:
    """At its deadline."""
    api = Api()
    made = await api.submit()
    for wait in ("0s", "10ms"):
        answer = await api.client.get(f"/v1/operations/{made['id']}", params={"wait": wait})
        assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (200, made, "1")


async def test_a_wait_until_done_returns_the_finished_operation() -> None:
    """Other changes do not end it."""
    api = Api()
    made = await api.submit()
    task = await asking(api, made, params={"wait": LONG, "until": "done"})
    await api.complete(made["id"], 7)
    answer = await task
    assert (answer.json()["status"], answer.json()["result"]) == ("COMPLETED", 7)
    assert "retry-after" not in answer.headers


async def test_a_wait_until_done_returns_a_running_operation_at_the_deadline() -> None:
    """Other changes do not end it."""
    api = Api()
    made = await api.submit()
    task = await asking(api, made, params={"wait": "200ms", "until": "done"})
    await api.start(made["id"])
    assert (await task).json()["status"] == "RUNNING"


async def test_a_finished_operation_is_returned_at_once() -> None:
    """It cannot change. A client that has it gets 304."""
    api = Api()
    made = await api.submit()
    tag = f'"{(await api.complete(made["id"], 1)).version}"'
    url = f"/v1/operations/{made['id']}"
    assert (await api.client.get(url, params={"wait": LONG})).json()["done"]
    known = await api.client.get(url, params={"wait": LONG, "until": "done"}, headers={"If-None-Match": tag})
    assert known.status_code == 304


async def test_a_wait_with_an_old_etag_returns_at_once() -> None:
    """The change came before the request."""
    api = Api()
    made = await api.submit()
    await api.start(made["id"])
    url = f"/v1/operations/{made['id']}"
    answer = await api.client.get(url, params={"wait": LONG}, headers={"If-None-Match": '"1"'})
    assert (answer.status_code, answer.json()["version"]) == (200, 2)


@pytest.mark.parametrize("tag", ['"1"', "*"])
async def test_a_wait_with_the_current_etag_waits(tag: str) -> None:
    """It returns the next version, or 304 at the deadline."""
    api = Api()
    made = await api.submit()
    url = f"/v1/operations/{made['id']}"
    same = await api.client.get(url, params={"wait": "10ms"}, headers={"If-None-Match": tag})
    assert same.status_code == 304
    task = await asking(api, made, params={"wait": LONG}, headers={"If-None-Match": '"1"'})
    await api.start(made["id"])
    assert (await task).json()["version"] == 2


async def test_a_change_ends_all_waits() -> None:
    """Of one operation."""
    api = Api()
    made = await api.submit()
    asked = [await asking(api, made, params={"wait": LONG}) for _ in range(50)]
    await subscribed(api.hub, 50)
    await api.start(made["id"])
    assert {(await task).json()["version"] for task in asked} == {2}


async def test_a_wait_has_the_response_of_a_read() -> None:
    """The same bytes, and the headers of its own request."""
    api = Api()
    made, other = await api.submit(), await api.submit()
    preferring = [await asking(api, made, headers={"Prefer": f"wait={seconds}"}) for seconds in (50, 55)]
    asked = [await asking(api, one, params={"wait": LONG, "until": "done"}) for one in (made, other)]
    await subscribed(api.hub, 4)
    await api.start(made["id"])
    assert [(await task).headers["preference-applied"] for task in preferring] == ["wait=50", "wait=55"]
    results: list[tuple[Any, Any]] = [(made, {"a": "\ud800"}), (other, 7)]
    for one, result in results:
        await api.complete_started(one["id"], result) if one is made else await api.complete(one["id"], result)
    for one, task in zip((made, other), asked, strict=True):
        told, read = await task, await api.client.get(f"/v1/operations/{one['id']}")
        assert told.content == read.content
        assert {**told.headers, "x-request-id": ""} == {**read.headers, "x-request-id": ""}


async def test_a_shutdown_ends_every_wait() -> None:
    """With the operation as it is. Later requests do not wait."""
    api = Api()
    made = await api.submit()
    task = await asking(api, made, params={"wait": LONG})
    api.hub.close()
    assert (await task).json() == made
    assert (await api.client.get(f"/v1/operations/{made['id']}", params={"wait": LONG})).json() == made


async def test_a_shutdown_queries_nothing_for_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be thousands, and the database has few connections: they get what was read last."""
    api = Api()
    made = await api.submit()
    task = await asking(api, made, params={"wait": LONG, "until": "done"})
    started = await api.start(made["id"])
    await subscribed(api.hub)
    monkeypatch.setattr(ReadOperations, "get", None)
    api.hub.close()
    assert (await task).json()["version"] == started.version


async def test_a_disconnect_ends_a_wait() -> None:
    """It leaves nothing behind, and the log has its status."""
    api = Api()
    made = await api.submit()
    scope = scope_of("GET", f"/v1/operations/{made['id']}", f"wait={LONG}".encode(), [])
    sent: list[Any] = []
    gone = asyncio.Event()
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    task = asyncio.create_task(api.app(scope, receive, send))
    await subscribed(api.hub)
    gone.set()
    await task
    assert sent[0]["status"] == 499
    assert not api.hub._subscriptions


async def test_another_tenants_operation_is_404_at_once() -> None:
    """P8: no wait shows that it exists."""
    api = Api()
    made = await api.submit()
    other = replace(api, tenant="other")
    problem(await other.client.get(f"/v1/operations/{made['id']}", params={"wait": LONG}), 404)


@pytest.mark.parametrize(
    "wait", ["", "20", "-1s", "56s", "60s", "2m", "1h", "abc", "PT20S", "1e3s", "9" * 400 + "s", "٣s"]
)
async def test_an_invalid_wait_is_400(wait: str) -> None:
    """With the parameter and the rule."""
    api = Api()
    made = await api.submit()
    body = problem(await api.client.get(f"/v1/operations/{made['id']}", params={"wait": wait}), 400)
    assert body["errors"] == [
        {"parameter": "wait", "detail": "must be a duration of at most 55s, such as 20s or 500ms"}
    ]


async def test_until_without_wait_is_400() -> None:
    """And so is any value but `done`."""
    api = Api()
    made = await api.submit()
    url = f"/v1/operations/{made['id']}"
    assert problem(await api.client.get(url, params={"until": "done"}), 400)["errors"][0]["parameter"] == "until"
    answer = await api.client.get(url, params={"wait": "0s", "until": "started"})
    assert problem(answer, 400)["errors"] == [{"parameter": "until", "detail": "must be one of done"}]


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=0", "wait=0"),
        ('respond-async, WAIT="0"; foo=1', "wait=0"),
        ("wait=0, wait=55", "wait=0"),
        ("respond-async", None),
        ("wait", None),
        ("wait=soon", None),
        ("wait=-1", None),
    ],
)
async def test_an_applied_preference_is_in_the_response(prefer: str, applied: str | None) -> None:
    """RFC 7240: unknown preferences are ignored."""
    api = Api()
    made = await api.submit()
    answer = await api.client.get(f"/v1/operations/{made['id']}", headers={"Prefer": prefer})
    assert (answer.status_code, answer.headers.get("preference-applied")) == (200, applied)


async def test_a_preference_beyond_the_limit_is_reduced() -> None:
    """In the query it is an error."""
    api = Api()
    made = await api.submit()
    await api.complete(made["id"], 1)
    answer = await api.client.get(f"/v1/operations/{made['id']}", headers={"Prefer": "wait=3600"})
    assert answer.headers["preference-applied"] == "wait=55"


async def test_the_query_has_precedence_over_the_preference() -> None:
    """Then no preference was applied."""
    api = Api()
    made = await api.submit()
    answer = await api.client.get(f"/v1/operations/{made['id']}", params={"wait": "0s"}, headers={"Prefer": "wait=55"})
    assert "preference-applied" not in answer.headers
