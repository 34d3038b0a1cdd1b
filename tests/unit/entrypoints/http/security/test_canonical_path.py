"""Each path has one spelling, so that no other one bypasses a proxy's rule for it."""

import asyncio
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import get

from entrypoints.http.security.authorization import routes
from entrypoints.http.server.slow_readers import HttpServerProtocol
from tests.support.http.api import Api, problem, scope_of
from tests.support.http.metrics import metrics_served
from tests.support.http.raw import ask, head
from tests.support.http.served import served

ID = "019b76da-a800-7000-8000-00000000000a"
API = Api()
PATHS = sorted(
    {path.replace("{operation_id}", ID).replace("{name}", "swagger-ui.css") for _, path, _ in routes(API.app)}
)


def encoded(path: str, place: int) -> str:
    """Returns the path with one character percent-encoded."""
    return f"{path[:place]}%{ord(path[place]):02x}{path[place + 1 :]}"


def spellings(path: str) -> list[str]:
    """Generates other paths that a lenient server takes for this one."""
    last = path.rindex("/") + 1
    ids = [ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}"] if ID in path else []
    return [
        f"/{path}",
        f"{path}/",
        f"{path}//",
        f"/.{path}",
        f"{path}/.",
        f"/x/..{path}",
        f"{path}/x/..",
        f"{path};a=b",
        f"/;a=b{path}",
        f"{path}%20",
        f"{path}%00",
        f"{path}%2f",
        f"{path}%3f",
        f"{path}\\",
        path.replace("/", "//"),
        path.replace("/", "/./"),
        path.replace("/", "\\"),
        "/" + path[1:].replace("/", "%2f") if "/" in path[1:] else "%2f" + path[1:],
        encoded(path, last),
        encoded(path, last).replace("%", "%25"),
        path.upper(),
        path.title(),
        *(path.replace(ID, other) for other in ids),
    ]


async def status(raw_path: bytes, method: str = "GET") -> int:
    """Returns the status for a path as a server passes it on, decoded."""
    messages: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    scope = scope_of(method, unquote(raw_path.decode("latin-1")), b"", [])
    await API.app({**scope, "raw_path": raw_path}, receive, send)  # type: ignore[arg-type]
    return int(messages[0]["status"])


@pytest.mark.parametrize("path", PATHS)
async def test_another_spelling_of_a_path_is_404(path: str) -> None:
    """For every method, so that the response does not show that it exists."""
    for other in spellings(path):
        for method in ("GET", "POST", "DELETE", "OPTIONS", "HEAD"):
            assert await status(other.encode(), method) == 404, (method, other)


@pytest.mark.parametrize("path", PATHS)
@settings(deadline=None, max_examples=50)
@given(st.data())
async def test_an_encoded_character_of_a_path_is_404(path: str, data: st.DataObject) -> None:
    """Any set of characters, in upper- or lower-case hexadecimal."""
    places = data.draw(st.sets(st.integers(1, len(path) - 1), min_size=1))
    digits = data.draw(st.sampled_from(["%{:02x}", "%{:02X}"]))
    other = "".join(digits.format(ord(one)) if place in places else one for place, one in enumerate(path))
    assert await status(other.encode()) == 404


@pytest.mark.parametrize("path", PATHS)
@settings(deadline=None, max_examples=50)
@given(st.data())
async def test_an_added_character_of_a_path_is_404(path: str, data: st.DataObject) -> None:
    """One or several, anywhere."""
    place = data.draw(st.integers(0, len(path)))
    more = data.draw(st.text("/.;%\\~ \t:aA0", min_size=1, max_size=3))
    other = path[:place] + more + path[place:]
    assert other in PATHS or await status(other.encode()) == 404


@pytest.mark.parametrize("path", PATHS)
async def test_each_path_is_found(path: str) -> None:
    """As it is declared."""
    assert await status(path.encode(), "OPTIONS") in {204, 405}


async def test_the_root_path_is_no_part_of_the_path() -> None:
    """With the prefix in the path, and without it."""
    for raw_path in ("/ops/livez", "/livez"):
        messages: list[Any] = []

        async def send(message: Any, into: list[Any] = messages) -> None:
            into.append(message)

        scope = {**scope_of("GET", raw_path, b"", []), "root_path": "/ops"}
        await API.app(scope, None, send)  # type: ignore[arg-type]
        assert messages[0]["status"] == 200


async def test_a_route_registered_later_has_one_spelling() -> None:
    """A route added after the application was created."""

    @get("/later", scope="public", include_in_schema=False, sync_to_thread=False)
    def later() -> str:
        return "here"

    api = Api()
    assert (await api.client.get("/later")).status_code == 404
    api.app.register(later)
    assert (await api.client.get("/later")).status_code == 200
    assert (await api.client.get("/later/")).status_code == 404


@pytest.mark.parametrize(
    "path", ["//metrics", "/%6detrics", "/metrics/", "/metrics;a", "/./metrics", "/v1//operations"]
)
async def test_a_real_server_answers_another_spelling_with_404(path: str) -> None:
    """As a problem."""
    async with served(API.app, HttpServerProtocol) as port:
        assert problem(await ask(port, head("GET", path)), 404)["type"] == "urn:opledger:problem:not-found"


@pytest.mark.parametrize("path", ["/metrics", "/livez"])
async def test_the_workers_server_has_one_spelling_too(path: str) -> None:
    """For /metrics and /livez."""
    async with metrics_served() as port:
        assert (await ask(port, head("GET", path))).status_code == 200
        answers = await asyncio.gather(
            *(ask(port, head("GET", other)) for other in spellings(path) if "\\" not in other and other[0] == "/")
        )
        assert {answer.status_code for answer in answers} == {404}
