"""Without access control, no web page reaches the API by a name of its own that leads to this machine."""

import pytest

from entrypoints.http.security.authorization import routes
from tests.support.http_access import Guarded
from tests.support.http_api import Api, problem, raw

ID = "019b76da-a800-7000-8000-000000000001"
API = Api()
ROUTES = [
    (method, path.replace("{operation_id}", ID).replace("{name}", "initializer.js"))
    for method, path, _ in routes(API.app)
]
CALLBACK = ("POST", f"/v1/callbacks/{ID}")


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:80", "127.9.9.9:1", "[::1]", "[::1]:8080", "[0:0::1]"]
)
async def test_this_machines_own_names(host: str) -> None:
    """With any port."""
    answer, _ = await raw(API.app, "GET", "/v1/operations", headers=[(b"host", host.encode())])
    assert answer.status == 200


@pytest.mark.parametrize(
    "host",
    [
        "ledger.example",
        "ledger.example:8080",
        "localhost.example",
        "localhost@ledger.example",
        "127.0.0.1.example",
        "192.168.0.1",
        "0.0.0.0",
        "[::2]",
        "::1",
        "[::1",
        "localhost:x",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_any_other_name(method: str, host: str) -> None:
    """421, a problem that names the header, the rule and the way out."""
    answer, _ = await raw(API.app, method, "/v1/operations", headers=[(b"host", host.encode())])
    assert (answer.status, answer.headers["content-type"]) == (421, "application/problem+json")
    if method == "GET":
        assert b'"header":"Host"' in answer.body
        assert b"OPLEDGER_ACCESS" in answer.body


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route != CALLBACK])
async def test_every_route(method: str, path: str) -> None:
    """Nothing runs, and nothing of the body is read; nor is the documentation shown."""
    answer, read = await raw(API.app, method, path, headers=[(b"host", b"ledger.example")], chunks=[b"x"] * 9)
    assert (answer.status, read) == (421, 0)


async def test_each_of_two() -> None:
    """A proxy may have checked the other one."""
    hosts = [(b"host", b"localhost"), (b"host", b"ledger.example")]
    assert (await raw(API.app, "GET", "/livez", headers=hosts))[0].status == 400


async def test_none() -> None:
    """No browser leaves it out."""
    assert (await raw(API.app, "GET", "/livez"))[0].status == 200


async def test_callbacks_have_tokens() -> None:
    """Temporal calls by whichever name it was given."""
    answer, _ = await raw(API.app, *CALLBACK, headers=[(b"host", b"ledger.example")])
    assert answer.status == 401


async def test_with_access_control_the_name_does_not_matter() -> None:
    """Whoever has no credentials gets nothing by any name."""
    api = Guarded()
    answer = await api.ask("GET", "/v1/operations", await api.key(), headers={"Host": "ledger.example"})
    assert answer.status_code == 200


async def test_what_is_said() -> None:
    """The kind of problem."""
    answer = await API.client.get("/livez", headers={"Host": "ledger.example"})
    assert problem(answer, 421)["type"] == "urn:opledger:problem:misdirected-request"
