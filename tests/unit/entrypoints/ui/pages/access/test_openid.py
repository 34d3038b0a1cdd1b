"""Sign-in by OpenID Connect, against a provider on loopback."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from adapters.identity_provider import sign_in
from adapters.identity_provider.verifier import LEEWAY
from adapters.memory.access.api_keys import MemoryApiKeys
from adapters.memory.clock import MemoryClock
from application.access.api_key_admin import ManageKeys
from application.access.api_key_usage import NoteKeyUses
from application.access.authenticate import Authenticate, AuthenticateKeys
from application.access.rate_limit import RateLimit
from domain.access.scope import Scope
from entrypoints.http.security.authentication import BearerAccess
from entrypoints.settings.proxy import ProxyRules
from entrypoints.settings.settings import Settings
from entrypoints.ui.security import attempts, sessions
from entrypoints.wiring.identity_provider import identity_provider
from tests.support.http.access import GENEROUS, bearer
from tests.support.http.api import Api, problem
from tests.support.http.openid_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    OpenIdProvider,
    openid_provider,
    openid_settings,
)
from tests.support.randomness import counting


class Service:
    """The ledger under access control `jwt`, and a browser."""

    def __init__(self, provider: OpenIdProvider, *, keys: bool = False, **fields: Any) -> None:
        self.provider = provider
        self.clock = MemoryClock(datetime.now(UTC))
        parts = identity_provider(Settings(**{**openid_settings(provider), **fields.pop("settings", {})}))
        assert parts is not None
        stored = MemoryApiKeys()
        self.manage = ManageKeys(stored, self.clock, counting()) if keys else None
        by_key = AuthenticateKeys(stored, self.clock, NoteKeyUses(stored)) if keys else None
        access = BearerAccess(Authenticate(by_key, parts.verifier), RateLimit(self.clock, GENEROUS))
        fields = {"sign_in": parts.sign_in, **fields}
        self.api = Api(with_dashboard=True, access=access, keys=self.manage, clock=self.clock, **fields)
        self.browser = self.new_browser()

    def new_browser(self) -> httpx.AsyncClient:
        """A browser without cookies. The provider is reached over the network."""
        near = httpx.ASGITransport(app=self.api.app)  # type: ignore[arg-type]
        mounts = {"all://localhost": near, "all://ledger.example": near}
        return httpx.AsyncClient(mounts=mounts, base_url="http://localhost", follow_redirects=True)

    async def sign_in(self, then: str = "") -> httpx.Response:
        """What the browser shows in the end."""
        return await self.browser.get(f"/sign-in/openid{then}")

    async def callback(self) -> httpx.URL:
        """The URL to which the provider sends the browser back, which the browser does not open."""
        start = await self.browser.get("/sign-in/openid", follow_redirects=False)
        back = await self.browser.get(start.headers["location"], follow_redirects=False)
        return httpx.URL(back.headers["location"])

    async def refused(self, status: int, words: str) -> httpx.Response:
        """Signs in, and expects a page that says these words and offers to try again. There is no session."""
        answer = await self.sign_in()
        return await self.expect_refusal(answer, status, words)

    async def expect_refusal(self, answer: httpx.Response, status: int, words: str) -> httpx.Response:
        assert answer.status_code == status, answer.text
        assert 'role="alert"' in answer.text
        assert words.lower() in answer.text.lower()
        assert "Try again with 127.0.0.1" in answer.text
        assert "opledger_session" not in self.browser.cookies
        assert (await self.browser.get("/operations")).url.path == "/sign-in"
        return answer


async def location(service: Service) -> str:
    """The URL of the provider to which the browser is sent."""
    answer = await service.browser.get("/sign-in/openid", follow_redirects=False)
    return str(answer.headers["location"])


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with openid_provider() as served:
        yield served


@pytest.fixture
def service(provider: OpenIdProvider) -> Service:
    return Service(provider)


async def test_a_person_signs_in_and_returns_to_the_page(service: Service) -> None:
    """From the sign-in page; tenant, name and scopes are those of the token."""
    page = await service.browser.get("/operations?status=FAILED")
    assert page.url.path == "/sign-in"
    assert "API key" not in page.text
    href = page.text.split('<a class="button primary" href="')[1].split('"')[0].replace("&amp;", "&")
    answer = await service.browser.get(href)
    assert str(answer.url) == "http://localhost/operations?status=FAILED"
    assert "Signed in as <b>alice</b>" in answer.text
    assert "Tenant <b>a</b>" in answer.text
    assert (await service.browser.get("/keys")).status_code == 403


async def test_what_a_person_may_do_is_what_the_token_may_do_in_the_api(service: Service) -> None:
    """The scopes of the access token, whatever the ID token says."""
    service.provider.id_claims = {"scope": "admin", "tenant": "b"}
    made = await service.api.client.post(
        "/v1/operations",
        json={"type": "deploy"},
        headers=bearer(service.provider.tokens.token(iss=service.provider.issuer, scope="submit")),
    )
    page = await service.sign_in(f"?next=/operations/{made.json()['id']}")
    assert page.status_code == 200
    assert "/cancel" in page.text
    assert "/delete" not in page.text


async def test_requests_of_the_api_still_need_the_header(service: Service) -> None:
    """The session is the dashboard's."""
    await service.sign_in()
    problem(await service.browser.get("/v1/operations"), 401)


async def test_the_browser_gets_no_token_and_no_secret(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in a cookie, nor in a page, a URL or a log. The cookie of the attempt is gone."""
    caplog.set_level(logging.DEBUG)
    tokens: list[str] = []
    issue = service.provider.tokens.token

    def noting(**claims: Any) -> str:
        tokens.append(issue(**claims))
        return tokens[-1]

    service.provider.tokens.token = noting  # type: ignore[method-assign]
    answer = await service.sign_in()
    places = [*service.browser.cookies.values(), answer.text, str(answer.url)]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("opledger", "entrypoints"))]
    assert ours
    for step in answer.history:
        places += [str(step.url), *step.headers.values()]
    assert len(tokens) == 2
    for secret in (*tokens, CLIENT_SECRET):
        assert [place for place in (*places, *ours) if secret in place] == []
    assert list(service.browser.cookies) == ["opledger_session"]


async def test_the_cookies_are_for_the_browser_alone(service: Service) -> None:
    """No script reads them. The session is not sent from other sites; the attempt is, once, for ten minutes."""
    service.provider.access_claims = {"exp": int(service.clock.now().timestamp()) + 300}
    answer = await service.sign_in()
    started, *_, finished = (step for step in answer.history if step.url.host == "localhost")
    attempt = started.headers["set-cookie"]
    session = next(value for value in finished.headers.get_list("set-cookie") if "opledger_session" in value)
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=600"} <= set(attempt.split("; "))
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(session.split("; "))
    assert int(session.split("Max-Age=")[1].split(";")[0]) in {299 + LEEWAY, 300 + LEEWAY}


async def test_over_https_no_other_host_can_set_the_attempt(provider: OpenIdProvider) -> None:
    """Login CSRF: a sibling subdomain would finish its own attempt in the browser of another person."""
    service = Service(provider, proxies=ProxyRules(trusted=(ip_network("127.0.0.0/8"),)))
    service.browser.headers["X-Forwarded-Proto"] = "https"
    start = await service.browser.get("/sign-in/openid", follow_redirects=False)
    name, _, text = start.headers["set-cookie"].split(";")[0].partition("=")
    assert name == "__Host-opledger_sign_in"
    back = await service.browser.get(start.headers["location"], follow_redirects=False)
    service.browser = service.new_browser()
    service.browser.headers["X-Forwarded-Proto"] = "https"
    for given, status in (("opledger_sign_in", 401), (name, 303)):
        headers = {"Cookie": f"{given}={text}"}
        answer = await service.browser.get(back.headers["location"], headers=headers, follow_redirects=False)
        assert answer.status_code == status
    assert any(value.startswith(f'{name}="";') for value in answer.headers.get_list("set-cookie"))


async def test_the_request_has_state_nonce_and_pkce(service: Service) -> None:
    """New ones for each attempt. The verifier is not among them."""
    seen = []
    for _ in range(2):
        url = urlsplit(await location(service))
        seen.append(dict(parse_qsl(url.query)))
    for asked in seen:
        assert asked["redirect_uri"] == "http://localhost/sign-in/callback"
        assert asked["scope"] == "openid read"
        assert asked["code_challenge_method"] == "S256"
        assert "code_verifier" not in asked
    for name in ("state", "nonce", "code_challenge"):
        assert len({asked[name] for asked in seen}) == 2


async def test_the_session_ends_with_the_token(service: Service) -> None:
    """The browser goes to the sign-in page."""
    service.provider.access_claims = {"exp": int(service.clock.now().timestamp()) + 300}
    await service.sign_in()
    service.clock.advance(timedelta(seconds=300))
    assert (await service.browser.get("/operations")).url.path == "/operations"
    service.clock.advance(timedelta(seconds=11))
    assert (await service.browser.get("/operations")).url.path == "/sign-in"


async def test_a_session_lasts_no_longer_than_one_of_a_key(service: Service) -> None:
    """However long the token is valid."""
    service.provider.access_claims = {"exp": int(service.clock.now().timestamp()) + 10**9}
    await service.sign_in()
    service.clock.advance(sessions.LIFETIME)
    assert (await service.browser.get("/operations")).url.path == "/sign-in"


async def test_sessions_of_another_provider_end(service: Service) -> None:
    """The operator has changed or removed the provider. The key of the service is the same."""
    await service.sign_in()
    cookie = {"Cookie": f"opledger_session={service.browser.cookies['opledger_session']}"}
    async with openid_provider() as other:
        for changed in (Service(other), Service(service.provider, sign_in=None)):
            answer = await changed.new_browser().get("/operations", headers=cookie)
            assert answer.url.path == "/sign-in"


async def test_sign_out_ends_both_sessions(service: Service) -> None:
    """Here by the form, and at the provider by a link: else the next sign-in asks for no password."""
    page = await service.sign_in()
    token = page.text.split('name="form_token" value="')[1].split('"')[0]
    answer = await service.browser.post("/sign-out", data={"form_token": token})
    assert answer.url.path == "/sign-in"
    assert "opledger_session" not in service.browser.cookies
    assert 'href="/sign-out/openid"' in answer.text
    answer = await service.browser.get("/sign-out/openid")
    assert service.provider.requests[-1] == "/realm/leave"
    assert str(answer.url) == "http://localhost/sign-in"


async def test_a_provider_without_a_page_to_sign_out(service: Service) -> None:
    """The person closes the browser."""
    service.provider.published = {"end_session_endpoint": None}
    assert "has no page to sign out" in (await service.browser.get("/sign-out/openid")).text


async def test_sign_in_is_in_the_audit_log(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """With the person, or why there is none."""
    caplog.set_level(logging.INFO)
    await service.sign_in()
    service.provider.id_claims = {"nonce": "other"}
    await service.sign_in()
    lines = [record for record in caplog.records if record.name == "opledger.audit"]
    assert [(line.actor, line.client, line.status) for line in lines] == [  # type: ignore[attr-defined]
        ("alice", "127.0.0.1", 303),
        ("anonymous", "127.0.0.1", 401),
    ]
    assert lines[1].getMessage() == (
        "GET /sign-in/callback: the ID token does not belong to this sign-in: Invalid claim: 'nonce'"
    )


# Attacks, and wrong responses of providers


@pytest.mark.parametrize("state", ["x" * 43, "\u00e9", None])
async def test_an_answer_with_another_state_is_refused(service: Service, state: str | None) -> None:
    """Such as a link of another site. It does not end the attempt."""
    back = await service.callback()
    right = dict(parse_qsl(back.query.decode()))
    wrong = {**right, "state": state} if state else {name: right[name] for name in right if name != "state"}
    answer = await service.browser.get(back.copy_with(params=wrong))
    await service.expect_refusal(answer, 401, "a newer sign-in was started in this browser")
    answer = await service.browser.get(str(back).replace("?", "?state=again&"))
    await service.expect_refusal(answer, 401, "a newer sign-in was started in this browser")
    assert "/realm/token" not in service.provider.requests
    assert (await service.browser.get(back)).url.path == "/"


async def test_an_answer_with_too_many_parameters_is_refused(service: Service) -> None:
    """Anyone may send one."""
    back = await service.callback()
    assert (await service.browser.get(f"{back}{'&a' * 101}")).status_code == 400
    assert (await service.browser.get(back)).url.path == "/"


async def test_an_answer_in_another_browser_is_refused(service: Service) -> None:
    """Login CSRF: a victim would work under the attacker's account, who could see it."""
    back = await service.callback()
    service.browser = service.new_browser()
    await service.expect_refusal(await service.browser.get(back), 401, "this browser has not started this sign-in")
    assert "/realm/token" not in service.provider.requests


async def test_a_forged_cookie_starts_no_session(service: Service) -> None:
    """Only the service can sign one. The cookie of a session is not accepted either."""
    back = await service.callback()
    await service.sign_in()
    session = service.browser.cookies["opledger_session"]
    for text in ("x", "", session):
        service.browser = service.new_browser()
        service.browser.cookies.set("opledger_sign_in", text, domain="localhost.local", path="/")
        answer = await service.browser.get(back, headers={"Cookie": f"opledger_sign_in={text}"})
        await service.expect_refusal(answer, 401, "this browser has not started this sign-in")


async def test_a_late_answer_is_refused(service: Service) -> None:
    """After ten minutes."""
    back = await service.callback()
    service.clock.advance(attempts.LIFETIME)
    await service.expect_refusal(await service.browser.get(back), 401, "took more than 10 minutes")


async def test_a_replayed_answer_is_refused(service: Service) -> None:
    """The attempt has ended. With a copy of its cookie, the provider refuses the code."""
    back = await service.callback()
    cookie = service.browser.cookies["opledger_sign_in"]
    assert (await service.browser.get(back)).url.path == "/"
    service.browser = service.new_browser()
    await service.expect_refusal(await service.browser.get(back), 401, "or has ended it")
    answer = await service.browser.get(back, headers={"Cookie": f"opledger_sign_in={cookie}"})
    await service.expect_refusal(answer, 401, "the code of the identity provider was used before, or has expired")


async def test_a_code_of_another_attempt_is_refused(service: Service) -> None:
    """Injected by an attacker who has it: the verifier of PKCE is not of this attempt."""
    stolen = dict(parse_qsl((await service.callback()).query.decode()))["code"]
    service.browser = service.new_browser()
    own = await service.callback()
    answer = await service.browser.get(own.copy_with(params={**dict(parse_qsl(own.query.decode())), "code": stolen}))
    await service.expect_refusal(answer, 401, "was used before, or has expired")


@pytest.mark.parametrize("issuer", ["https://evil.example", "", None])
async def test_an_answer_of_another_provider_is_refused(service: Service, issuer: str | None) -> None:
    """Mix-up (RFC 9207): the code would go to the wrong one. A provider that states its issuer must do so always."""
    service.provider.answered = {"iss": issuer}
    await service.refused(401, "the response is from another identity provider")
    assert "/realm/token" not in service.provider.requests


async def test_a_provider_that_does_not_state_its_issuer_is_accepted(service: Service) -> None:
    """If its configuration does not promise it."""
    service.provider.published = {"authorization_response_iss_parameter_supported": None}
    service.provider.answered = {"iss": None}
    assert (await service.sign_in()).url.path == "/"


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"nonce": "other"}, "Invalid claim: &#39;nonce&#39;"),
        ({"nonce": None}, "Missing claim: &#39;nonce&#39;"),
        ({"aud": "another client"}, "not for this audience"),
        ({"aud": "opledger"}, "not for this audience"),
        ({"aud": [CLIENT_ID, "another"]}, "Missing claim: &#39;azp&#39;"),
        ({"azp": "another"}, "Invalid claim: &#39;azp&#39;"),
        ({"iss": "https://evil.example"}, "another issuer&#39;s"),
        ({"exp": 1_000_000_000}, "the token has expired"),
        ({"iat": None}, "Missing claim: &#39;iat&#39;"),
        ({"at_hash": "AAAA"}, "Invalid claim: &#39;at_hash&#39;"),
        ({"sub": None}, "lacks the claim sub"),
        ({"headers": {"kid": "other"}}, "key is not one of the issuer&#39;s"),
        ({"algorithm": "HS256", "key": "k" * 64}, "not signed with RS256"),
    ],
)
async def test_an_id_token_that_is_not_of_this_sign_in_is_refused(
    service: Service, claims: dict[str, Any], words: str
) -> None:
    """By the claim that is wrong."""
    service.provider.id_claims = claims
    await service.refused(401, words)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"aud": CLIENT_ID}, "not for this audience"),
        ({"iss": "https://evil.example"}, "another issuer&#39;s"),
        ({"exp": 1_000_000_000}, "the token has expired"),
        ({"tenant": None}, "claim tenant names no tenant"),
        ({"scope": 7}, "claim scope is neither"),
    ],
)
async def test_an_access_token_that_the_api_refuses_is_refused(
    service: Service, claims: dict[str, Any], words: str
) -> None:
    """In the same words."""
    service.provider.access_claims = claims
    await service.refused(401, words)


@pytest.mark.parametrize("token", ["opaque", "a.b", "a.b.c.d.e"])
async def test_an_opaque_access_token_is_refused(
    service: Service, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It has no claims to read, as an encrypted one has none. Page and log say what to configure."""
    service.provider.given = {"access_token": token}
    service.provider.id_claims = {"at_hash": None}
    await service.refused(401, "issues opaque access tokens")
    message = "sets up the API with the audience opledger (OPLEDGER_JWT_AUDIENCE) at the provider"
    assert [each.name for each in caplog.records if message in each.getMessage() and each.levelname == "ERROR"]


async def test_names_that_are_too_long_for_a_cookie_are_refused(service: Service) -> None:
    """The browser would drop the cookie, so that each sign-in leads back to the sign-in page."""
    service.provider.access_claims = {"sub": "\U0001f600" * 255, "tenant": "\U0001f600" * 255}
    await service.refused(401, "too long for a session")


async def test_a_person_who_does_not_consent_stays_out(service: Service) -> None:
    """What the provider says is shown as text."""
    service.provider.answered = {"code": None, "error": "access_denied", "error_description": "<b>no\nway</b>"}
    await service.refused(401, "the identity provider refuses: access_denied &lt;b&gt;no way&lt;/b&gt;")


async def test_an_answer_without_a_code_is_refused(service: Service) -> None:
    service.provider.answered = {"code": None}
    await service.refused(401, "has no code")


async def test_a_wrong_client_secret_names_the_settings(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """The operator finds it in the log too."""
    service.provider.secret = "another"
    await service.refused(401, "its operator checks OPLEDGER_OIDC_CLIENT_ID, the client secret and the redirect URI")
    assert "refuses this service as a client: invalid_client" in caplog.text
    assert CLIENT_SECRET not in caplog.text


async def test_a_public_client_needs_no_secret(provider: OpenIdProvider) -> None:
    """PKCE protects the code."""
    provider.secret = None
    assert (await Service(provider).sign_in()).url.path == "/"


UNAVAILABLE = "The identity provider cannot be reached, or its answers cannot be used."


@pytest.mark.parametrize(
    ("published", "cause"),
    [
        ({"issuer": "https://evil.example"}, "is the configuration of 'https://evil.example', not of"),
        ({"issuer": None}, "is not an OpenID configuration"),
        ({"token_endpoint": None}, "is not an OpenID configuration"),
        ({"token_endpoint": "http://evil.example/token"}, "token_endpoint is not an https URL"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint is not an https URL"),
        ({"authorization_endpoint": "https://u:p@id.example/"}, "authorization_endpoint is not an https URL"),
        ({"end_session_endpoint": "http://evil.example/"}, "end_session_endpoint is not an https URL"),
        ({"code_challenge_methods_supported": ["plain"]}, "does not support PKCE"),
    ],
)
async def test_a_wrong_configuration_is_not_used(
    service: Service, published: dict[str, Any], cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The page says what to do, the log says why."""
    service.provider.published = published
    await service.refused(503, UNAVAILABLE)
    assert cause in caplog.text


@pytest.mark.parametrize(
    "given", [{"id_token": None}, {"access_token": None}, {"id_token": 7}], ids=["no ID token", "no token", "a number"]
)
async def test_an_answer_without_tokens_is_not_used(service: Service, given: dict[str, Any]) -> None:
    service.provider.given = given
    await service.refused(503, UNAVAILABLE)


async def test_a_provider_that_is_down_gives_a_page(caplog: pytest.LogCaptureFixture) -> None:
    """Before the first read of its configuration, and between the steps of a sign-in."""
    async with openid_provider() as provider:
        before, between = Service(provider), Service(provider)
        back = await between.callback()
    await before.refused(503, UNAVAILABLE)
    await between.expect_refusal(await between.browser.get(back), 503, UNAVAILABLE)
    assert "cannot be read" in caplog.text


async def test_few_codes_are_exchanged_at_the_same_time(
    provider: OpenIdProvider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Anyone can start a sign-in: a slow provider must not tie up the service."""
    monkeypatch.setattr(sign_in, "MAX_CONCURRENT", 0)
    await Service(provider).refused(503, UNAVAILABLE)
    assert "too many sign-ins" in caplog.text


async def test_only_this_sites_pages_are_returned_to(service: Service) -> None:
    """No open redirect, before and after the provider."""
    answer = await service.sign_in("?next=//evil.example/")
    assert str(answer.url) == "http://localhost/"


async def test_the_redirect_uri_is_the_public_one(provider: OpenIdProvider) -> None:
    """As it is registered at the provider, whatever host a request names."""
    service = Service(provider, proxies=ProxyRules(public_url="https://ledger.example/ops"))
    url = urlsplit(await location(service))
    assert dict(parse_qsl(url.query))["redirect_uri"] == "https://ledger.example/ops/sign-in/callback"


# What the page for signing in offers


async def test_with_keys_too_the_page_offers_both(provider: OpenIdProvider) -> None:
    """A session of a key works, too."""
    service = Service(provider, keys=True, settings={"access": "keys,jwt"})
    page = await service.browser.get("/sign-in")
    assert "Sign in with 127.0.0.1" in page.text
    assert service.manage is not None
    key = (await service.manage.create("ci", tenant="a", scopes=frozenset({Scope.READ}), life=None)).text
    token = page.text.split('name="form_token" value="')[1].split('"')[0]
    answer = await service.browser.post("/sign-in", data={"form_token": token, "key": key, "next": "/"})
    assert "Signed in as <b>ci</b>" in answer.text


async def test_without_a_provider_the_page_says_what_to_do(provider: OpenIdProvider) -> None:
    """Under `jwt` a form for keys could not work."""
    service = Service(provider, sign_in=None)
    page = await service.browser.get("/sign-in")
    assert page.status_code == 200
    assert "OPLEDGER_OIDC_CLIENT_ID" in page.text
    assert "Authorization: Bearer" in page.text
    assert 'type="password"' not in page.text
    for path in ("/sign-in/openid", "/sign-in/callback?code=x&state=y", "/sign-out/openid"):
        assert (await service.browser.get(path)).status_code == 404
