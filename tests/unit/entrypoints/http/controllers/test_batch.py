"""POST /v1/operations/batch."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from entrypoints.http.controllers.batch import MAX_BATCH_BYTES
from entrypoints.http.problems.kinds import MAX_BODY
from entrypoints.http.requests import json_body as bodies
from entrypoints.http.requests.batch_schemas import MAX_BATCH_OPERATIONS
from tests.support.http.api import Api, problem, scope_of

URL = "/v1/operations/batch"


async def answers(api: Api, *operations: Any) -> list[dict[str, Any]]:
    """Returns the status of each submission's answer."""
    answer = await api.client.post(URL, json={"operations": operations})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    assert len(items) == len(operations)
    for item in items:
        assert item.keys() == {"status", "operation", "replayed", "problem"}
        assert (item["operation"] is None) == (item["problem"] is not None) == (item["status"] != 202)
    return items


async def stored(api: Api) -> list[str]:
    """Returns the ids of all stored operations."""
    return [item["id"] for item in (await api.client.get("/v1/operations", params={"page_size": 200})).json()["items"]]


async def test_a_large_batch_delays_no_other_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits, streams and /livez go on while it is parsed and checked against the schemas: neither is in the event
    loop's thread."""
    threads: list[tuple[str, int]] = []

    def noting(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            threads.append((name, threading.get_ident()))
            return work(*arguments)

        return noted

    monkeypatch.setattr(bodies, "parse_json", noting("read", bodies.parse_json))
    checked = noting("checked", JsonSchemaInputValidator.violations)
    monkeypatch.setattr(JsonSchemaInputValidator, "violations", lambda *arguments: checked(*arguments))
    asked = {"type": "reboot", "input": {"machine": "m", "more": [1.5] * 1_500}}
    body = json.dumps({"operations": [asked] * MAX_BATCH_OPERATIONS}).encode()
    answer = await Api().client.post(URL, content=body, headers={"content-type": "application/json"})
    assert {item["status"] for item in answer.json()["items"]} == {422}
    assert {name for name, _ in threads} == {"read", "checked"}
    assert threading.get_ident() not in {thread for _, thread in threads}


async def test_each_submission_is_accepted_as_if_sent_alone() -> None:
    """Any input, missing and null included, labels, and the actor in the history, in the order of the request."""
    api = Api(actor="ci")
    asked: list[dict[str, Any]] = [
        {"type": "deploy", "input": {"seconds": 3}, "labels": {"team": "a"}},
        {"type": "build"},
        {"type": "deploy", "input": None},
    ]
    items = await answers(api, *asked)
    assert [item["status"] for item in items] == [202] * 3
    for item, submission in zip(items, asked, strict=True):
        operation = item["operation"]
        assert operation == (await api.client.get(f"/v1/operations/{operation['id']}")).json()
        assert operation["type"] == submission["type"]
        assert ("input" in operation) == ("input" in submission)
        assert operation.get("input") == submission.get("input")
        history = (await api.client.get(f"/v1/operations/{operation['id']}/transitions")).json()["items"]
        assert [line["actor"] for line in history] == ["ci"]
    assert items[0]["operation"]["labels"] == {"team": "a"}


@pytest.mark.parametrize(
    ("wrong", "pointer", "kind"),
    [
        ({"type": "undeclared"}, "/type", "unknown-operation-type"),
        ({}, "/type", "invalid-field"),
        ({"type": 1}, "/type", "invalid-field"),
        ({"type": ""}, "/type", "invalid-field"),
        ({"type": "deploy", "inptu": 1}, "/inptu", "invalid-field"),
        ({"type": "reboot"}, "/input", "invalid-field"),
        ({"type": "reboot", "input": {"machine": "m", "seconds": 1e9}}, "/input/seconds", "invalid-field"),
        ({"type": "deploy", "labels": {"a/b": 1}}, "/labels/a~1b", "invalid-field"),
        ({"type": "deploy", "labels": {"-": "x"}}, "/labels/-", "invalid-field"),
        ({"type": "deploy", "labels": {f"l{n}": "" for n in range(33)}}, "/labels", "invalid-field"),
        ({"type": "deploy", "idempotency_key": ""}, "/idempotency_key", "invalid-field"),
        ({"type": "deploy", "idempotency_key": "é"}, "/idempotency_key", "invalid-field"),
        ({"type": "deploy", "idempotency_key": "x" * 256}, "/idempotency_key", "invalid-field"),
        ({"type": "deploy", "idempotency_key": None}, "/idempotency_key", "invalid-field"),
        ({"type": "deploy", "idempotency_key": "used"}, "/idempotency_key", "idempotency-key-reused"),
        ([], "", "invalid-field"),
        (None, "", "invalid-field"),
        ("deploy", "", "invalid-field"),
    ],
    ids=str,
)
async def test_an_invalid_submission_is_answered_in_its_place(wrong: Any, pointer: str, kind: str) -> None:
    """Its problem points to the field in the batch. The other submissions are accepted."""
    api = Api()
    await answers(api, {"type": "build", "idempotency_key": "used"})
    before, refused, after = await answers(api, {"type": "deploy"}, wrong, {"type": "build"})
    assert (before["status"], refused["status"], after["status"]) == (202, 422, 202)
    assert refused["problem"]["type"] == f"urn:opledger:problem:{kind}"
    assert refused["problem"]["status"] == 422
    [error] = refused["problem"]["errors"]
    assert error["pointer"] == f"/operations/1{pointer}"
    assert error["detail"]
    assert set((await stored(api))[:2]) == {before["operation"]["id"], after["operation"]["id"]}
    assert len(await stored(api)) == 3


async def test_a_submission_that_is_too_large_is_refused_in_its_place() -> None:
    """413: the limit of a single submission holds in a batch too."""
    api = Api()
    frame = len(json.dumps({"type": "deploy", "input": ""}, separators=(",", ":")))
    largest, larger = ("x" * (MAX_BODY - frame + extra) for extra in (0, 1))
    fits, refused = await answers(api, {"type": "deploy", "input": largest}, {"type": "deploy", "input": larger})
    assert (fits["status"], refused["status"]) == (202, 413)
    assert refused["problem"]["type"] == "urn:opledger:problem:body-too-large"
    assert refused["problem"]["errors"] == [
        {"detail": f"exceeds {MAX_BODY} bytes, the limit of one submission", "pointer": "/operations/1"}
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/operations"),
        ([], ""),
        ({"operations": []}, "/operations"),
        ({"operations": {}}, "/operations"),
        ({"operations": [{"type": "deploy"}] * (MAX_BATCH_OPERATIONS + 1)}, "/operations"),
        ({"operations": [{"type": "deploy"}], "atomic": True}, "/atomic"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_an_invalid_batch_is_refused(body: Any, pointer: str) -> None:
    """422, and nothing is stored."""
    api = Api()
    assert problem(await api.client.post(URL, json=body), 422)["errors"][0]["pointer"] == pointer
    assert await stored(api) == []


async def test_a_batch_may_have_500_submissions() -> None:
    """The limit."""
    api = Api()
    items = await answers(api, *({"type": "deploy", "input": number} for number in range(MAX_BATCH_OPERATIONS)))
    assert [item["operation"]["input"] for item in items] == list(range(MAX_BATCH_OPERATIONS))


async def test_a_batch_has_a_size_limit_of_its_own() -> None:
    """4 MiB, named in the 413: four of the largest single submissions, or more smaller ones."""
    api = Api()
    frame = len(json.dumps({"operations": []})) + 15 * len(json.dumps({"type": "deploy", "input": ""}) + ", ") - 2
    room = (MAX_BATCH_BYTES - frame) // 15
    operations = [
        {"type": "deploy", "input": "x" * size} for size in [room] * 14 + [MAX_BATCH_BYTES - frame - 14 * room]
    ]
    content = json.dumps({"operations": operations}).encode()
    assert len(content) == MAX_BATCH_BYTES
    json_type = {"content-type": "application/json"}
    answer = await api.client.post(URL, content=content, headers=json_type)
    assert answer.status_code == 200, answer.text
    too_large = await api.client.post(URL, content=content + b" ", headers=json_type)
    assert str(MAX_BATCH_BYTES) in problem(too_large, 413)["detail"]


async def test_a_repeated_batch_gives_the_first_operations() -> None:
    """Submissions with a key get their first response; those without are accepted again."""
    api = Api()
    asked = [{"type": "deploy", "input": 1, "idempotency_key": "a"}, {"type": "deploy", "input": 2}]
    first = await answers(api, *asked)
    await api.start(first[0]["operation"]["id"])
    again = await answers(api, *asked)
    assert again[0] == first[0] | {"replayed": True}
    assert again[1]["operation"]["id"] != first[1]["operation"]["id"]
    assert not again[1]["replayed"]


async def test_a_key_may_occur_twice_in_a_batch() -> None:
    """An equal submission is a repeat, another one is refused."""
    api = Api()
    one = {"type": "deploy", "input": 1, "idempotency_key": "k"}
    first, again, other = await answers(api, one, one, one | {"input": 2})
    assert (first["replayed"], again["replayed"], other["status"]) == (False, True, 422)
    assert first["operation"] == again["operation"]
    assert len(await stored(api)) == 1


async def test_keys_are_shared_with_single_submissions() -> None:
    """A client that falls back to single submissions creates nothing twice."""
    api = Api()
    [item] = await answers(api, {"type": "deploy", "input": 1, "idempotency_key": "k"})
    body = {"type": "deploy", "input": 1}
    alone = await api.client.post("/v1/operations", json=body, headers={"Idempotency-Key": "k"})
    assert alone.headers["idempotent-replayed"] == "true"
    assert alone.json() == item["operation"]


async def test_an_idempotency_key_of_the_batch_is_refused() -> None:
    """It would have no effect."""
    api = Api()
    answer = await api.client.post(URL, json={"operations": [{"type": "deploy"}]}, headers={"Idempotency-Key": "k"})
    assert problem(answer, 400)["errors"][0]["header"] == "Idempotency-Key"
    assert await stored(api) == []


async def test_a_batch_has_no_other_method_than_post() -> None:
    """ "batch" is not read as the id of an operation."""
    answer = await Api().client.get(URL)
    problem(answer, 405)
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize("more", [{}, {"z": 1}], ids=["its input alone", "another field is wrong too"])
async def test_a_disconnect_stops_the_checks(monkeypatch: pytest.MonkeyPatch, more: dict[str, object]) -> None:
    """They run in a thread, whatever else is invalid. Nothing is stored."""
    api = Api()
    checking, gone = threading.Event(), threading.Event()
    checked: list[object] = []

    def slow(self: Any, operation_type: Any, value: Any) -> list[Any]:
        checked.append(value)
        checking.set()
        assert gone.wait(10)
        return []

    monkeypatch.setattr(JsonSchemaInputValidator, "violations", slow)
    body = json.dumps({"operations": [{"type": "reboot", **more}] * MAX_BATCH_OPERATIONS}).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        if not messages:
            await asyncio.to_thread(checking.wait, 10)
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await api.app(scope_of("POST", URL, b"", [(b"content-type", b"application/json")]), receive, send)
    gone.set()
    assert sent[0]["status"] == 499
    assert len(checked) < MAX_BATCH_OPERATIONS
    assert await stored(api) == []
