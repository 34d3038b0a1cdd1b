"""Sessions of API keys: sign-in, what ends them, and what they may do."""

from datetime import timedelta
from ipaddress import ip_network

import pytest

from application.access.authenticate import CACHE_MAX_AGE
from domain.access.principal import Principal
from domain.access.scope import Scope
from entrypoints.settings.proxy import ProxyRules
from entrypoints.ui.security.sessions import LIFETIME
from tests.support.http.access import Guarded, bearer
from tests.support.http.api import Api
from tests.support.ui.visitor import Visitor, forms

PROXIED = ProxyRules(trusted=(ip_network("127.0.0.0/8"),))
"""The test client is at 127.0.0.1."""


async def signed_in(api: Guarded, *scopes: Scope, tenant: str = "a") -> tuple[Visitor, str]:
    """A visitor with a session of a new key, and the key's text."""
    visitor = Visitor(api)
    key = (await api.key(tenant, *scopes))["Authorization"].removeprefix("Bearer ")
    answer = await visitor.submit(await visitor.see("/sign-in"), "/sign-in", key=key)
    assert answer.status_code == 200, answer.text
    return visitor, key


async def test_a_page_without_a_session_leads_to_the_sign_in_and_back() -> None:
    """With its filters."""
    api = Guarded(with_dashboard=True)
    visitor = Visitor(api)
    answer = await visitor.client.get("/operations?status=FAILED")
    assert answer.url.path == "/sign-in"
    key = (await api.key())["Authorization"].removeprefix("Bearer ")
    answer = await visitor.submit(answer.text, "/sign-in", key=key)
    assert str(answer.url) == "http://localhost/operations?status=FAILED"


async def test_the_session_has_no_secret_and_no_script_reads_it() -> None:
    """The cookie is HttpOnly and SameSite=Strict; neither it, nor the page, nor the URL has the key."""
    api = Guarded(with_dashboard=True)
    visitor, key = await signed_in(api)
    secret = key.rsplit("_", 1)[1]
    page = await visitor.client.get("/")
    assert "Signed in as <b>ci</b>" in page.text
    for text in (page.text, str(page.url), *visitor.client.cookies.values()):
        assert secret not in text
    answer = await visitor.submit(await visitor.see("/sign-in"), "/sign-in", key=key)
    cookie = answer.history[0].headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie


async def over_https(proxies: ProxyRules, **headers: str) -> tuple[Visitor, str]:
    """A visitor who has signed in over https, and the cookie of the session as the service has set it."""
    api = Guarded(with_dashboard=True, proxies=proxies)
    visitor = Visitor(api)
    visitor.client.headers.update({"X-Forwarded-Proto": "https", **headers})
    key = (await api.key())["Authorization"].removeprefix("Bearer ")
    [form] = [form for form in forms(await visitor.see("/sign-in")) if form.action.endswith("/sign-in")]
    answer = await visitor.client.post("/sign-in", data={**form.hidden, "key": key}, follow_redirects=False)
    return visitor, answer.headers["set-cookie"]


async def test_over_https_no_other_host_can_set_the_session() -> None:
    """Browsers accept a cookie of this name from this host alone, and for all its paths: a sibling subdomain cannot
    sign a page in as another person. Under the name without the prefix it could."""
    visitor, cookie = await over_https(PROXIED)
    name, _, text = cookie.split(";")[0].partition("=")
    assert name == "__Host-opledger_session"
    assert {"Secure", "Path=/"} <= set(cookie.split("; "))
    assert "domain" not in cookie.lower()
    for given, status in ((name, 200), ("opledger_session", 303), ("__Secure-opledger_session", 303)):
        answer = await visitor.client.get("/", headers={"Cookie": f"{given}={text}"}, follow_redirects=False)
        assert answer.status_code == status, given


async def test_behind_a_path_prefix_the_session_is_secure() -> None:
    """It is for the paths of this ledger, which a cookie with the other prefix cannot be."""
    visitor, cookie = await over_https(PROXIED, **{"X-Forwarded-Prefix": "/ops"})
    assert cookie.startswith("__Secure-opledger_session=")
    assert {"Secure", "Path=/ops/"} <= set(cookie.split("; "))
    answer = await visitor.client.get("/", headers={"Cookie": cookie.split(";")[0]}, follow_redirects=False)
    assert answer.status_code == 200


@pytest.mark.parametrize("key", ["", "nonsense", "opl_aaaaaaaa_" + "a" * 32, "eyJhbGciOiJub25lIn0.e30."])
async def test_a_wrong_key_starts_no_session(key: str) -> None:
    """The page says so, and does not repeat it."""
    visitor = Visitor(Guarded(with_dashboard=True))
    answer = await visitor.submit(await visitor.see("/sign-in"), "/sign-in", key=key)
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert not key or key not in answer.text
    assert (await visitor.client.get("/")).url.path == "/sign-in"


async def test_revocation_ends_the_session() -> None:
    """As fast as it ends the use of the key itself."""
    api = Guarded(with_dashboard=True)
    visitor, key = await signed_in(api)
    await api.manage.revoke(key.split("_")[1])
    api.key_clock.advance(CACHE_MAX_AGE)
    assert (await visitor.client.get("/operations")).url.path == "/sign-in"


async def test_a_session_ends_by_itself() -> None:
    """The key still counts: the next sign-in is accepted."""
    api = Guarded(with_dashboard=True)
    visitor, _ = await signed_in(api)
    api.clock.advance(LIFETIME - timedelta(seconds=1))
    assert (await visitor.client.get("/")).url.path == "/"
    api.clock.advance(timedelta(seconds=1))
    assert (await visitor.client.get("/")).url.path == "/sign-in"


async def test_a_form_without_a_session_can_be_sent_again() -> None:
    """The page says that nothing was done, and leads to the sign-in in another tab. Loading it again sends the same
    form, whose token is still that of the key. To the session of another key it does not belong."""
    api = Guarded(with_dashboard=True)
    visitor, key = await signed_in(api)
    other = (await api.key("a", name="other"))["Authorization"].removeprefix("Bearer ")
    page = await visitor.see("/start?type=deploy")
    [form] = [form for form in forms(page) if form.action == "/start?type=deploy"]
    sent = {**form.hidden, "as": "json", "json": '{"secret": 1}', "key": "once"}
    visitor.client.cookies.clear()
    answer = await visitor.client.post(form.action, data=sent)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "nothing was changed" in answer.text
    assert '<a class="button primary" href="/sign-in?next=%2Fstart%3Ftype%3Ddeploy" target="_blank">' in answer.text
    assert "secret" not in answer.text
    for text, path in ((other, form.action), (key, "/operations/")):
        await visitor.submit(await visitor.see("/sign-in"), "/sign-in", key=text)
        answer = await visitor.client.post(form.action, data=sent)
        assert str(answer.url).startswith(f"http://localhost{path}")
    [made] = (await api.ask("GET", "/v1/operations", bearer(key))).json()["items"]
    assert made["input"] == {"secret": 1}


async def test_sign_out_ends_the_session_in_the_browser() -> None:
    """The cookie is deleted."""
    visitor, _ = await signed_in(Guarded(with_dashboard=True))
    answer = await visitor.submit(await visitor.see("/"), "/sign-out")
    assert answer.url.path == "/sign-in"
    assert (await visitor.client.get("/")).url.path == "/sign-in"


@pytest.mark.parametrize("cookie", ["x", "", "AAAA", "a=b; c"])
async def test_a_forged_cookie_is_no_session(cookie: str) -> None:
    """Only the service can sign one."""
    api = Guarded(with_dashboard=True)
    answer = await api.client.get("/", headers={"Cookie": f"opledger_session={cookie}"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


async def test_a_proxy_may_send_the_credential() -> None:
    """The bearer token of an identity provider; no sign-in is needed."""
    api = Guarded(with_dashboard=True)
    token = api.tokens.issue(Principal("b", "alice", frozenset({Scope.READ}), "token alice"))
    answer = await api.client.get("/", headers=bearer(token))
    assert answer.status_code == 200
    assert "Signed in as <b>alice</b>" in answer.text


async def test_a_session_that_has_ended_does_not_hide_the_credential_of_a_proxy() -> None:
    """It may be a leftover of another way to sign in."""
    api = Guarded(with_dashboard=True)
    token = api.tokens.issue(Principal("b", "alice", frozenset({Scope.READ}), "token alice"))
    answer = await api.client.get("/", headers={**bearer(token), "Cookie": "opledger_session=old"})
    assert answer.status_code == 200
    assert "Signed in as <b>alice</b>" in answer.text


async def test_a_page_that_the_key_may_not_see_says_which_scope_it_needs() -> None:
    """403, and the navigation has no link to it."""
    visitor, _ = await signed_in_without_reading()
    answer = await visitor.client.get("/operations")
    assert answer.status_code == 403
    assert "needs the scope read" in answer.text
    assert '<a href="/operations"' not in answer.text


async def signed_in_without_reading() -> tuple[Visitor, Guarded]:
    """A visitor with a session of a key that may only submit."""
    api = Guarded(with_dashboard=True)
    visitor = Visitor(api)
    key = (await api.key("a", Scope.SUBMIT))["Authorization"].removeprefix("Bearer ")
    await visitor.submit(await visitor.see("/sign-in"), "/sign-in", key=key)
    return visitor, api


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
async def test_forms_of_other_pages_are_refused(headers: dict[str, str]) -> None:
    """Also those of origins that may use the API."""
    api = Guarded(with_dashboard=True, origins=frozenset({"https://evil.example"}))
    visitor, _ = await signed_in(api)
    page = await visitor.see("/")
    visitor.client.headers.update(headers)
    assert (await visitor.submit(page, "/sign-out")).status_code == 403


async def test_forms_without_their_token_are_refused() -> None:
    """Even from the dashboard's own origin."""
    visitor, _ = await signed_in(Guarded(with_dashboard=True))
    answer = await visitor.client.post("/sign-out", data={"form_token": "x"}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 403
    assert "load the page again" in answer.text


async def test_without_access_control_only_this_machine_is_served() -> None:
    """A page that points its own name to a loopback address gets nothing."""
    answer = await Api(with_dashboard=True).client.get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert "Operations by status" not in answer.text


@pytest.mark.parametrize(
    "other", ['x={"a": 1}', "a[b]=1", "foo", "x=\u00e9", "a=b c", "path=1", "a@b=1", "opledger_session=root"]
)
@pytest.mark.parametrize("before", [True, False])
async def test_cookies_of_other_applications_do_not_matter(other: str, before: bool) -> None:
    """They share the host. Two ledgers on one host have a cookie of the same name each."""
    api = Guarded(with_dashboard=True)
    visitor, key = Visitor(api), (await api.key("a"))["Authorization"].removeprefix("Bearer ")
    await visitor.submit(await visitor.see("/sign-in"), "/sign-in", key=key)
    own = f"opledger_session={visitor.client.cookies['opledger_session']}"
    header = f"{other}; {own}" if before else f"{own}; {other}"
    answer = await api.client.get("/", headers={b"Cookie": header.encode()})
    assert answer.status_code == 200


async def test_a_link_of_another_site_opens_the_page() -> None:
    """The browser sends the session only with a request of this site: the page asks again."""
    api = Guarded(with_dashboard=True)
    answer = await api.client.get("/operations?status=FAILED", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0">' in answer.text
    assert "location" not in answer.headers
    again = await api.client.get("/operations?status=FAILED", headers={"Sec-Fetch-Site": "same-origin"})
    assert again.headers["location"].startswith("/sign-in?next=")
