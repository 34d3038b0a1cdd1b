"""POST /v1/operations."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from domain.errors import Violation
from domain.operation.operation import MISSING
from tests.support.http.api import Api, problem


async def test_a_202_has_location_and_operation() -> None:
    """And Retry-After."""
    api = Api()
    body = {"type": "deploy", "input": {"seconds": 3}, "labels": {"team": "a"}}
    answer = await api.client.post("/v1/operations", json=body)
    assert answer.status_code == 202
    made = answer.json()
    assert answer.headers["location"] == f"/v1/operations/{made['id']}"
    assert answer.headers["retry-after"] == "1"
    assert "idempotent-replayed" not in answer.headers
    assert made == {
        "id": made["id"],
        "type": "deploy",
        "status": "ACCEPTED",
        "done": False,
        "input": {"seconds": 3},
        "labels": {"team": "a"},
        "result": None,
        "error": None,
        "progress": None,
        "accepted_at": "2026-01-01T00:00:00Z",
        "started_at": None,
        "finished_at": None,
        "updated_at": "2026-01-01T00:00:00Z",
        "cancel_requested": None,
        "attention": None,
        "execution": {"workflow_id": made["id"], "origin": "LEDGER"},
        "retry_of": None,
        "retried_by": None,
        "keep": False,
        "start_at": None,
        "parent_id": None,
        "version": 1,
    }


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Calls of the validator: its method and the thread."""
    threads: list[tuple[str, int]] = []

    def noting(name: str) -> Callable[..., Any]:
        work = getattr(JsonSchemaInputValidator, name)

        def noted(*arguments: Any) -> Any:
            threads.append((name, threading.get_ident()))
            return work(*arguments)

        return noted

    for name in ("accepts", "violations"):
        monkeypatch.setattr(JsonSchemaInputValidator, name, noting(name))
    return threads


async def test_refused_input_is_explained_in_a_thread(checks: list[tuple[str, int]]) -> None:
    """Hazard 36: an explanation costs more than the verdict, so other requests go on meanwhile."""
    problem(await Api().client.post("/v1/operations", json={"type": "reboot", "input": {"machine": 1}}), 422)
    assert [name for name, _ in checks] == ["accepts", "violations"]
    assert checks[-1][1] != threading.get_ident()


@pytest.mark.parametrize("value", ["x" * 40_000, [1.5] * 4_000, [["y" * 100, {"z": 1}]] * 300, {"k" * 40_000: 1}])
async def test_large_input_is_checked_in_a_thread(checks: list[tuple[str, int]], value: Any) -> None:
    """Also a valid one, of whatever is large in it."""
    body = {"type": "reboot", "input": {"machine": "m", "more": value}}
    await Api().client.post("/v1/operations", json=body)
    assert checks
    assert threading.get_ident() not in {thread for _, thread in checks}


async def test_other_requests_are_answered_during_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """/livez too, and before the check is over."""
    checking, answered = threading.Event(), threading.Event()
    in_time: list[bool] = []

    def slow(*_: Any) -> list[Violation]:
        checking.set()
        in_time.append(answered.wait(10))
        return [Violation("input is hostile", "/input")]

    monkeypatch.setattr(JsonSchemaInputValidator, "violations", slow)
    api = Api()
    body = {"type": "reboot", "input": {"machine": "m", "more": [1.5] * 4_000}}
    submission = asyncio.create_task(api.client.post("/v1/operations", json=body))
    assert await asyncio.to_thread(checking.wait, 10)
    assert (await api.client.get("/livez")).status_code == 200
    answered.set()
    problem(await submission, 422)
    assert in_time == [True]


async def test_small_valid_input_is_checked_without_a_thread(checks: list[tuple[str, int]]) -> None:
    """A thread costs more than the check."""
    answer = await Api().client.post("/v1/operations", json={"type": "reboot", "input": {"machine": "m"}})
    assert answer.status_code == 202
    assert checks == [("accepts", threading.get_ident())]


@pytest.mark.parametrize("value", [{}, None, [], 0, "", False, 1.0, -0.0, 10**300, {"b": 1, "a": [2.50, {}]}, "ä𝄞"])
async def test_every_input_arrives_unchanged(value: Any) -> None:
    """Hazard 7: an empty input is not a missing one; the order of fields and the kinds of numbers stay."""
    api = Api()
    made = await api.submit(input=value)
    [stored] = (await api.store.queries("default").page(_all(), newest_first=True, after=None, limit=1)).items
    assert repr(stored.input) == repr(value)
    assert repr(made["input"]) == repr(value)


async def test_a_missing_input_stays_missing() -> None:
    """It is absent from the response, because null is another input."""
    api = Api()
    made = await api.submit()
    assert "input" not in made
    [stored] = (await api.store.queries("default").page(_all(), newest_first=True, after=None, limit=1)).items
    assert stored.input is MISSING


async def test_the_same_key_and_body_give_the_first_response() -> None:
    """Hazard 6: the operation has started since."""
    api = Api()
    headers = {"Idempotency-Key": "k 1"}
    first = await api.client.post("/v1/operations", json={"type": "deploy", "input": 1}, headers=headers)
    await api.start(first.json()["id"])
    again = await api.client.post(
        "/v1/operations",
        content=b'{"input": 1, "type": "deploy"}',
        headers=headers | {"content-type": "application/json"},
    )
    assert again.status_code == 202
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert (await api.client.get("/v1/operations/counts")).json()["by_status"]["RUNNING"] == 1


async def test_the_same_key_with_another_body_is_refused() -> None:
    """422 with the header's name. A missing input and null are different bodies."""
    api = Api()
    headers = {"Idempotency-Key": "k"}
    await api.client.post("/v1/operations", json={"type": "deploy"}, headers=headers)
    answer = await api.client.post("/v1/operations", json={"type": "deploy", "input": None}, headers=headers)
    assert problem(answer, 422)["errors"][0]["header"] == "Idempotency-Key"


@pytest.mark.parametrize("key", [b"", b"x" * 256, "ä".encode(), b"a\tb", b"\xff"])
async def test_an_idempotency_key_is_printable_ascii(key: bytes) -> None:
    """1 to 255 characters; otherwise 400 with the header's name."""
    headers = [(b"Idempotency-Key", key)]
    answer = await Api().client.post("/v1/operations", json={"type": "deploy"}, headers=headers)
    assert problem(answer, 400)["errors"] == [
        {"detail": "must be 1 to 255 printable ASCII characters", "header": "Idempotency-Key"}
    ]


async def test_two_idempotency_keys_are_refused() -> None:
    """It is ambiguous which one counts."""
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    answer = await Api().client.post("/v1/operations", json={"type": "deploy"}, headers=headers)
    assert problem(answer, 400)["errors"][0]["header"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"type": "nope"}, "/type"),
        ({}, "/type"),
        ({"type": ""}, "/type"),
        ({"type": "x" * 256}, "/type"),
        ({"type": 5}, "/type"),
        ({"type": "deploy", "nope": 1}, "/nope"),
        ({"type": "deploy", "a/b~c": 1}, "/a~1b~0c"),
        ({"type": "deploy", "labels": []}, "/labels"),
        ({"type": "deploy", "labels": {"ok": "a", "a/b": 1}}, "/labels/a~1b"),
        ({"type": "deploy", "labels": {"a b": "1"}}, "/labels/a b"),
        ({"type": "deploy", "labels": {"a": "x" * 256}}, "/labels/a"),
        ({"type": "deploy", "labels": {str(n): "" for n in range(33)}}, "/labels"),
        ({"type": "reboot"}, "/input"),
        ({"type": "reboot", "input": None}, "/input"),
        ({"type": "reboot", "input": {}}, "/input/machine"),
        ({"type": "reboot", "input": {"machine": "m", "seconds": 3601}}, "/input/seconds"),
        ({"type": "reboot", "input": {"machine": "m", "x": 1}}, "/input/x"),
        ([], ""),
        ("deploy", ""),
    ],
)
async def test_an_invalid_body_is_422_with_pointers(body: Any, pointer: str) -> None:
    """RFC 6901 pointers to the fields; nothing is stored."""
    api = Api()
    errors = problem(await api.client.post("/v1/operations", json=body), 422)["errors"]
    assert [error["pointer"] for error in errors] == [pointer]
    assert (await api.client.get("/v1/operations")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"nope": 1, "labels": {"a": 1, "b": None}}, ["/type", "/labels/a", "/labels/b", "/nope"]),
        ({"type": 5, "labels": {"": "x", "b/": "x"}}, ["/type", "/labels/", "/labels/b~1"]),
        ({"type": "nope", "labels": {"a b": "1", "c": "\n"}}, ["/type", "/labels/a b", "/labels/c"]),
        ({"type": "reboot", "labels": {"": "x"}, "x": 1}, ["/x", "/input", "/labels/"]),
        (
            {"type": "reboot", "input": {"seconds": 3601, "x": 1}, "labels": [], "y": 1},
            ["/labels", "/y", "/input/machine", "/input/seconds", "/input/x"],
        ),
        (
            {"type": "reboot", "input": {"machine": "m" * 9, "seconds": "1"}, "labels": {"a": "x" * 256}},
            ["/input/machine", "/input/seconds", "/labels/a"],
        ),
    ],
)
async def test_every_error_of_a_body_is_reported(body: Any, pointers: list[str]) -> None:
    """Those of its fields and of its input, alone and in a batch."""
    api = Api()
    answer = problem(await api.client.post("/v1/operations", json=body), 422)
    assert sorted(error["pointer"] for error in answer["errors"]) == sorted(pointers)
    assert answer["detail"].endswith(f"({len(pointers) - 1} more)")
    [item] = (await api.client.post("/v1/operations/batch", json={"operations": [body]})).json()["items"]
    assert [error["pointer"] for error in item["problem"]["errors"]] == [
        f"/operations/0{error['pointer']}" for error in answer["errors"]
    ]


async def test_the_number_of_errors_is_limited() -> None:
    """The first ones are reported."""
    body = {"type": "reboot", "input": {f"i{n}": 1 for n in range(500)}} | {f"f{n}": 1 for n in range(500)}
    errors = problem(await Api().client.post("/v1/operations", json=body), 422)["errors"]
    assert 20 <= len(errors) <= 52


def _all() -> Any:
    from application.ports.storage.operation_queries import OperationFilter

    return OperationFilter()


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("headers", "carried"),
    [
        ([("traceparent", PARENT)], {"traceparent": PARENT}),
        ([("Traceparent", PARENT), ("tracestate", "a=1")], {"traceparent": PARENT, "tracestate": "a=1"}),
        (
            [("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")],
            {"traceparent": PARENT, "tracestate": "a=1,b=2"},
        ),
        ([("traceparent", PARENT), ("tracestate", "a=" + "x" * 256 + ",b=" + "x" * 256)], {"traceparent": PARENT}),
        ([("traceparent", PARENT), ("traceparent", PARENT)], {}),
        ([("traceparent", PARENT.upper())], {}),
        ([("traceparent", "00-" + "0" * 32 + "-b7ad6b7169203331-01")], {}),
        ([("traceparent", "ff" + PARENT[2:])], {}),
        ([("traceparent", "nonsense"), ("tracestate", "a=1")], {}),
        ([("tracestate", "a=1")], {}),
        ([], {}),
    ],
)
async def test_the_trace_of_the_request_is_kept(headers: list[tuple[str, str]], carried: dict[str, str]) -> None:
    """W3C Trace Context. An invalid trace is ignored."""
    api = Api()
    answer = await api.client.post("/v1/operations", json={"type": "deploy"}, headers=headers)
    assert answer.status_code == 202
    async with api.store.units() as unit:
        operation = await unit.operations.get(UUID(answer.json()["id"]))
    assert operation is not None
    assert operation.trace == carried
