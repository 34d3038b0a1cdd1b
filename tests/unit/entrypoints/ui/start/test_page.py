"""The page Start: its form, what it submits, and what it says about errors."""

import html
import json
import re
from typing import Any

import httpx
import pytest

from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.access.scope import Scope
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.start.workflow_id_policy import OnRunning
from domain.operation.start.workflow_id_template import WorkflowIdTemplate
from entrypoints.http.problems.kinds import MAX_BODY
from tests.support.http.access import Guarded
from tests.support.http.api import Api
from tests.support.ui.scenes import HOSTILE
from tests.support.ui.visitor import Visitor, forms

REBOOT = "/start?type=reboot"
DEPLOY = "/start?type=deploy"


def shown(page: str, name: str) -> str:
    """What a control of the page holds."""
    found = re.search(rf'<input[^>]* name="{re.escape(name)}"[^>]*? value="([^"]*)"', page)
    if found is None:
        found = re.search(rf'<textarea[^>]* name="{re.escape(name)}"[^>]*>\n([^<]*)</textarea>', page)
    assert found is not None, name
    return html.unescape(found[1])


async def send(visitor: Visitor, path: str, page: str | None = None, **fields: str) -> httpx.Response:
    """Sends the form of the page, with these fields."""
    page = page or await visitor.see(path)
    action = path.partition("&")[0]
    key = {} if "key" in fields else {"key": shown(page, "key")}
    return await visitor.submit(page, action, **key, **fields)


async def made(api: Api) -> list[dict[str, Any]]:
    """All operations."""
    items: list[dict[str, Any]] = (await api.client.get("/v1/operations")).json()["items"]
    return items


async def test_types_are_offered() -> None:
    """As links to their forms; a name that is not declared is named."""
    visitor = Visitor(Api(with_dashboard=True))
    page = await visitor.see("/start")
    assert [f'href="/start?type={name}"' in page for name in ("build", "deploy", "reboot")] == [True] * 3
    answer = await visitor.client.get("/start?type=nope")
    assert answer.status_code == 404
    assert "The type <b>nope</b> is not declared" in answer.text
    empty = await Visitor(Api(with_dashboard=True, catalogue=OperationCatalogue())).see("/start")
    assert "opledger init" in empty


async def test_a_form_starts_an_operation() -> None:
    """With input, labels, delay, and the actor in its history; its page comes next."""
    api = Api(with_dashboard=True, actor="ops")
    visitor = Visitor(api)
    fields = {"input.machine": "m-1", "input.seconds": "7", "labels": "team=core\r\nregion=eu", "delay": "90s"}
    answer = await send(visitor, REBOOT, **fields)
    [operation] = await made(api)
    assert answer.url.path == f"/operations/{operation['id']}"
    assert operation["type"] == "reboot"
    assert operation["input"] == {"machine": "m-1", "seconds": 7}
    assert operation["labels"] == {"team": "core", "region": "eu"}
    assert operation["start_at"] == "2026-01-01T00:01:30Z"
    lines = (await api.client.get(f"/v1/operations/{operation['id']}/transitions")).json()["items"]
    assert lines[0]["actor"] == "ops"


@pytest.mark.parametrize(
    ("text", "value"), [('{"a": [1, 1.5]}', {"a": [1, 1.5]}), ("null", None), (' "x" ', "x"), ("", "missing")]
)
async def test_json_is_always_an_alternative(text: str, value: Any) -> None:
    """Any value; without a text the operation has no input."""
    api = Api(with_dashboard=True)
    await send(Visitor(api), DEPLOY, json=text)
    [operation] = await made(api)
    assert operation.get("input", "missing") == value


async def test_a_form_that_is_sent_twice_starts_one_operation() -> None:
    """The page has an idempotency key; another page has another one."""
    api = Api(with_dashboard=True)
    visitor = Visitor(api)
    page = await visitor.see(DEPLOY)
    first = await send(visitor, DEPLOY, page, json="{}")
    second = await send(visitor, DEPLOY, page, json="{}")
    assert first.url == second.url
    assert len(await made(api)) == 1
    await send(visitor, DEPLOY, json="{}")
    assert len(await made(api)) == 2


async def test_another_input_under_the_same_key_is_explained() -> None:
    """Nothing is started, nothing is lost, and the next attempt has a new key."""
    api = Api(with_dashboard=True)
    visitor = Visitor(api)
    page = await visitor.see(DEPLOY)
    await send(visitor, DEPLOY, page, json="{}")
    answer = await send(visitor, DEPLOY, page, json="[1]")
    assert answer.status_code == 409
    assert "has already started an operation, with other values" in answer.text
    assert shown(answer.text, "json") == "[1]"
    assert len(await made(api)) == 1
    await send(visitor, DEPLOY, answer.text, json="[1]")
    assert len(await made(api)) == 2


async def test_errors_are_at_their_fields() -> None:
    """With the service's words and pointers; what was typed is still there."""
    api = Api(with_dashboard=True)
    fields = {
        "input.machine": "a long name",
        "input.seconds": "many",
        "labels": "_=1\nteam",
        "delay": "soon",
        "start_at": "tomorrow",
        "key": "é",
    }
    answer = await send(Visitor(api), REBOOT, **fields)
    assert answer.status_code == 422
    page = answer.text
    for element, words, pointer in (
        ("field-1", "input.machine must have at most 8 characters", "/input/machine"),
        ("field-2", "input.seconds must be of type integer", "/input/seconds"),
        ("labels", "line 2: write a label as key=value", "/labels"),
        ("labels", "label key: 1 to 63 letters", "/labels/_"),
        ("delay", "must be a duration such as", "/delay"),
        ("start_at", "must be an RFC 3339 time", "/start_at"),
        ("key", "must be 1 to 255 printable ASCII characters", "/idempotency_key"),
    ):
        [found] = re.findall(rf'<ul class="wrong" id="{element}-wrong">(.*?)</ul>', page, re.DOTALL)
        assert words in html.unescape(found), element
        assert f"<code>{pointer}</code>" in found
        assert f'<a href="#{element}">' in page
        assert re.search(rf' id="{element}"[^>]* aria-invalid="true" aria-describedby="{element}-wrong', page), element
    assert {name: shown(page, name) for name in fields} == fields
    assert await made(api) == []


async def test_missing_values_are_named() -> None:
    """Also those that browsers ask for."""
    answer = await send(Visitor(Api(with_dashboard=True)), REBOOT)
    assert "input.machine is required" in answer.text


async def test_json_that_cannot_be_read_stays() -> None:
    """With the place of the error, and without errors that follow from it."""
    answer = await send(Visitor(Api(with_dashboard=True)), REBOOT + "&as=json", json='{"machine": m-1}')
    assert answer.status_code == 422
    assert "is not valid JSON: Expecting value at line 1, column 13" in answer.text
    assert "is required" not in answer.text
    assert shown(answer.text, "json") == '{"machine": m-1}'


@pytest.mark.parametrize("text", ['"' + "x" * MAX_BODY + '"', '"\x00"', '"\\u0000"', "[" * 200 + "]" * 200])
async def test_an_input_that_the_api_refuses_is_refused(text: str) -> None:
    """By the same limits."""
    api = Api(with_dashboard=True)
    answer = await send(Visitor(api), DEPLOY, json=text)
    assert answer.status_code == 422
    assert await made(api) == []


async def test_a_text_that_postgresql_cannot_store_is_refused() -> None:
    """It comes from no browser."""
    answer = await send(Visitor(Api(with_dashboard=True)), REBOOT, **{"input.machine": "a\x00"})
    assert "a string contains U+0000" in answer.text


async def test_fields_and_json_show_the_same_input() -> None:
    """Each as the other, without a script; options stay."""
    api = Api(with_dashboard=True)
    visitor = Visitor(api)
    page = await visitor.see(REBOOT)
    fields = {"input.machine": "m-1", "input.seconds": "7", "labels": "team=core", "switch": "yes"}
    raw = await send(visitor, REBOOT, page, **fields)
    assert json.loads(shown(raw.text, "json")) == {"machine": "m-1", "seconds": 7}
    again = await send(visitor, REBOOT, raw.text, json='{"machine": "m-2"}', labels="team=core", switch="yes")
    assert (shown(again.text, "input.machine"), shown(again.text, "input.seconds")) == ("m-2", "")
    assert shown(again.text, "labels") == "team=core"
    assert shown(again.text, "key") == shown(page, "key")
    assert await made(api) == []


@pytest.mark.parametrize("text", ['{"machine": 7}', '{"machine": "m-1", "other": 1}', "[]", '{"machine": '])
async def test_json_that_the_fields_cannot_hold_stays_json(text: str) -> None:
    """It says why."""
    answer = await send(Visitor(Api(with_dashboard=True)), REBOOT + "&as=json", json=text, switch="yes")
    assert answer.status_code == 422
    assert shown(answer.text, "json") == text
    assert "the form cannot hold this value" in answer.text or "is not valid JSON" in answer.text


async def test_an_operation_is_started_again_with_its_input() -> None:
    """In fields, or as JSON where the fields cannot hold it; with its labels."""
    api = Api(with_dashboard=True)
    visitor = Visitor(api)
    first = await api.submit(type="reboot", input={"machine": "m-1", "seconds": 7}, labels={"team": "core"})
    assert f'href="/start?from={first["id"]}"' in await visitor.see(f"/operations/{first['id']}")
    page = await visitor.see(f"/start?from={first['id']}")
    assert (shown(page, "input.machine"), shown(page, "input.seconds")) == ("m-1", "7")
    assert shown(page, "labels") == "team=core"
    second = await api.submit(type="deploy", input={"a": [None]})
    assert json.loads(shown(await visitor.see(f"/start?from={second['id']}"), "json")) == {"a": [None]}
    third = await api.submit(type="deploy")
    assert shown(await visitor.see(f"/start?from={third['id']}"), "json") == ""


async def test_an_operation_of_a_type_that_is_not_declared_cannot_be_started_again() -> None:
    """Nor retried: its page has neither."""
    api = Api(with_dashboard=True)
    operation = await api.submit(input={"a": 1})
    await api.complete(operation["id"], None)
    api.catalogue = OperationCatalogue()
    api.app = api.application()
    visitor = Visitor(api)
    page = await visitor.see(f"/operations/{operation['id']}")
    assert "/start?from=" not in page
    assert f"/operations/{operation['id']}/retry" not in [form.action for form in forms(page)]
    assert (await visitor.client.get(f"/start?from={operation['id']}")).status_code == 404


async def test_a_schema_that_has_changed_is_said() -> None:
    """The texts of the old fields are not sent as others."""
    api = Api(with_dashboard=True)
    visitor = Visitor(api)
    page = await visitor.see(REBOOT)
    schema: dict[str, Any] = {"type": "object", "properties": {"machine": {"type": "string"}, "force": {}}}
    api.catalogue = OperationCatalogue({"reboot": OperationType("reboot", "Reboot", "q", input_schema=schema)})
    api.app = api.application()
    answer = await send(Visitor(api), REBOOT, page, **{"input.machine": "m-1"})
    assert answer.status_code == 409
    assert "The schema of the type has changed" in answer.text
    assert shown(answer.text, "input.machine") == "m-1"
    assert await made(api) == []


async def test_an_unavailable_database_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same page, with the same key, can be sent again. It does not say that nothing was started: the answer to the
    commit may be what was lost."""
    api = Api(with_dashboard=True)
    visitor = Visitor(api)
    page = await visitor.see(DEPLOY)

    async def unavailable(*_: object, **__: object) -> None:
        raise DatabaseUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(api.services.ledger.submit, "submit", unavailable)
        answer = await send(visitor, DEPLOY, page, json="[1]")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert (shown(answer.text, "json"), shown(answer.text, "key")) == ("[1]", shown(page, "key"))
    assert "The operation may have been started" in answer.text
    assert "Nothing was started" not in answer.text
    sent = await send(visitor, DEPLOY, answer.text, json="[1]")
    assert sent.url.path.startswith("/operations/")


async def test_the_conflicting_operation_is_linked() -> None:
    """Where a type refuses a second one with the same workflow id."""
    declared = OperationType(
        "nightly", "Nightly", "q", workflow_id=WorkflowIdTemplate.parse("nightly"), on_running=OnRunning.REJECT
    )
    api = Api(with_dashboard=True, catalogue=OperationCatalogue({"nightly": declared}))
    visitor = Visitor(api)
    await send(visitor, "/start?type=nightly", json="")
    answer = await send(visitor, "/start?type=nightly", json="")
    [first] = await made(api)
    assert answer.status_code == 409
    assert "Workflow id in use" in answer.text
    assert f'href="/operations/{first["id"]}">The conflicting operation' in answer.text


@pytest.mark.parametrize("scopes", [{Scope.READ}, {Scope.CANCEL, Scope.READ}, {Scope.SUBMIT}])
async def test_keys_that_may_not_start_or_read_are_refused(scopes: set[Scope]) -> None:
    """They see no link to it; a form that is sent anyway is refused."""
    api = Guarded(with_dashboard=True)
    key = await api.key("a", *scopes)
    answer = await api.ask("GET", "/start", key)
    assert answer.status_code == 403
    assert "needs the scope" in answer.text
    assert 'href="/start">Start' not in answer.text
    for path in ("/types", "/types/one?name=deploy", "/operations"):
        assert 'href="/start' not in (await api.ask("GET", path, key)).text
    own = (await api.ask("POST", DEPLOY, key, data={"form_token": "x"})).status_code
    assert own == 403


async def test_keys_that_may_start_see_the_links() -> None:
    """In the navigation, and on the pages of the types."""
    api = Guarded(with_dashboard=True)
    key = await api.key("a", Scope.READ, Scope.SUBMIT)
    for path in ("/types", "/types/one?name=deploy"):
        page = (await api.ask("GET", path, key)).text
        assert 'href="/start"' in page
        assert 'href="/start?type=deploy"' in page


async def test_a_form_needs_its_token() -> None:
    """As other actions do."""
    api = Api(with_dashboard=True)
    answer = await api.client.post(DEPLOY, data={"json": "{}", "key": "k"})
    assert answer.status_code == 403
    assert await made(api) == []


async def test_the_input_of_another_tenant_is_not_shown() -> None:
    """Its id is as unknown as any other."""
    api = Guarded(with_dashboard=True)
    owner, other = await api.key("a", name="owner"), await api.key("b", name="other")
    body = {"type": "deploy", "input": "secret"}
    operation = (await api.client.post("/v1/operations", json=body, headers=owner)).json()["id"]
    assert "secret" in (await api.ask("GET", f"/start?from={operation}", owner)).text
    hidden = await api.ask("GET", f"/start?from={operation}", other)
    assert hidden.status_code == 404
    assert "secret" not in hidden.text


async def test_hostile_texts_are_only_text() -> None:
    """In the schema, in the input, and in what was typed."""
    hostile: dict[str, Any] = {
        "type": "object",
        "description": HOSTILE,
        "properties": {
            HOSTILE: {"type": "string", "title": HOSTILE, "description": HOSTILE, "default": HOSTILE},
            "choice": {"enum": [HOSTILE, "b"], "description": HOSTILE},
            "json": {"type": "array", "examples": [HOSTILE]},
        },
        "required": [HOSTILE],
    }
    declared = OperationType(HOSTILE, HOSTILE, HOSTILE, HOSTILE, input_schema=hostile)
    api = Api(with_dashboard=True, catalogue=OperationCatalogue({HOSTILE: declared}))
    visitor = Visitor(api)
    path = f"/start?{httpx.QueryParams(type=HOSTILE)}"
    pages = [await visitor.see("/start"), await visitor.see(path), await visitor.see(f"{path}&as=json")]
    form = next(form for form in forms(pages[1]) if form.action.startswith("/start"))
    typed = dict.fromkeys(("labels", "delay", "start_at", "key", "input.choice", "input.json"), HOSTILE)
    answer = await visitor.client.post(form.action, data={**form.hidden, **typed})
    assert answer.status_code == 422
    for page in [*pages, answer.text]:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page
