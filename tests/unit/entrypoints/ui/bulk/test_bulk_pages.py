"""Bulk actions on the list: dry run, confirmation, the operation that does the work, and its targets."""

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from application.bulk import bulk_operations
from domain.access.scope import Scope
from domain.bulk.bulk_action import CONFIRM_WITHIN
from domain.json_value import MAX_TEXT
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue, OperationType
from entrypoints.ui.bulk.targets import PAGE_SIZE
from tests.support.http.access import Guarded
from tests.support.http.api import Api
from tests.support.http.bulk import perform
from tests.support.ui.scenes import HOSTILE, furnish, hostile
from tests.support.ui.visitor import Visitor, forms
from tests.support.ui.weight import MAX_BYTES, weight

TARGET = re.compile(r'<th scope="row"><a data-step href="/operations/([0-9a-f-]{36})"')


def offers(page: str) -> list[str]:
    """Where the buttons of the list lead."""
    return [
        str(button["formaction"])
        for form in forms(page)
        for button in form.buttons
        if str(button.get("formaction", "")).startswith("/bulk/")
    ]


async def preview(visitor: Visitor, verb: str, query: str = "") -> httpx.Response:
    """Makes a dry run, with the button of the list."""
    page = await visitor.see(f"/operations{query}")
    [form] = [form for form in forms(page) if form.action.startswith("/bulk/")]
    [action] = [action for action in offers(page) if action.startswith(f"/bulk/{verb}")]
    return await visitor.client.post(action, data=form.hidden)


async def confirm(visitor: Visitor, page: str, **fields: str) -> httpx.Response:
    """Confirms the dry run of a page."""
    [action] = [form.action for form in forms(page) if "/confirm" in form.action]
    return await visitor.submit(page, action, **fields)


async def bulk_operations_of(api: Api) -> list[dict[str, Any]]:
    """The operations that do the work."""
    items = (await api.client.get("/v1/operations")).json()["items"]
    return [each for each in items if each["type"].startswith("opledger.")]


@pytest.mark.parametrize(
    ("query", "verbs"),
    [
        ("", ["cancel", "retry", "acknowledge", "delete"]),
        ("?status=RUNNING&status=ACCEPTED", ["cancel", "acknowledge"]),
        ("?status=FAILED", ["retry", "acknowledge", "delete"]),
        ("?label.team=none", []),
        ("?order=-finished_at", ["retry", "acknowledge", "delete"]),
    ],
)
async def test_the_list_offers_what_applies_to_its_operations(query: str, verbs: list[str]) -> None:
    """With its filters; without its order and page."""
    api = Api(with_dashboard=True)
    await furnish(api)
    found = offers(await Visitor(api).see(f"/operations{query}"))
    assert [action.partition("?")[0].removeprefix("/bulk/") for action in found] == verbs
    expected = {"?order=-finished_at": "?status=COMPLETED&status=FAILED"}.get(query, query)
    assert all(action.endswith(expected) and "order" not in action for action in found)


@pytest.mark.parametrize(
    ("scopes", "verbs"),
    [
        ({Scope.READ}, set()),
        ({Scope.READ, Scope.SUBMIT}, {"retry"}),
        ({Scope.READ, Scope.CANCEL}, {"cancel", "acknowledge"}),
        ({Scope.ADMIN}, {"cancel", "retry", "acknowledge", "delete"}),
    ],
)
async def test_only_what_the_key_may_do_is_offered_and_accepted(scopes: set[Scope], verbs: set[str]) -> None:
    """A form that is sent anyway is refused, dry run and confirmation."""
    api = Guarded(with_dashboard=True)
    full, key = await api.key(), await api.key("a", *scopes)
    await api.client.post("/v1/operations", json={"type": "deploy"}, headers=full)
    page = (await api.ask("GET", "/operations", key)).text
    assert {action.removeprefix("/bulk/") for action in offers(page)} == verbs
    own = [form.hidden["form_token"] for form in forms(page) if form.action.startswith("/bulk/")]
    for verb in ("cancel", "retry", "acknowledge", "delete"):
        for path in (f"/bulk/{verb}", f"/bulk/{verb}/confirm"):
            answer = await api.ask("POST", path, key, data={"form_token": own[0] if own else "", "confirm": "x"})
            expected = 403 if verb not in verbs else 422 if path.endswith("confirm") else 200
            assert answer.status_code == expected, path


async def test_a_dry_run_counts_and_shows() -> None:
    """And changes nothing."""
    api = Api(with_dashboard=True)
    for _ in range(12):
        await api.submit(labels={"wave": "9"})
    await api.submit()
    answer = await preview(Visitor(api), "cancel", "?label.wave=9")
    assert answer.status_code == 200
    for words in ("Cancel 12 operations?", "The first 10 of 12", "wave: 9", "before 00:15 UTC"):
        assert words in answer.text, words
    assert len(re.findall(r'<tr id="op-', answer.text)) == 10
    assert "No filter is set" not in answer.text
    assert await bulk_operations_of(api) == []


async def test_a_confirmation_does_what_was_counted() -> None:
    """The page of the bulk action follows: progress, then targets. Reason and actor are in each history."""
    api = Api(with_dashboard=True, actor="ops")
    made = [(await api.submit(labels={"wave": "9"}))["id"] for _ in range(3)]
    visitor = Visitor(api)
    page = (await preview(visitor, "cancel", "?label.wave=9")).text
    late = await api.submit(labels={"wave": "9"})
    await api.complete(made[0], None)
    answer = await confirm(visitor, page, reason="wrong release")
    [bulk] = await bulk_operations_of(api)
    assert answer.url.path == f"/operations/{bulk['id']}"
    assert bulk["type"] == "opledger.cancel"
    assert bulk["input"] == {"filter": {"label": {"wave": "9"}}, "reason": "wrong release", "matching": 3}
    await perform(api, bulk["id"])
    seen = await visitor.see(f"/operations/{bulk['id']}")
    assert "It was done already" in seen
    assert f'href="/operations/{made[0]}"' in seen
    assert f'href="/operations/{bulk["id"]}/targets"' in seen
    assert f"/operations/{bulk['id']}/retry" not in seen
    for each, reason in ((made[1], "wrong release"), (late["id"], None)):
        request = (await api.client.get(f"/v1/operations/{each}")).json()["cancel_requested"]
        assert (request and (request["reason"], request.get("by"))) == (reason and (reason, "ops"))


async def test_termination_is_a_choice() -> None:
    """Of cancellation only."""
    api = Api(with_dashboard=True)
    made = (await api.submit())["id"]
    await api.start(made)
    visitor = Visitor(api)
    page = (await preview(visitor, "cancel", "?status=RUNNING")).text
    await confirm(visitor, page, reason="", force="yes")
    [bulk] = await bulk_operations_of(api)
    assert bulk["input"] == {"filter": {"status": ["RUNNING"]}, "reason": None, "force": True, "matching": 1}
    await perform(api, bulk["id"])
    assert (await api.client.get(f"/v1/operations/{made}")).json()["cancel_requested"]["force"] is True
    assert 'name="force"' not in (await preview(visitor, "acknowledge")).text


async def test_other_verbs() -> None:
    """Retry, delete and acknowledge."""
    api = Api(with_dashboard=True)
    failed, done, stuck = [(await api.submit())["id"] for _ in range(3)]
    await api.fail(failed, ErrorCode.WORKFLOW_FAILED)
    await api.complete(done, None)
    await api.trouble(stuck)
    visitor = Visitor(api)
    for verb, query in (("retry", "?status=FAILED"), ("delete", "?status=COMPLETED&type=deploy"), ("acknowledge", "")):
        answer = await confirm(visitor, (await preview(visitor, verb, query)).text, reason="")
        await perform(api, answer.url.path.removeprefix("/operations/"))
        seen = await visitor.see(f"{answer.url.path}/targets")
        assert "Done" in seen
    retried = (await api.client.get(f"/v1/operations/{failed}")).json()["retried_by"]
    assert f'href="/operations/{retried}"' not in seen
    assert (await api.client.get(f"/v1/operations/{done}")).status_code == 404
    assert (await api.client.get(f"/v1/operations/{stuck}")).json()["attention"] is None


@pytest.mark.parametrize(
    ("verb", "query", "words"),
    [
        ("cancel", "", "No filter is set: these are all operations of the tenant <b>default</b>"),
        ("retry", "", "Operations that have completed run again, too."),
        ("retry", "?type=deploy", "Operations that have completed run again, too."),
    ],
)
async def test_what_is_easily_overlooked_is_said(verb: str, query: str, words: str) -> None:
    """Before the confirmation."""
    api = Api(with_dashboard=True)
    await api.submit()
    await api.complete((await api.submit())["id"], None)
    visitor = Visitor(api)
    assert words in (await preview(visitor, verb, query)).text
    await api.fail((await api.submit())["id"], ErrorCode.WORKFLOW_FAILED)
    quiet = (await preview(visitor, "retry", "?status=FAILED")).text
    assert "run again, too" not in quiet
    assert "No filter is set" not in quiet


# Refusals


async def test_nothing_that_matches_is_said() -> None:
    """With the way back; there is nothing to confirm."""
    api = Api(with_dashboard=True)
    await api.submit()
    answer = await preview(Visitor(api), "acknowledge", "?type=deploy")
    assert "No operation to acknowledge" in answer.text
    assert "None of the operations that match needs attention." in answer.text
    assert "/confirm" not in answer.text
    assert 'href="/operations?type=deploy">Back to the list' in answer.text


async def test_a_dry_run_that_is_confirmed_twice_acts_once() -> None:
    """The second confirmation leads to the same operation; with another reason it is refused, and names it."""
    api = Api(with_dashboard=True)
    await api.submit()
    visitor = Visitor(api)
    page = (await preview(visitor, "cancel")).text
    first, second, other = [await confirm(visitor, page, reason=reason) for reason in ("a", "a", "b")]
    assert first.url == second.url
    [made] = await bulk_operations_of(api)
    assert other.status_code == 422
    assert f"The confirmation was used with another reason or force, for operation {made['id']}" in other.text


async def test_a_dry_run_that_has_expired_is_made_again() -> None:
    """By the button of the page that says so."""
    api = Api(with_dashboard=True)
    await api.submit()
    visitor = Visitor(api)
    page = (await preview(visitor, "cancel", "?type=deploy")).text
    api.clock.advance(CONFIRM_WITHIN + timedelta(seconds=1))
    answer = await confirm(visitor, page, reason="")
    assert answer.status_code == 422
    assert "The confirmation has expired: make a new dry run." in answer.text
    again = await visitor.submit(answer.text, "/bulk/cancel?type=deploy")
    assert "Cancel 1 operation?" in again.text
    assert await bulk_operations_of(api) == []


async def test_a_dry_run_that_others_have_replaced_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest ones of a tenant are kept."""
    monkeypatch.setattr(bulk_operations, "MAX_UNCONFIRMED", 1)
    api = Api(with_dashboard=True)
    await api.submit()
    visitor = Visitor(api)
    page = (await preview(visitor, "cancel")).text
    api.clock.advance(timedelta(seconds=1))
    await preview(visitor, "acknowledge")
    answer = await confirm(visitor, page, reason="")
    assert answer.status_code == 422
    assert "belongs to a dry run that was deleted or replaced by newer ones" in answer.text
    assert '<form method="post" action="/bulk/cancel">' in answer.text


async def test_too_many_operations_have_to_be_filtered() -> None:
    """There is no dry run of them to make again."""
    api = Api(with_dashboard=True)
    for _ in range(2):
        await api.submit()
    api.services.ledger.bulk._limit = 1
    answer = await preview(Visitor(api), "cancel")
    assert answer.status_code == 422
    assert "The filter matches more than 1 operations: narrow it." in answer.text
    assert "Count again" not in answer.text


async def test_a_reason_that_is_too_long_is_refused() -> None:
    """As for one operation: it is not cut, and nothing is changed."""
    api = Api(with_dashboard=True)
    made = await api.submit()
    visitor = Visitor(api)
    page = (await preview(visitor, "cancel")).text
    answer = await confirm(visitor, page, reason="x" * (MAX_TEXT + 1))
    assert answer.status_code == 422
    assert f"The reason has more than {MAX_TEXT} characters" in answer.text
    page = await visitor.see(f"/operations/{made['id']}")
    refused = await visitor.submit(page, f"/operations/{made['id']}/cancel", reason="x" * (MAX_TEXT + 1))
    assert refused.status_code == 422
    assert f"The reason has more than {MAX_TEXT} characters" in refused.text
    assert await bulk_operations_of(api) == []


@pytest.mark.parametrize("target", ["/bulk/cancel/confirm?type=build", "/bulk/acknowledge/confirm?type=deploy"])
async def test_a_confirmation_is_of_one_verb_and_one_filter(target: str) -> None:
    """Another one is refused."""
    api = Api(with_dashboard=True)
    await api.submit()
    visitor = Visitor(api)
    page = (await preview(visitor, "cancel", "?type=deploy")).text
    [form] = [form for form in forms(page) if "/confirm" in form.action]
    answer = await visitor.client.post(target, data=form.hidden)
    assert answer.status_code == 422
    assert "The confirmation belongs to another action or to other filters" in answer.text
    assert await bulk_operations_of(api) == []


@pytest.mark.parametrize("path", ["/bulk/burn", "/bulk/cancel?status=NOPE", "/bulk/cancel?page_token=x"])
async def test_unknown_verbs_and_filters_are_refused(path: str) -> None:
    """On a page."""
    api = Api(with_dashboard=True)
    await api.submit()
    visitor = Visitor(api)
    [form] = [form for form in forms(await visitor.see("/operations")) if form.action.startswith("/bulk/")]
    answer = await visitor.client.post(path, data=form.hidden)
    assert answer.status_code == 400
    assert "text/html" in answer.headers["content-type"]


async def test_another_tenant_confirms_nothing_and_sees_no_targets() -> None:
    """Neither with the token nor with the id."""
    api = Guarded(with_dashboard=True)
    owner, other = await api.key("a", name="owner"), await api.key("b", name="other")
    for key in (owner, other):
        await api.client.post("/v1/operations", json={"type": "deploy"}, headers=key)
    tokens = {}
    for name, key in (("owner", owner), ("other", other)):
        page = (await api.ask("GET", "/operations", key)).text
        [form] = [form for form in forms(page) if form.action.startswith("/bulk/")]
        tokens[name] = form.hidden["form_token"]
    made = await api.ask("POST", "/bulk/cancel", owner, data={"form_token": tokens["owner"]})
    assert "Cancel 1 operation?" in made.text
    [form] = [form for form in forms(made.text) if "/confirm" in form.action]
    stolen = await api.ask("POST", form.action, other, data={**form.hidden, "form_token": tokens["other"]})
    assert stolen.status_code == 422
    done = await api.ask("POST", form.action, owner, data=form.hidden)
    assert done.status_code == 303
    assert (await api.ask("GET", f"{done.headers['location']}/targets", owner)).status_code == 200
    assert (await api.ask("GET", f"{done.headers['location']}/targets", other)).status_code == 404


async def test_forms_need_their_token() -> None:
    """As other actions do."""
    api = Api(with_dashboard=True)
    await api.submit()
    for path in ("/bulk/cancel", "/bulk/cancel/confirm"):
        answer = await api.client.post(path, data={"confirm": "x"})
        assert answer.status_code == 403
        assert 'href="/operations">Back' in answer.text


# Targets


async def test_targets_are_paged_and_filtered_by_outcome() -> None:
    """In their order. A full page is light."""
    api = Api(with_dashboard=True)
    made = [(await api.submit())["id"] for _ in range(PAGE_SIZE + 1)]
    visitor = Visitor(api)
    answer = await confirm(visitor, (await preview(visitor, "cancel")).text, reason="")
    await api.complete(made[0], None)
    await perform(api, answer.url.path.removeprefix("/operations/"))
    first = await visitor.see(f"{answer.url.path}/targets")
    assert await weight(api.client, await api.client.get(f"{answer.url.path}/targets")) < MAX_BYTES
    [following] = re.findall(r'rel="next" href="([^"]+)"', first)
    second = await visitor.see(following.replace("&amp;", "&"))
    found = [TARGET.findall(page) for page in (first, second)]
    assert [len(each) for each in found] == [PAGE_SIZE, 1]
    assert {*found[0], *found[1]} == {*made}
    skipped = await visitor.see(f"{answer.url.path}/targets?outcome=SKIPPED")
    assert TARGET.findall(skipped) == [made[0]]
    assert 'aria-current="page">Skipped' in skipped
    assert "No target" in await visitor.see(f"{answer.url.path}/targets?outcome=FAILED")


async def test_a_retry_that_is_refused_says_why() -> None:
    """And links to what a successful one has made."""
    types = {name: OperationType(name, name, "queue") for name in ("deploy", "build")}
    api = Api(with_dashboard=True, catalogue=OperationCatalogue(types))
    good, bad = [(await api.submit(type=name))["id"] for name in ("deploy", "build")]
    for each in (good, bad):
        await api.fail(each, ErrorCode.WORKFLOW_FAILED)
    del types["build"]
    visitor = Visitor(api)
    answer = await confirm(visitor, (await preview(visitor, "retry", "?status=FAILED")).text, reason="")
    await perform(api, answer.url.path.removeprefix("/operations/"))
    page = await visitor.see(f"{answer.url.path}/targets")
    assert "It was refused" in page
    assert "is not a declared operation type" in page
    retried = (await visitor.client.get(f"/v1/operations/{good}")).json()["retried_by"]
    assert f'Retried by <a href="/operations/{retried}">' in page


async def test_hostile_texts_are_only_text() -> None:
    """In filters, labels, reasons and operations."""
    api = Api(with_dashboard=True)
    await hostile(api)
    visitor = Visitor(api)
    query = f"?{httpx.QueryParams({'label.note': HOSTILE[:60]})}"
    page = (await preview(visitor, "cancel", query)).text
    answer = await confirm(visitor, page, reason=HOSTILE)
    assert answer.status_code == 200
    await perform(api, answer.url.path.removeprefix("/operations/"))
    for text in (page, answer.text, await visitor.see(f"{answer.url.path}/targets")):
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    assert "&lt;script&gt;" in page
