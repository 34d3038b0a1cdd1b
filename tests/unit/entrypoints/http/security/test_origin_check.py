"""Changes that a foreign web page sends through a visitor's browser (CSRF)."""

import pytest

from entrypoints.http.app import create_app
from entrypoints.http.security.authorization import routes
from tests.support.http.access import Guarded
from tests.support.http.api import KEY, Api, RawAnswer, problem, raw

ID = "019b76da-a800-7000-8000-000000000001"
API = Api()
UNSAFE = sorted(
    (method, path.replace("{operation_id}", ID)) for method, path, _ in routes(API.app) if method not in {"GET", "HEAD"}
)
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:8081"},
    {"Origin": "file://localhost"},
    {"Origin": "localhost"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "anything"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain;charset=UTF-8"},
]
OWN: list[dict[str, str]] = [
    {},
    {"Origin": "http://localhost"},
    {"Origin": "https://localhost"},
    {"Origin": "http://LOCALHOST"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"},
]


async def sent(method: str, path: str, headers: dict[str, str]) -> RawAnswer:
    """Sends a request and returns the response. Fails if a refused request's body is read."""
    given = [(b"host", b"localhost"), *((name.lower().encode(), value.encode()) for name, value in headers.items())]
    answer, read = await raw(API.app, method, path, headers=given, chunks=[b""] * 9)
    assert answer.status != 403 or read == 0
    return answer


@pytest.mark.parametrize(("method", "path"), UNSAFE)
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_change_from_a_foreign_page_is_403(method: str, path: str, headers: dict[str, str]) -> None:
    """On every route, with or without a body, of any content type."""
    assert (await sent(method, path, headers)).status == 403


@pytest.mark.parametrize("headers", OWN, ids=str)
async def test_a_change_from_an_own_page_or_no_page_is_accepted(headers: dict[str, str]) -> None:
    """A client that is no browser sends neither header."""
    api = Api()
    made = await api.submit()
    answer = await api.client.post(f"/v1/operations/{made['id']}/cancel", headers=headers)
    assert answer.status_code == 202


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_read_from_a_foreign_page_is_accepted(headers: dict[str, str]) -> None:
    """The browser does not give the response to the page."""
    assert (await sent("GET", "/v1/operations", headers)).status == 200


async def test_a_refused_cancel_changes_nothing() -> None:
    """The problem names the header, the reason and the setting."""
    api = Api()
    made = await api.submit()
    url = f"/v1/operations/{made['id']}"
    refused = problem(await api.client.post(f"{url}/cancel", headers={"Origin": "https://evil.example"}), 403)
    assert refused["type"] == "urn:opledger:problem:foreign-origin"
    assert refused["errors"][0]["header"] == "Origin"
    assert "OPLEDGER_CORS_ORIGINS" in refused["detail"]
    assert (await api.client.get(url)).json()["cancel_requested"] is None


async def test_a_foreign_page_with_credentials_is_refused() -> None:
    """With a valid key too."""
    api = Guarded()
    answer = await api.ask("POST", "/v1/operations/batch", await api.key(), headers={"Origin": "https://evil.example"})
    problem(answer, 403)


async def test_any_origin_may_be_allowed() -> None:
    """By the setting."""
    app = create_app(API.services, page_token_key=KEY, access=API.app.state["access"], origins=frozenset({"*"}))
    headers = [(b"origin", b"https://any.example"), (b"sec-fetch-site", b"cross-site")]
    assert (await raw(app, "POST", f"/v1/operations/{ID}/cancel", headers=headers))[0].status == 404


@pytest.mark.parametrize("more", [{}, {"Sec-Fetch-Site": "cross-site"}], ids=["no site", "cross-site"])
async def test_an_allowed_origin_is_accepted(more: dict[str, str]) -> None:
    """And no other one."""
    api = Api()
    app = create_app(
        api.services, page_token_key=KEY, access=API.app.state["access"], origins=frozenset({"https://ours.example"})
    )
    for origin, status in (("https://ours.example", 404), ("http://ours.example", 403), ("https://evil.example", 403)):
        headers = [(b"origin", origin.encode()), *((name.lower().encode(), v.encode()) for name, v in more.items())]
        answer, _ = await raw(app, "POST", f"/v1/operations/{ID}/cancel", headers=headers)
        assert answer.status == status
