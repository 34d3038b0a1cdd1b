"""Links behind a path prefix, and the forwarded headers of proxies."""

import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

import pytest
from litestar import Litestar
from litestar.types import Receive, Scope, Send

from adapters.memory.engine.executions import StartFields
from entrypoints.http.security.forwarded import Forwarded, base_path
from entrypoints.settings.proxy import ProxyRules
from tests.support.http.access import Guarded
from tests.support.http.api import Api, problem, raw, scope_of

TRUSTING = ProxyRules(trusted=(ip_network("127.0.0.0/8"),))
"""The test client is at 127.0.0.1."""


async def location(api: Api, at: str = "", **headers: str) -> str:
    """Returns the Location of a submission under that prefix."""
    answer = await api.client.post(f"{at}/v1/operations", json={"type": "deploy"}, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["location"])


async def server(api: Api, at: str = "", **headers: str) -> str:
    """Returns the server in the OpenAPI document."""
    document = (await api.client.get(f"{at}/openapi.json", headers=headers)).json()
    return str(document["servers"][0]["url"])


async def seen(rules: ProxyRules, client: Any, headers: Mapping[str, str], path: str = "/v1/operations") -> Any:
    """Returns the scope of a request as the application gets it."""
    scopes: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)

    scope = scope_of("GET", path, b"", [(name.encode(), value.encode()) for name, value in headers.items()])
    nothing: Any = None
    await Forwarded(app, rules)({**scope, "client": client}, nothing, nothing)  # type: ignore[arg-type]
    return scopes[0]


async def test_links_start_at_the_root_without_a_proxy() -> None:
    assert re.fullmatch(r"/v1/operations/[0-9a-f-]{36}", await location(Api()))
    assert await server(Api()) == "/"


async def test_a_removed_prefix_is_in_links() -> None:
    api = Api(proxies=TRUSTING)
    assert (await location(api, **{"X-Forwarded-Prefix": "/ops"})).startswith("/ops/v1/operations/")
    assert await server(api, **{"X-Forwarded-Prefix": "/ops/"}) == "/ops"


@pytest.mark.parametrize("made_by", ["retry", "record", "adopt", "bulk"])
async def test_a_removed_prefix_is_in_every_location(made_by: str) -> None:
    """Whatever makes the operation."""
    api = Api(proxies=TRUSTING)
    headers = {"X-Forwarded-Prefix": "/ops"}
    first = (await api.submit())["id"]
    body: dict[str, Any] = {"type": "deploy", "workflow_id": "nightly"}
    path = f"/v1/operations:{made_by}"
    if made_by == "retry":
        path, body = f"/v1/operations/{first}/retry", {}
        await api.client.post(f"/v1/operations/{first}/cancel")
    elif made_by == "record":
        body["type"] = "Deploy"
    elif made_by == "adopt":
        api.world.start_from_outside("nightly", StartFields("Deploy", "queue"))
    else:
        path, body = "/v1/operations:cancel", {"filter": {"type": "deploy"}}
        dry_run = await api.client.post(path, json={**body, "dry_run": True}, headers=headers)
        body["confirm"] = dry_run.json()["confirm"]
    answer = await api.client.post(path, json=body, headers=headers)
    assert answer.headers["location"] == f"/ops/v1/operations/{answer.json()['id']}"


async def test_links_start_with_the_public_url() -> None:
    api = Api(proxies=ProxyRules(public_url="https://ledger.example/ops", trusted=TRUSTING.trusted))
    assert (await location(api, **{"X-Forwarded-Prefix": "/other"})).startswith("/ops/v1/operations/")
    assert await server(api, **{"X-Forwarded-Prefix": "/other"}) == "https://ledger.example/ops"


@pytest.mark.parametrize(
    ("public_url", "host", "scheme"),
    [
        ("https://ledger.example", "Ledger.example", "https"),
        ("https://ledger.example:443/ops", "ledger.example", "https"),
        ("https://ledger.example:8443", "ledger.example:8443", "https"),
        ("https://ledger.example", "ledger.internal:8080", "http"),
        ("http://ledger.example", "ledger.example", "http"),
    ],
)
async def test_requests_for_an_https_public_url_came_over_https(public_url: str, host: str, scheme: str) -> None:
    """Cookies of the dashboard are secure then, also behind a proxy that does not send X-Forwarded-Proto."""
    scope = await seen(ProxyRules(public_url), ("127.0.0.1", 1), {"host": host})
    assert scope["scheme"] == scheme


async def test_nearest_proxy_does_not_undo_an_https_public_url() -> None:
    """A load balancer in front of it ends TLS, so that it reports the scheme of its own connection."""
    rules = ProxyRules("https://ledger.example", trusted=TRUSTING.trusted)
    headers = {"host": "ledger.internal", "x-forwarded-host": "ledger.example", "x-forwarded-proto": "http"}
    assert (await seen(rules, ("127.0.0.1", 1), headers))["scheme"] == "https"
    assert (await seen(rules, ("127.0.0.1", 1), headers | {"x-forwarded-host": "other"}))["scheme"] == "http"


async def test_routes_are_only_below_the_root_path() -> None:
    """A second path could bypass a proxy's rule."""
    api = Api(proxies=ProxyRules(root_path="/ops"))
    link = await location(api, "/ops")
    assert link.startswith("/ops/v1/operations/")
    assert (await api.client.get(link)).status_code == 200
    assert await server(api, "/ops") == "/ops"
    for path in ("/livez", "/v1/operations", "/ops", "/ops/ops/livez", "/%6fps/livez", "/opsx/livez", "/x/ops/livez"):
        problem(await api.client.get(path), 404)


async def test_a_mounted_application_serves_its_mount_path() -> None:
    """ASGI: `root_path` is the mount path, and the path starts with it."""
    api = Api()
    for path in ("/mounted/v1/operations", "/v1/operations"):
        scope = {**scope_of("GET", path, b"", []), "root_path": "/mounted"}
        assert await status(api.app, scope) == 200
        assert base_path(scope) == "/mounted"


async def status(app: Litestar, scope: Any) -> int:
    """Returns the status of a request without body."""
    messages: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    await app(scope, receive, send)
    return int(messages[0]["status"])


@pytest.mark.parametrize(
    "prefix", ["//evil.example", "https://evil.example", "/a//b", "/..", "/a/../b", "/a b", "/a?b", "/a#b", "ops", "/é"]
)
async def test_an_invalid_prefix_is_ignored(prefix: str) -> None:
    scope = await seen(TRUSTING, ("127.0.0.1", 1), {"x-forwarded-prefix": prefix})
    assert base_path(scope) == ""


@pytest.mark.parametrize("client", [("10.0.0.1", 1), ("::1", 1), ("proxy", 1), None])
@pytest.mark.parametrize("rules", [ProxyRules(), TRUSTING])
async def test_only_trusted_proxies_are_believed(client: Any, rules: ProxyRules) -> None:
    headers = {
        "host": "ledger",
        "x-forwarded-host": "evil.example",
        "x-forwarded-prefix": "/evil",
        "x-forwarded-proto": "https",
        "x-forwarded-for": "192.0.2.1",
    }
    scope = await seen(rules, client, headers)
    assert (b"host", b"ledger") in scope["headers"]
    assert (base_path(scope), scope["scheme"], scope["client"]) == ("", "http", client)


async def test_the_last_value_of_a_forwarded_header_counts() -> None:
    """The nearest proxy wrote it; a client can write the ones before."""
    headers = {
        "host": "10.0.0.1:8080",
        "x-forwarded-host": "evil.example, ledger.example",
        "x-forwarded-prefix": "/evil, /ops",
        "x-forwarded-proto": "https",
        "x-forwarded-for": "192.0.2.1",
    }
    scope = await seen(TRUSTING, ("127.0.0.1", 1), headers)
    assert [value for name, value in scope["headers"] if name == b"host"] == [b"ledger.example"]
    assert (base_path(scope), scope["scheme"], scope["client"][0]) == ("/ops", "https", "192.0.2.1")


async def test_the_forwarded_host_is_checked_without_access_control() -> None:
    """nginx sets Host to the API's address by default, so a page with another name would pass."""
    api = Api(proxies=TRUSTING)
    problem(await api.client.get("/v1/operations", headers={"X-Forwarded-Host": "ledger.example"}), 421)
    own = {"Host": "10.0.0.1", "X-Forwarded-Host": "localhost"}
    assert (await api.client.get("/v1/operations", headers=own)).status_code == 200


async def test_links_of_the_documentation_are_relative() -> None:
    """So that /docs works behind any prefix."""
    api = Api()
    page = (await api.client.get("/docs")).text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    links += re.findall(r'url: "([^"]+)"', (await api.client.get("/docs/initializer.js")).text)
    assert len(links) == 6
    assert all(re.fullmatch(r"(docs/)?[\w.-]+", link) for link in links)


async def test_a_fast_read_works_below_a_root_path() -> None:
    """It is answered before the framework."""
    api = Guarded(proxies=ProxyRules(root_path="/ops"))
    key = await api.key()
    made = await api.ask("POST", "/ops/v1/operations", key, json={"type": "deploy"})
    assert (await api.ask("GET", made.headers["location"], key)).json() == made.json()
    answer, _ = await raw(api.app, "GET", made.headers["location"].removeprefix("/ops"))
    assert answer.status == 404
