"""FastRead: answers a plain read before the framework, with the framework's response."""

from datetime import timedelta
from typing import Any

import pytest
from litestar.types import Receive, Send
from litestar.types import Scope as AsgiScope

from domain.access.scope import Scope
from domain.access.token_bucket import Allowance
from entrypoints.http.controllers.fast_read import FastRead
from tests.support.http.access import Guarded, bearer
from tests.support.http.api import Api, problem

ID = "019b76da-a800-7000-8000-000000000001"
SAME = {"X-Request-Id": "one"}
TO_THE_FRAMEWORK = {"Prefer": "handling=lenient"}
"""An unknown preference, which both ignore."""


class Framework:
    """Counts the requests that reach the framework."""

    def __init__(self, api: Api) -> None:
        self.came = 0
        layer: Any = api.app.asgi_handler
        while not isinstance(layer, FastRead):
            layer = layer._app
        self._app, layer._app = layer._app, self

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        self.came += 1
        await self._app(scope, receive, send)


async def both(api: Api, path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    """Returns the response after comparing it with the framework's."""
    framework, answers = Framework(api), list[tuple[int, dict[str, str], bytes]]()
    for more in ({}, TO_THE_FRAMEWORK):
        answer = await api.client.request(method, path, headers={**SAME, **headers, **more})
        answers.append((answer.status_code, dict(answer.headers), answer.content))
    assert framework.came == 1
    assert answers[0] == answers[1]
    assert api.answers[-2][:3] == api.answers[-1][:3]
    return {"status": answers[0][0], "body": answers[0][2]}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_response_is_the_frameworks(method: str) -> None:
    """In every state of an operation."""
    api = Api()
    made = await api.submit(input={"n": None}, labels={"a": "b"})
    path = f"/v1/operations/{made['id']}"
    assert (await both(api, path, method))["status"] == 200
    await api.complete(made["id"], {"text": "ä \ud800"})
    await both(api, path, method)
    for tags, status in (('"3"', 304), ('"1", W/"3"', 304), ("*", 304), ('"1"', 200), ("3", 200), ('"3"x', 200)):
        answer = await both(api, path, method, **{"If-None-Match": tags})
        assert answer["status"] == status
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await both(api, path, method, accept="text/html", traceparent=trace)


async def test_a_refusal_is_the_frameworks() -> None:
    """For every invalid request."""
    api = Guarded()
    made = (await api.ask("POST", "/v1/operations", await api.key("a"), json={"type": "deploy"})).json()
    path = f"/v1/operations/{made['id']}"
    assert (await both(api, path))["status"] == 401
    assert (await both(api, path, **bearer("nobody's")))["status"] == 401
    assert (await both(api, path, **await api.key("a", Scope.SUBMIT)))["status"] == 403
    assert (await both(api, path, **await api.key("b")))["status"] == 404
    assert (await both(api, f"{path[:-1]}f", **await api.key("a")))["status"] == 404
    assert (await both(api, path, host="anything", **await api.key("a", Scope.READ)))["status"] == 200
    assert (await both(Api(), path, host="ledger.example"))["status"] == 421


async def test_a_read_counts_once_against_the_rate_limit() -> None:
    """With an allowance of one the second request is refused."""
    api = Guarded(Allowance(rate=0.001, burst=2))  # type: ignore[arg-type]
    key = await api.key("a")
    made = (await api.ask("POST", "/v1/operations", key, json={"type": "deploy"})).json()
    statuses = [(await api.ask("GET", f"/v1/operations/{made['id']}", key)).status_code for _ in range(3)]
    assert statuses == [200, 429, 429]
    api.key_clock.advance(timedelta(seconds=2000))
    assert (await api.ask("GET", f"/v1/operations/{made['id']}", key)).status_code == 200


@pytest.mark.parametrize("name", ["Authorization", "Host", "Content-Type", "Origin"])
async def test_a_repeated_header_is_refused_before_both(name: str) -> None:
    """By the checks in front of them."""
    api = Api()
    url = f"/v1/operations/{(await api.submit())['id']}"
    for more in ({}, TO_THE_FRAMEWORK):
        repeated = [(name, "localhost"), (name, "localhost"), *more.items()]
        answer = await api.client.get(url, headers=repeated)
        assert problem(answer, 400)["errors"] == [{"detail": "must not be repeated", "header": name}]


@pytest.mark.parametrize("place", [0, 3, 15, -1])
async def test_another_spelling_of_the_path_is_refused_before_both(place: int) -> None:
    """By the checks in front of them."""
    api = Api()
    path = f"/v1/operations/{(await api.submit())['id']}"
    other = f"{path[:place]}%{ord(path[place]):02x}{path[place:][1:]}"
    for more in ({}, TO_THE_FRAMEWORK):
        problem(await api.client.get(f"http://localhost{other}", headers=more), 404)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("DELETE", f"/v1/operations/{ID}", {}),
        ("OPTIONS", f"/v1/operations/{ID}", {}),
        ("GET", f"/v1/operations/{ID}?wait=1s", {}),
        ("GET", f"/v1/operations/{ID}/events", {}),
        ("GET", f"/v1/operations/{ID}", {"Content-Length": "1"}),
        ("GET", f"/v1/operations/{ID}", {"Host": "local host"}),
        ("GET", "/livez", {}),
    ],
)
async def test_every_other_request_goes_to_the_framework(method: str, path: str, headers: dict[str, str]) -> None:
    """With a query, a body, another method or another path."""
    api = Api()
    framework = Framework(api)
    await api.client.request(method, path, headers=headers)
    assert framework.came == 1
