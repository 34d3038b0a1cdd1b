"""Without access control, no web page reaches the API by a name that resolves to this machine (DNS rebinding)."""

import pytest

from entrypoints.http.security.authorization import routes
from tests.support.http.access import Guarded
from tests.support.http.api import Api, problem, raw

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
async def test_names_of_this_machine_are_accepted(host: str) -> None:
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
async def test_another_name_is_421(method: str, host: str) -> None:
    """The problem names the header, the rule and the solution."""
    answer, _ = await raw(API.app, method, "/v1/operations", headers=[(b"host", host.encode())])
    assert (answer.status, answer.headers["content-type"]) == (421, "application/problem+json")
    if method == "GET":
        assert b'"header":"Host"' in answer.body
        assert b"OPLEDGER_ACCESS" in answer.body


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route != CALLBACK])
async def test_every_route_checks_the_name(method: str, path: str) -> None:
    """No handler runs, no body is read, and no documentation is shown."""
    answer, read = await raw(API.app, method, path, headers=[(b"host", b"ledger.example")], chunks=[b"x"] * 9)
    assert (answer.status, read) == (421, 0)


async def test_two_host_headers_are_400() -> None:
    """A proxy may have checked the other one."""
    hosts = [(b"host", b"localhost"), (b"host", b"ledger.example")]
    assert (await raw(API.app, "GET", "/livez", headers=hosts))[0].status == 400


async def test_a_request_without_host_is_accepted() -> None:
    """Every browser sends one."""
    assert (await raw(API.app, "GET", "/livez"))[0].status == 200


async def test_callbacks_are_accepted_under_any_name() -> None:
    """They have tokens, and Temporal calls by the configured name."""
    answer, _ = await raw(API.app, *CALLBACK, headers=[(b"host", b"ledger.example")])
    assert answer.status == 401


async def test_names_are_not_checked_with_access_control() -> None:
    """Credentials are required under any name."""
    api = Guarded()
    answer = await api.ask("GET", "/v1/operations", await api.key(), headers={"Host": "ledger.example"})
    assert answer.status_code == 200


async def test_the_problem_has_a_type_of_its_own() -> None:
    """Clients can tell it from other errors."""
    answer = await API.client.get("/livez", headers={"Host": "ledger.example"})
    assert problem(answer, 421)["type"] == "urn:opledger:problem:misdirected-request"
