"""The pages Now, Types, Health and Keys, without a browser."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest

from adapters.memory.clock import MemoryClock
from application.ports.monitoring.drift_report import DriftReport
from application.ports.storage.unit_of_work import DatabaseRefused, DatabaseUnavailable
from domain.access.scope import Scope
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue
from tests.support.http.access import Guarded
from tests.support.http.api import Api
from tests.support.ui.overview import HOSTILE, START, Busy, busy
from tests.support.ui.visitor import Visitor, forms
from tests.unit.entrypoints.ui.pages.test_operations import ids

PAGES = ("/", "/?window=day", "/?window=week", "/types", "/types/one?name=deploy", "/health", "/keys")


async def signed_in(api: Guarded, key: str) -> Visitor:
    """Returns a visitor with a session of the key."""
    visitor = Visitor(api)
    page = await visitor.see("/sign-in")
    answer = await visitor.submit(page, "/sign-in", key=key)
    assert answer.status_code == 200, answer.text
    return visitor


async def operator() -> tuple[Busy, Visitor]:
    """A ledger with something to show, and its operator."""
    api = await busy()
    return api, await signed_in(api, api.secret)


@pytest.mark.parametrize("path", PAGES)
async def test_pages_are_small_and_have_no_inline_code(path: str) -> None:
    """Hostile names, types and messages stay text. A page has less than 60 KB."""
    _, visitor = await operator()
    page = await visitor.see(path)
    assert HOSTILE not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style| style=| on[a-z]+=", page)
    assert len(page.encode()) < 60_000
    if path != "/health" and path != "/types/one?name=deploy":
        assert "&lt;script&gt;" in page


async def test_now_says_first_what_needs_attention() -> None:
    """And why, with links to the operations."""
    _, visitor = await operator()
    page = await visitor.see("/")
    assert "3 operations need attention." in page
    assert page.index("Needs attention") < page.index("Failures, last hour") < page.index("Throughput, last hour")
    for words in ("No worker", "no worker polls the task queue machines", "charge_card, attempt 14: gateway timeout"):
        assert words in page
    assert len(re.findall(r'href="/operations/[0-9a-f-]{36}"', page)) == 3
    assert re.search(r"oldest <time [^>]+>8 min ago</time>", page)


async def test_failures_are_listed_by_code_and_type() -> None:
    """Of the window."""
    api = Api(with_dashboard=True)
    for code in (ErrorCode.TIMED_OUT, ErrorCode.WORKFLOW_FAILED, ErrorCode.WORKFLOW_FAILED):
        await api.fail((await api.submit())["id"], code)
    page = await Visitor(api).see("/")
    assert page.index(">WORKFLOW_FAILED</a>") < page.index(">TIMED_OUT</a>")
    assert "<b>3</b>" in page


@pytest.mark.parametrize("path", ["/", "/?window=day", "/?window=week", "/types"])
async def test_links_of_numbers_list_what_was_counted(path: str) -> None:
    """What failed before the window is not on the list."""
    api = Api(with_dashboard=True, clock=MemoryClock(START))
    await api.fail((await api.submit())["id"], ErrorCode.TIMED_OUT)
    api.clock.advance(timedelta(days=8))
    failed = [(await api.submit())["id"] for _ in range(2)]
    for operation_id in failed:
        await api.fail(operation_id, ErrorCode.TIMED_OUT)
    visitor = Visitor(api)
    links = re.findall(r'href="(/operations\?[^"]*finished_after=[^"]*)"', await visitor.see(path))
    assert len(links) == (1 if path == "/types" else 3)
    for link in links:
        assert sorted(ids(await visitor.see(html.unescape(link)))) == sorted(failed)


async def test_the_oldest_accepted_operation_is_one_that_waits() -> None:
    """An operation with a later start does not wait before."""
    api = Api(with_dashboard=True)
    later = api.clock.now() + timedelta(hours=2)
    await api.submit(start_at=later.isoformat().replace("+00:00", "Z"))
    api.clock.advance(timedelta(hours=1))
    visitor = Visitor(api)
    assert "none is waiting" in await visitor.see("/")
    await api.submit()
    api.clock.advance(timedelta(minutes=7))
    assert re.search(r"oldest <time [^>]+>7 min ago</time>", await visitor.see("/"))


@pytest.mark.parametrize(
    ("worker", "watermark", "words", "works"),
    [
        (None, None, "None has run yet.", False),
        (3, None, "At least one runs.", True),
        (3, None, "No pass has ended yet. One begins every 1 min.", True),
        (29, 10, "At least one runs.", True),
        (31, 10, "None has run for 31 s.", False),
        (3, 15 * 60, "The last complete pass began 15 min ago.", True),
        (3, 17 * 60, "One should begin every 1 min.", False),
    ],
)
async def test_workers_are_known_from_their_start_on(
    worker: float | None, watermark: float | None, words: str, works: bool
) -> None:
    """Whether a pass has ended or not; a missing pass is said on its own."""
    api = Api(with_dashboard=True)
    api.drift.worker_age = None if worker is None else timedelta(seconds=worker)
    api.drift.watermark_age = None if watermark is None else timedelta(seconds=watermark)
    page = await Visitor(api).see("/health")
    assert words in page
    assert ("Everything is up." in page) is works


@pytest.mark.parametrize("every", [timedelta(seconds=1), timedelta(days=1)])
async def test_a_pass_is_missing_after_the_configured_interval(every: timedelta) -> None:
    """Not after a fixed one."""
    late = every + timedelta(minutes=16)
    assert DriftReport(None, {}, late).pass_is_missing(every)
    assert not DriftReport(None, {}, late - timedelta(minutes=2)).pass_is_missing(every)
    assert not DriftReport(None, {}).pass_is_missing(every)


async def test_the_window_is_in_the_url() -> None:
    """The switch consists of links, and keeps the type of the durations."""
    _, visitor = await operator()
    page = await visitor.see("/?window=day&type=order")
    assert 'href="/?type=order&amp;window=day" aria-current="true"' in page
    assert "Durations of order, last 24 hours" in page
    assert (await visitor.client.get("/?window=year")).status_code == 400


async def test_an_empty_ledger_names_the_command_to_run() -> None:
    """With a declared type, and without any."""
    page = await Visitor(Api(with_dashboard=True)).see("/")
    assert "<code>opledger start build --input &#39;{}&#39;</code>" in page
    undeclared = Api(with_dashboard=True, catalogue=OperationCatalogue())
    assert "<code>opledger init</code>" in await Visitor(undeclared).see("/")
    assert "<code>opledger init</code>" in await Visitor(undeclared).see("/types")


async def test_another_tenant_sees_none_of_it() -> None:
    """P8: neither operations nor types that are not declared, nor keys."""
    api, _ = await operator()
    made = await api.manage.create("theirs", tenant="other", scopes=frozenset({Scope.ADMIN}), life=None)
    visitor = await signed_in(api, made.text)
    assert "No operations yet" in await visitor.see("/")
    keys = await visitor.see("/keys")
    assert "theirs" in keys
    assert "on-call" not in keys
    [stored] = [key for key in await api.manage.list("default") if key.name == "on-call"]
    [form] = [each for each in forms(keys) if each.action == f"/keys/{made.stored.prefix}/revoke"]
    refused = await visitor.client.post(f"/keys/{stored.prefix}/revoke", data=form.hidden)
    assert refused.status_code == 404
    assert [key.revoked_at for key in await api.manage.list("default") if key.name == "on-call"] == [None]


async def test_a_type_shows_its_schema_its_durations_and_how_to_start_it() -> None:
    """A type that is neither declared nor used is 404."""
    _, visitor = await operator()
    page = await visitor.see("/types/one?name=deploy&window=week")
    for words in ("Deploys a release to one machine", "&#34;machine&#34;", "opledger start deploy", "Longest"):
        assert words in page
    assert (await visitor.client.get("/types/one?name=unknown")).status_code == 404


async def test_types_that_are_not_declared_are_listed_if_they_have_operations() -> None:
    """As such."""
    api = Api(with_dashboard=True)
    await api.submit()
    api.catalogue = OperationCatalogue()
    api.app = api.application()
    page = await Visitor(api).see("/types")
    assert "not declared" in page
    assert "its operations were started by others" in await Visitor(api).see("/types/one?name=deploy")


class Broken:
    """A probe of a database that is away."""

    name = "database"

    async def check(self) -> None:
        raise DatabaseRefused("no route to db-7.internal")


async def test_health_names_what_is_broken_and_hides_the_error_from_readers() -> None:
    """The error may name hosts."""
    api = Guarded(with_dashboard=True, optional=[Broken()])
    reader = await api.manage.create("reader", tenant="a", scopes=frozenset({Scope.READ}), life=None)
    admin = await api.manage.create("admin", tenant="a", scopes=frozenset({Scope.ADMIN}), life=None)
    page = await (await signed_in(api, reader.text)).see("/health")
    assert "It cannot be reached. Reads and submissions fail." in page
    assert "db-7" not in page
    assert "db-7" in await (await signed_in(api, admin.text)).see("/health")
    assert "Look at: Database, Workers." in page


# Keys


async def test_a_new_key_is_shown_where_the_list_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stored, and is shown nowhere else. Nothing loads this page again by itself."""
    api, visitor = await operator()
    page = await visitor.see("/keys")
    assert 'hx-sse:connect="/live/keys"' in page

    async def fail(tenant: str) -> Any:
        raise DatabaseUnavailable

    monkeypatch.setattr(api.manage, "list", fail)
    answer = await visitor.submit(page, "/keys", name="deploy-bot", **{"scope-read": "1"}, life="30")
    assert answer.status_code == 200
    assert re.search(r"opl_[a-z2-7]{8}_[a-z2-7]{32}", answer.text)
    assert "hx-sse:connect" not in answer.text


async def test_a_new_key_is_shown_once_and_works() -> None:
    """In the tenant of the one who creates it, with the chosen scopes and lifetime."""
    api, visitor = await operator()
    page = await visitor.see("/keys")
    answer = await visitor.submit(page, "/keys", name=" deploy-bot ", **{"scope-read": "1"}, life="30")
    assert answer.status_code == 200
    found = re.search(r"opl_[a-z2-7]{8}_[a-z2-7]{32}", answer.text)
    assert found is not None
    assert answer.headers["cache-control"] == "no-store"
    assert found[0] not in await visitor.see("/keys")
    [stored] = [key for key in await api.manage.list("default") if key.name == "deploy-bot"]
    assert stored.scopes == {Scope.READ}
    assert stored.expires_at == stored.created_at + timedelta(days=30)
    assert "<h1>Now</h1>" in await (await signed_in(api, found[0])).see("/")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "", "scope-read": "1", "life": "30"}, "name: 1 to"),
        ({"name": "bot", "life": "30"}, "scopes: at least one of"),
        ({"name": "bot", "scope-read": "1", "life": "9999999999"}, "life: choose one of the list"),
    ],
)
async def test_an_invalid_key_is_refused_with_the_rule(fields: dict[str, str], words: str) -> None:
    """The form keeps what was entered."""
    api, visitor = await operator()
    before = await api.manage.list()
    answer = await visitor.submit(await visitor.see("/keys"), "/keys", **fields)
    assert answer.status_code == 422
    assert words in answer.text
    assert f'value="{fields["name"]}"' in answer.text
    assert await api.manage.list() == before


async def test_a_revoked_key_is_refused() -> None:
    """And marked in the list."""
    api, visitor = await operator()
    victim = await api.manage.create("victim", tenant="default", scopes=frozenset({Scope.READ}), life=None)
    answer = await visitor.submit(await visitor.see("/keys"), f"/keys/{victim.stored.prefix}/revoke")
    assert answer.status_code == 200
    [stored] = [key for key in await api.manage.list("default") if key.name == "victim"]
    assert stored.revoked_at is not None
    refused = await Visitor(api).client.get("/v1/operations", headers={"Authorization": f"Bearer {victim.text}"})
    assert refused.status_code == 401


@pytest.mark.parametrize("scope", [Scope.READ, Scope.CANCEL, Scope.SUBMIT])
async def test_keys_are_for_admins(scope: Scope) -> None:
    """Others see neither the page nor its link, and cannot post to it."""
    api, admin = await operator()
    made = await api.manage.create("other", tenant="default", scopes=frozenset({scope, Scope.READ}), life=None)
    visitor = await signed_in(api, made.text)
    page = await visitor.see("/health")
    assert 'href="/keys"' not in page
    assert (await visitor.client.get("/keys")).status_code == 403
    before = await api.manage.list()
    assert (await visitor.client.post("/keys", data={"name": "x", "scope-admin": "1"})).status_code == 403
    assert await api.manage.list() == before
    assert 'href="/keys"' in await admin.see("/health")


async def test_without_access_control_there_are_no_keys() -> None:
    """The page says how to turn it on."""
    page = await Visitor(Api(with_dashboard=True)).see("/keys")
    assert "OPLEDGER_ACCESS=keys opledger api" in page


async def test_a_service_that_may_not_create_keys_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its database role has no right to, which is the recommended set-up."""
    api, visitor = await operator()

    async def refuse(*_: object) -> bool:
        raise DatabaseRefused

    monkeypatch.setattr(api.api_keys, "add", refuse)
    answer = await visitor.submit(await visitor.see("/keys"), "/keys", name="bot", life="30", **{"scope-read": "1"})
    assert answer.status_code == 409
    assert "opledger keys create --name NAME --tenant default --scope read" in answer.text
