"""Addresses without a page: browsers get a page with the next step, other clients a problem document."""

import httpx
import pytest

from domain.access.scope import Scope
from entrypoints.ui.security.sessions import LIFETIME
from tests.support.http.access import Guarded, bearer
from tests.support.http.api import Api, problem
from tests.support.ui.visitor import Visitor
from tests.unit.entrypoints.ui.pages.access.test_sign_in import signed_in

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
UNKNOWN = "00000000-0000-7000-8000-000000000000"


async def seen(path: str, api: Api | None = None, method: str = "GET") -> httpx.Response:
    """What a browser gets."""
    return await (api or Api(with_dashboard=True)).client.request(method, path, headers=BROWSER)


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("/nothing", '<a class="button primary" href="/">Now</a>'),
        ("/operatons", '<a class="button primary" href="/operations">Operations</a>'),
        ("/operations/", '<a class="button primary" href="/operations">Operations</a>'),
        ("/Health", '<a class="button primary" href="/health">Health</a>'),
        (
            "/operations/019012ab-cd",
            '<a class="button primary" href="/operations?id_prefix=019012ab-cd">Find 019012ab-cd…</a>',
        ),
        ("/operations/%3Cscript%3Ealert(1)%3C/script%3E", 'href="/operations">Operations</a>'),
        ("/types/one/two", 'href="/operations">Operations</a>'),
    ],
)
async def test_a_mistyped_address_gives_a_page_with_the_next_step(path: str, link: str) -> None:
    """In a browser, with the headers of every page."""
    answer = await seen(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "<h1>There is no such page</h1>" in answer.text
    assert link in answer.text
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "application/problem+json", "text/event-stream", "", "x"]
)
@pytest.mark.parametrize("path", ["/operatons", "/operations/0190", "/v1/nothing"])
async def test_other_clients_get_a_problem_document(path: str, accept: str) -> None:
    """As without the dashboard."""
    problem(await Api(with_dashboard=True).client.get(path, headers={"Accept": accept}), 404)


@pytest.mark.parametrize("path", ["/v1", "/v1/nothing", f"/v1/operations/{UNKNOWN}", "/v1/operations/x"])
async def test_the_api_answers_browsers_like_other_clients(path: str) -> None:
    """A person who opens an address of the API in a browser sees its response."""
    problem(await seen(path), 404)


async def test_without_the_dashboard_there_are_no_pages() -> None:
    """Such as in the test kit."""
    problem(await seen("/operatons", Api()), 404)


async def test_an_operation_that_does_not_exist_has_a_page_that_says_so() -> None:
    """As has one of another tenant. To load the page again would not help."""
    answer = await seen(f"/operations/{UNKNOWN}")
    assert answer.status_code == 404
    assert "may have been deleted, or belong to another tenant" in answer.text
    assert '<a class="button primary" href="/operations">Operations</a>' in answer.text
    assert "Load again" not in answer.text


async def test_the_address_of_an_action_leads_to_its_page() -> None:
    """A browser opens it where a form failed, and the person loads again."""
    answer = await seen(f"/operations/{UNKNOWN}/cancel")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "OPTIONS, POST"
    assert f'<a class="button primary" href="/operations/{UNKNOWN}">Open the page</a>' in answer.text
    problem(await Api(with_dashboard=True).client.get(f"/operations/{UNKNOWN}/cancel"), 405)


async def test_a_mistyped_address_needs_no_session() -> None:
    """The page has nothing of the ledger, and leads to the sign-in."""
    answer = await seen("/operatons", Guarded(with_dashboard=True))
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert '<nav class="nav"' not in answer.text
    assert '<a class="button" href="/sign-in">Sign in</a>' in answer.text


@pytest.mark.parametrize(("path", "status"), [("/operatons", 404), (f"/operations/{UNKNOWN}/cancel", 405)])
async def test_with_a_session_a_mistyped_address_has_the_navigation(path: str, status: int) -> None:
    """What the scopes of the session allow. Signing out works from here."""
    visitor, _ = await signed_in(Guarded(with_dashboard=True), Scope.READ)
    answer = await visitor.client.get(path, headers=BROWSER)
    assert answer.status_code == status
    assert "Signed in as <b>ci</b>" in answer.text
    assert '<a href="/types">' in answer.text
    assert '<a href="/keys">' not in answer.text
    assert ">Sign in<" not in answer.text
    await visitor.submit(answer.text, "/sign-out")
    assert '<nav class="nav"' not in (await visitor.client.get(path, headers=BROWSER)).text


async def test_a_session_that_has_ended_has_no_navigation() -> None:
    """Nor has a cookie that the service has not signed."""
    api = Guarded(with_dashboard=True)
    visitor, _ = await signed_in(api)
    api.clock.advance(LIFETIME)
    for cookies in ({}, {"Cookie": "opledger_session=x"}):
        answer = await visitor.client.get("/operatons", headers={**BROWSER, **cookies})
        assert answer.status_code == 404
        assert '<nav class="nav"' not in answer.text


async def test_without_access_control_a_mistyped_address_has_the_navigation() -> None:
    """There is no sign-in to lead to."""
    answer = await seen("/operatons")
    assert '<a href="/keys">' in answer.text
    assert "Sign in" not in answer.text


async def test_a_proxy_that_signs_people_in_is_not_asked_again() -> None:
    """The header is not checked for this page, so it has no navigation."""
    answer = await Guarded(with_dashboard=True).client.get("/operatons", headers={**BROWSER, **bearer("x")})
    assert answer.status_code == 404
    assert "Sign in" not in answer.text


async def test_a_form_of_another_origin_gets_a_page() -> None:
    """Refused before its route is known."""
    api = Api(with_dashboard=True)
    answer = await api.client.post("/theme", headers={**BROWSER, "Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "<h1>Cross-origin request refused</h1>" in answer.text


async def test_health_answers_a_browser_with_its_checks() -> None:
    """It is no page: monitoring tools may accept HTML."""
    visitor = Visitor(Api(with_dashboard=True))
    answer = await visitor.client.get("/readyz", headers=BROWSER)
    assert answer.headers["content-type"] == "application/json"
