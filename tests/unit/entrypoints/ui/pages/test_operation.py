"""The page of one operation: what it says, and what it lets a caller do."""

import re

import pytest

from domain.access.scope import Scope
from domain.operation.operation_error import ErrorCode
from entrypoints.ui.request import Temporal
from tests.support.http.access import Guarded
from tests.support.http.api import Api
from tests.support.ui.scenes import HOSTILE, furnish, hostile
from tests.support.ui.visitor import Visitor, forms

STRANGER = "019b76da-a800-7000-8000-0000000000ff"


async def test_a_failure_is_explained_first() -> None:
    """The code, the message, from where it is known, and what to do next; before the history."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    page = await Visitor(api).see(f"/operations/{made['failed']}")
    places = [
        page.index(text)
        for text in (
            '<span class="status failed">',
            "<h2>TERMINATED</h2>",
            "boom",
            "without cleaning up",
            "Known from a report of the workflow",
            "<b>Next:</b> Check what the workflow left behind, then retry.",
            ">History<",
        )
    ]
    assert places == sorted(places)


async def test_progress_steps_and_children_are_shown() -> None:
    """And a link to the list of the children."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    page = await Visitor(api).see(f"/operations/{made['running']}")
    for text in ("66 %", "copying the image", "fetch", "3 of 6 volumes", f'/operations?parent={made["running"]}"'):
        assert text in page, text
    child = await Visitor(api).see(f"/operations/{made['child']}")
    assert f'href="/operations/{made["running"]}"' in child
    assert '<pre id="input" tabindex="0">null</pre>' in child


async def test_attention_says_why_and_what_next() -> None:
    """In words, with a form to acknowledge it."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    page = await Visitor(api).see(f"/operations/{made['stuck']}")
    for text in ("<h2>No worker</h2>", "no worker polls the task queue machines", "Start a worker that polls"):
        assert text in page, text
    assert f"/operations/{made['stuck']}/acknowledge" in [form.action for form in forms(page)]


async def test_the_history_has_source_reason_and_actor() -> None:
    """Of each line."""
    api = Api(with_dashboard=True, actor="ci-key")
    made = await api.submit()
    await api.client.post(f"/v1/operations/{made['id']}/cancel", json={"reason": "wrong machine"})
    page = await Visitor(api).see(f"/operations/{made['id']}")
    for text in ("cancellation requested: wrong machine", "a client&#39;s request", "<b>ci-key</b>"):
        assert text in page, text


async def test_the_operation_can_be_reached_from_elsewhere() -> None:
    """Temporal's web page, curl and the command line. No key is in a command."""
    api = Guarded(with_dashboard=True, temporal=Temporal("name space", "https://temporal.example/"))
    key = await api.key()
    made = (await api.client.post("/v1/operations", json={"type": "deploy"}, headers=key)).json()["id"]
    page = (await api.ask("GET", f"/operations/{made}", key)).text
    assert f'href="https://temporal.example/namespaces/name%20space/workflows/{made}"' in page
    assert f"$OPLEDGER_API_KEY&#34; http://localhost/v1/operations/{made}" in page
    assert f"opledger get {made}" in page
    assert "opl_" not in page


async def test_without_temporals_web_page_there_is_no_link() -> None:
    """Nothing is guessed."""
    api = Api(with_dashboard=True, temporal=Temporal())
    made = await api.submit()
    assert "/namespaces/" not in await Visitor(api).see(f"/operations/{made['id']}")


@pytest.mark.parametrize(
    ("action", "fields", "words"),
    [
        ("cancel", {"reason": "wrong machine"}, "Cancellation requested"),
        ("cancel", {"reason": "", "force": "yes"}, "Termination requested"),
        ("keep", {}, "Kept"),
    ],
)
async def test_actions_on_an_open_operation(action: str, fields: dict[str, str], words: str) -> None:
    """The page shows what was done, and the history has the key's name."""
    api = Api(with_dashboard=True, actor="ops")
    made = await api.submit()
    await api.start(made["id"])
    visitor = Visitor(api)
    page = await visitor.see(f"/operations/{made['id']}")
    answer = await visitor.submit(page, f"/operations/{made['id']}/{action}", **fields)
    assert (answer.status_code, answer.url.path) == (200, f"/operations/{made['id']}")
    assert words in answer.text
    lines = (await api.client.get(f"/v1/operations/{made['id']}/transitions")).json()["items"]
    assert lines[-1]["actor"] == "ops"
    assert fields.get("reason", "") in lines[-1]["reason"]


async def test_acknowledging_takes_the_attention_away() -> None:
    """With the reason in the history."""
    api = Api(with_dashboard=True, actor="ops")
    made = (await furnish(api))["stuck"]
    visitor = Visitor(api)
    page = await visitor.see(f"/operations/{made}")
    answer = await visitor.submit(page, f"/operations/{made}/acknowledge", reason="known")
    assert "<h2>No worker</h2>" not in answer.text
    assert "known" in answer.text


async def test_a_retry_leads_to_the_new_operation() -> None:
    """The two name each other, and the first cannot be retried again."""
    api = Api(with_dashboard=True)
    made = (await furnish(api))["failed"]
    visitor = Visitor(api)
    answer = await visitor.submit(await visitor.see(f"/operations/{made}"), f"/operations/{made}/retry")
    retried = answer.url.path.removeprefix("/operations/")
    assert retried != made
    assert f'href="/operations/{made}"' in answer.text
    first = await visitor.see(f"/operations/{made}")
    assert f'href="/operations/{retried}"' in first
    assert f"/operations/{made}/retry" not in [form.action for form in forms(first)]


async def test_a_deleted_operation_is_gone() -> None:
    """The list comes next."""
    api = Api(with_dashboard=True)
    made = (await furnish(api))["completed"]
    visitor = Visitor(api)
    answer = await visitor.submit(await visitor.see(f"/operations/{made}"), f"/operations/{made}/delete")
    assert answer.url.path == "/operations"
    assert made not in answer.text
    assert (await visitor.client.get(f"/operations/{made}")).status_code == 404


async def test_an_action_that_comes_too_late_is_explained() -> None:
    """409, with a link back to the operation."""
    api = Api(with_dashboard=True)
    made = await api.submit()
    visitor = Visitor(api)
    page = await visitor.see(f"/operations/{made['id']}")
    await api.fail(made["id"], ErrorCode.WORKFLOW_FAILED)
    answer = await visitor.submit(page, f"/operations/{made['id']}/cancel", reason="")
    assert answer.status_code == 409
    assert "Operation already done" in answer.text
    assert f'href="/operations/{made["id"]}">Back' in answer.text


@pytest.mark.parametrize(
    ("scopes", "open_actions", "done_actions"),
    [
        ({Scope.READ}, set(), set()),
        ({Scope.READ, Scope.SUBMIT}, {"keep"}, {"keep", "retry"}),
        ({Scope.READ, Scope.CANCEL}, {"cancel"}, set()),
        ({Scope.ADMIN}, {"keep", "cancel"}, {"keep", "retry", "delete"}),
    ],
)
async def test_only_what_the_key_may_do_is_shown_and_accepted(
    scopes: set[Scope], open_actions: set[str], done_actions: set[str]
) -> None:
    """A form that is sent anyway is refused."""
    api = Guarded(with_dashboard=True)
    full, key = await api.key(), await api.key("a", *scopes)
    made = (await api.client.post("/v1/operations", json={"type": "deploy"}, headers=full)).json()["id"]
    token = ""
    for shown in (open_actions, done_actions):
        page = (await api.ask("GET", f"/operations/{made}", key)).text
        own = [form for form in forms(page) if form.action.startswith(f"/operations/{made}/")]
        assert {form.action.rsplit("/", 1)[1] for form in own} == shown
        token = own[0].hidden["form_token"] if own else token
        await api.ask("POST", f"/v1/operations/{made}/cancel", full)
    for action in {"keep", "retry", "cancel", "acknowledge", "delete"} - open_actions - done_actions - {"acknowledge"}:
        answer = await api.ask("POST", f"/operations/{made}/{action}", key, data={"form_token": token})
        assert answer.status_code == 403, action
        assert "needs the scope" in answer.text


@pytest.mark.parametrize("action", ["keep", "retry", "cancel", "acknowledge", "delete"])
async def test_another_tenants_operation_is_as_unknown_as_none(action: str) -> None:
    """Its page, and each action, answer with the same 404, and change nothing."""
    api = Guarded(with_dashboard=True)
    owner, other = await api.key("a", name="owner"), await api.key("b", name="other")
    made = (await api.client.post("/v1/operations", json={"type": "deploy"}, headers=owner)).json()["id"]
    own = (await api.client.post("/v1/operations", json={"type": "deploy"}, headers=other)).json()["id"]
    before = (await api.ask("GET", f"/v1/operations/{made}", owner)).json()
    token = forms((await api.ask("GET", f"/operations/{own}", other)).text)[-1].hidden["form_token"]
    for method, path in (("GET", ""), ("POST", f"/{action}")):
        answers = [
            await api.ask(method, f"/operations/{target}{path}", other, data={"form_token": token})
            for target in (made, STRANGER)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        texts = [re.sub(r'value="[\w-]+"', "", answer.text) for answer in answers]
        assert texts[0] == texts[1].replace(STRANGER, made)
    assert (await api.ask("GET", f"/v1/operations/{made}", owner)).json() == before


async def test_texts_of_an_operation_are_only_text() -> None:
    """Input, labels, progress, steps, attention and reasons; whatever they contain."""
    api = Api(with_dashboard=True)
    made = await hostile(api)
    page = await Visitor(api).see(f"/operations/{made}")
    assert HOSTILE not in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 6
