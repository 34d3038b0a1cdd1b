"""The audit log: who did what, from where."""

import logging
from typing import Any

import pytest

from domain.access.scope import Scope
from domain.operation.operation_error import ErrorCode
from entrypoints.settings.proxy import ProxyRules
from tests.support.http.access import Guarded
from tests.support.http.api import Api
from tests.support.ui.visitor import Visitor
from tests.unit.entrypoints.ui.pages.access.test_sign_in import PROXIED, signed_in


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The lines of the audit log: event, and the fields of who and from where."""
    names = ("actor", "tenant", "credential", "client", "status")
    return [
        {"event": record.getMessage(), **{name: getattr(record, name, None) for name in names}}
        for record in caplog.records
        if record.name == "opledger.audit"
    ]


async def test_an_action_says_who_and_from_where(caplog: pytest.LogCaptureFixture) -> None:
    """Reading a page is no action."""
    caplog.set_level(logging.INFO)
    api = Guarded(with_dashboard=True)
    visitor, key = await signed_in(api)
    made = (await api.ask("POST", "/v1/operations", {"Authorization": f"Bearer {key}"}, json={"type": "deploy"})).json()
    page = f"/operations/{made['id']}"
    await visitor.submit(await visitor.see(page), f"{page}/cancel", reason="a secret reason")
    prefix = key.split("_")[1]
    who = {"actor": "ci", "tenant": "a", "credential": f"key {prefix}", "client": "127.0.0.1", "status": 303}
    assert lines(caplog) == [{"event": "POST /sign-in", **who}, {"event": f"POST {page}/cancel", **who}]
    assert key not in caplog.text


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        (PROXIED, "198.51.100.9, 192.0.2.7", "192.0.2.7"),
        (PROXIED, "192.0.2.7, 127.0.0.5", "192.0.2.7"),
        (PROXIED, "2001:db8::7", "2001:db8::7"),
        (ProxyRules(), "192.0.2.7", "127.0.0.1"),
    ],
)
async def test_the_address_is_the_one_that_trusted_proxies_forward(
    proxies: ProxyRules, forwarded: str, client: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of others, it is not believed."""
    caplog.set_level(logging.INFO)
    api = Api(with_dashboard=True, proxies=proxies, actor="ops")
    made = await api.submit()
    visitor = Visitor(api)
    visitor.client.headers["X-Forwarded-For"] = forwarded
    page = f"/operations/{made['id']}"
    await visitor.submit(await visitor.see(page), f"{page}/keep", keep="yes")
    assert [(line["actor"], line["client"]) for line in lines(caplog)] == [("ops", client)]


async def test_refused_actions_are_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong key has no owner; a key without the scope has one."""
    caplog.set_level(logging.INFO)
    api = Guarded(with_dashboard=True)
    visitor, _ = await signed_in(api, Scope.READ)
    page = await visitor.see("/")
    stranger = Visitor(api)
    await stranger.submit(await stranger.see("/sign-in"), "/sign-in", key="opl_aaaaaaaa_" + "a" * 32)
    await visitor.client.post(f"/operations/{'0' * 8}-0000-7000-8000-{'0' * 12}/delete", data={"form_token": page})
    _, wrong, refused = lines(caplog)
    assert (wrong["event"], wrong["actor"], wrong["status"]) == ("POST /sign-in", "anonymous", 401)
    assert (refused["actor"], refused["status"]) == ("ci", 403)


async def test_an_action_without_a_session_is_refused_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is named."""
    caplog.set_level(logging.INFO)
    await Guarded(with_dashboard=True).client.post("/keys")
    found = [(line["event"], line["actor"], line["status"]) for line in lines(caplog)]
    assert found == [("POST /keys: refused: no valid session", "anonymous", 401)]


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("accept", ["text/html", "*/*"])
async def test_a_form_of_another_origin_is_refused_in_the_log(
    allowed: bool, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With its origin, whether or not that origin may use the API, and whatever it accepts. A page of a sibling
    subdomain may send the session of the person."""
    origin = "https://evil.example"
    api = Guarded(with_dashboard=True, origins=frozenset({origin} if allowed else set()))
    visitor, key = await signed_in(api)
    caplog.set_level(logging.INFO)
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-site", "Accept": accept}
    answer = await visitor.client.post("/keys", headers=headers, data={"form_token": "x"})
    assert answer.status_code == 403
    [line] = lines(caplog)
    who = {"actor": "ci", "tenant": "a", "credential": f"key {key.split('_')[1]}", "client": "127.0.0.1"}
    assert line == {"event": "POST /keys: refused: foreign origin", **who, "status": 403}
    [record] = [record for record in caplog.records if record.name == "opledger.audit"]
    assert record.origin == origin  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/v1/operations", {"Origin": "https://evil.example"}),
        ("POST", "/nothing", {"Origin": "https://evil.example"}),
        ("GET", "/nothing", {}),
    ],
)
async def test_other_requests_that_are_refused_early_are_not_in_the_log(
    method: str, path: str, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Those of the API, and addresses without a page."""
    caplog.set_level(logging.INFO)
    answer = await Api(with_dashboard=True).client.request(method, path, headers=headers)
    assert answer.status_code in {403, 404}
    assert lines(caplog) == []


async def test_a_refused_form_says_why_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """It lacks the scope, or its token."""
    api = Guarded(with_dashboard=True)
    visitor, _ = await signed_in(api, Scope.READ)
    caplog.set_level(logging.INFO)
    await visitor.client.post("/keys", data={"form_token": "x"})
    await visitor.client.post("/sign-out", data={"form_token": "x"})
    assert [line["event"] for line in lines(caplog)] == [
        "POST /keys: refused: missing scope",
        "POST /sign-out: refused: form out of date",
    ]


async def test_the_operation_that_an_action_makes_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Of a retry, and of a bulk action, whose operation has the filters. A dry run changes nothing."""
    caplog.set_level(logging.INFO)
    api = Api(with_dashboard=True, actor="ops")
    failed = (await api.submit())["id"]
    await api.fail(failed, ErrorCode.TERMINATED)
    visitor = Visitor(api)
    page = f"/operations/{failed}"
    retry = await visitor.submit(await visitor.see(page), f"{page}/retry")
    preview = await visitor.submit(await visitor.see("/operations?status=ACCEPTED"), "/bulk/cancel?status=ACCEPTED")
    bulk = await visitor.submit(preview.text, "/bulk/cancel/confirm?status=ACCEPTED")
    found = [(record.getMessage(), record.location) for record in caplog.records if record.name == "opledger.audit"]  # type: ignore[attr-defined]
    assert found == [
        (f"POST {page}/retry", retry.url.path),
        ("POST /bulk/cancel/confirm", bulk.url.path),
    ]


async def test_keys_and_sign_out_are_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """With the prefix of the key, not its text. The choice of a theme is no action."""
    caplog.set_level(logging.INFO)
    visitor, _ = await signed_in(Guarded(with_dashboard=True))
    fields = {"name": "robot", "life": "30", "scope-read": "on"}
    made = await visitor.submit(await visitor.see("/keys"), "/keys", **fields)
    text = next(word for word in made.text.replace("<", " ").replace(">", " ").split() if word.startswith("opl_"))
    prefix = text.split("_")[1]
    await visitor.submit(await visitor.see("/keys"), f"/keys/{prefix}/revoke")
    await visitor.submit(await visitor.see("/"), "/theme", theme="dark")
    await visitor.submit(await visitor.see("/"), "/sign-out")
    assert [(line["event"], line["actor"]) for line in lines(caplog)[1:]] == [
        (f"POST /keys: created the API key {prefix}", "ci"),
        (f"POST /keys/{prefix}/revoke: revoked the API key {prefix}", "ci"),
        ("POST /sign-out", "ci"),
    ]
    assert text.split("_")[2] not in caplog.text
