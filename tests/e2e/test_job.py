"""The main job over HTTP: every type meets every fate, and the ledger says what Temporal says. Call by call, the
contract."""

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError

from tests.support.eventually import eventually
from tests.support.stack.commands import Stack
from tests.support.stack.ledger import ENGINES_WORD, Ledger, Shown, each_ran_once

TYPES = {"deploy": "deployed", "commission": "commissioned", "release": "released"}
LONG = 600.0
"""Seconds that no test waits for: such an operation is ended from outside."""


@dataclass(frozen=True)
class Ending:
    """An operation that is done, with its history."""

    shown: Shown
    lines: list[dict[str, Any]]

    @property
    def error(self) -> dict[str, Any]:
        """The error, after a look at what goes with one."""
        assert (self.shown["status"], self.shown["result"]) == ("FAILED", None), self
        error: dict[str, Any] = self.shown["error"]
        return error

    @property
    def path(self) -> list[str]:
        return [line["to"] for line in self.lines if line["from"] != line["to"]]


class Fates:
    """What can happen to an operation: made to happen for each type, all at the same time."""

    def __init__(self, ledger: Ledger, temporal: Client) -> None:
        self._ledger = ledger
        self._temporal = temporal

    async def completes(self, kind: str) -> str:
        return await self._ledger.submit(kind, 1, machine=kind)

    async def fails(self, kind: str) -> str:
        return await self._ledger.submit(kind, 1, "failure", machine=kind)

    async def times_out(self, kind: str) -> str:
        return await self._ledger.submit(f"{kind}-soon", LONG)

    async def cancelled(self, kind: str) -> str:
        operation_id = await self._running(kind)
        asked = await self._ledger.cancel(operation_id, reason="no longer wanted")
        assert asked["status"] == "RUNNING"
        assert asked["cancel_requested"]["reason"] == "no longer wanted"
        return operation_id

    async def forced(self, kind: str) -> str:
        operation_id = await self._running(kind)
        assert (await self._ledger.cancel(operation_id, reason="burning", force=True))["cancel_requested"]["force"]
        return operation_id

    async def terminated(self, kind: str) -> str:
        operation_id = await self._running(kind)
        await self._temporal.get_workflow_handle(operation_id).terminate(reason="power is going off")
        return operation_id

    async def deleted(self, kind: str) -> str:
        operation_id = await self._running(kind)
        await self._temporal.workflow_service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(
                namespace="default", workflow_execution=WorkflowExecution(workflow_id=operation_id)
            ),
            retry=True,
        )
        return operation_id

    async def _running(self, kind: str) -> str:
        operation_id = await self._ledger.submit(kind, LONG)
        await self._ledger.until_running(operation_id)
        return operation_id


async def until_started(temporal: Client, operation_id: str) -> None:
    """Until Temporal has the operation's workflow."""

    async def check() -> bool:
        try:
            await temporal.get_workflow_handle(operation_id).describe()
        except RPCError:
            return False
        return True

    await eventually(check, "the start")


FATES = ("completes", "fails", "times_out", "cancelled", "forced", "terminated", "deleted")


@pytest.fixture(scope="module")
async def endings(stack: Stack, temporal: Client) -> dict[tuple[str, str], Ending]:
    """Every type's every fate."""
    fates = Fates(stack.ledger, temporal)
    cases = [(kind, fate) for kind in TYPES for fate in FATES]
    ids = await asyncio.gather(*(getattr(fates, fate)(kind) for kind, fate in cases))
    shown = await stack.ledger.until_done(*ids)
    histories = await asyncio.gather(*map(stack.ledger.history, ids))
    return {case: Ending(*ending) for case, ending in zip(cases, zip(shown, histories, strict=True), strict=True)}


@pytest.fixture(params=TYPES)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def frozen_worker(stack: Stack) -> Iterator[None]:
    """The stack's worker process hangs, and with it the dispatcher."""
    pid = stack.pids()["worker"]
    os.kill(pid, signal.SIGSTOP)
    yield
    os.kill(pid, signal.SIGCONT)


Endings = dict[tuple[str, str], Ending]


async def test_completed_operation_has_the_result_of_its_workflow(endings: Endings, kind: str) -> None:
    """An operation that completes has its workflow's result, no error, and went ACCEPTED, RUNNING, COMPLETED."""
    ending = endings[kind, "completes"]
    assert (ending.shown["status"], ending.shown["done"], ending.shown["error"]) == ("COMPLETED", True, None)
    assert ending.shown["result"] == {"machine": kind, "state": TYPES[kind]}
    assert ending.path == ["ACCEPTED", "RUNNING", "COMPLETED"]
    assert ending.lines[0]["source"] == "CLIENT"
    times = [ending.shown[name] for name in ("accepted_at", "started_at", "finished_at", "updated_at")]
    assert times == sorted(times)
    assert all(time.endswith("Z") for time in times)


async def test_failed_operation_has_the_root_cause(endings: Endings, kind: str) -> None:
    """The error has the root cause's words, not "Activity task failed" (hazard 13)."""
    ending = endings[kind, "fails"]
    assert ending.error["code"] == "WORKFLOW_FAILED"
    assert ending.error["message"] == f"machine {kind} did not pass inspection"
    assert ending.path == ["ACCEPTED", "RUNNING", "FAILED"]


async def test_timed_out_operation_names_the_limit(endings: Endings, kind: str) -> None:
    """A workflow that Temporal times out cannot report that: Temporal's word does, with the limit (hazard 18)."""
    ending = endings[kind, "times_out"]
    assert ending.error["code"] == "TIMED_OUT"
    assert ending.error["message"] == "the workflow did not close within its execution timeout of 15 s"
    assert ending.path == ["ACCEPTED", "RUNNING", "FAILED"]
    assert ending.lines[-1]["source"] in ENGINES_WORD


async def test_cancelled_while_running(endings: Endings, kind: str) -> None:
    """A cancel request reaches the workflow, which ends CANCELED with the client's reason (hazard 9)."""
    ending = endings[kind, "cancelled"]
    assert (ending.error["code"], ending.error["message"]) == ("CANCELED", "no longer wanted")
    assert ending.shown["cancel_requested"]["delivered_at"]
    assert any("cancellation requested: no longer wanted" in line["reason"] for line in ending.lines)
    assert ending.path == ["ACCEPTED", "RUNNING", "FAILED"]


async def test_forced_cancellation_terminates_with_the_reason(endings: Endings, kind: str) -> None:
    """`force` terminates, with the client's reason."""
    ending = endings[kind, "forced"]
    assert (ending.error["code"], ending.error["message"]) == ("TERMINATED", "burning")
    assert ending.path == ["ACCEPTED", "RUNNING", "FAILED"]


async def test_terminated_from_outside(endings: Endings, kind: str) -> None:
    """P4: a workflow terminated in Temporal is FAILED/TERMINATED, with identity and reason (hazard 24)."""
    ending = endings[kind, "terminated"]
    assert (ending.error["code"], ending.error["message"]) == ("TERMINATED", "power is going off")
    assert ending.lines[-1]["actor"] == "operator@console"
    assert ending.lines[-1]["source"] in ENGINES_WORD
    assert ending.path == ["ACCEPTED", "RUNNING", "FAILED"]


async def test_deleted_while_running(endings: Endings, kind: str) -> None:
    """An execution that Temporal no longer knows never stays RUNNING, and is never run again. Temporal ends what it
    deletes first: who asks in the tenth of a second between the two sees a termination, which is as true."""
    ending = endings[kind, "deleted"]
    assert ending.error["code"] in ("EXECUTION_LOST", "TERMINATED")
    assert ending.path == ["ACCEPTED", "RUNNING", "FAILED"]


async def test_cancelled_before_the_start(stack: Stack, ledger: Ledger, temporal: Client, frozen_worker: None) -> None:
    """Before the first attempt to start it a cancel ends the operation at once, and it is never started."""
    operation_id = await ledger.submit()
    cancelled = await ledger.cancel(operation_id, reason="changed my mind")
    assert (cancelled["status"], cancelled["done"], cancelled["started_at"]) == ("FAILED", True, None)
    assert cancelled["error"]["code"] == "CANCELED"
    assert await ledger.path(operation_id) == ["ACCEPTED", "FAILED"]
    os.kill(stack.pids()["worker"], signal.SIGCONT)
    await ledger.until_done(await ledger.submit())
    assert (await ledger.get(operation_id)) == cancelled
    with pytest.raises(RPCError):
        await temporal.get_workflow_handle(operation_id).describe()


async def test_terminated_before_the_first_task(ledger: Ledger, temporal: Client) -> None:
    """A workflow that no worker ever took up stays ACCEPTED, and terminated then it does not stay so (hazard 17)."""
    operation_id = await ledger.submit("elsewhere")

    await until_started(temporal, operation_id)
    assert (await ledger.get(operation_id))["status"] == "ACCEPTED"
    await temporal.get_workflow_handle(operation_id).terminate(reason="nobody comes")
    [shown] = await ledger.until_done(operation_id)
    assert (shown["error"]["code"], shown["error"]["message"]) == ("TERMINATED", "nobody comes")
    assert await ledger.path(operation_id) == ["ACCEPTED", "FAILED"]
    assert shown["started_at"] is None


async def test_refused_by_temporal(ledger: Ledger) -> None:
    """A start that the server will never take is START_REJECTED in its words, and stops no other (hazard 5)."""
    refused, fine = await ledger.submit("refused"), await ledger.submit()
    [rejected, completed] = await ledger.until_done(refused, fine)
    assert rejected["error"]["code"] == "START_REJECTED"
    assert "/_sys/" in rejected["error"]["message"]
    assert await ledger.path(refused) == ["ACCEPTED", "FAILED"]
    assert completed["status"] == "COMPLETED"


async def test_progress_of_a_running_operation_changes_its_version(ledger: Ledger) -> None:
    """A running operation says how far it is, and each change is a new version."""
    operation_id = await ledger.submit(seconds=LONG)
    [shown] = await ledger.until("progress", [operation_id], lambda shown: shown["progress"] is not None)
    assert shown["progress"] == {"fraction": 0.0, "message": "reserving the machine", "steps": []}
    assert (shown["status"], shown["done"], shown["finished_at"]) == ("RUNNING", False, None)
    await ledger.cancel(operation_id, force=True)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The answer as the problem that it has to be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert {"type", "title", "detail"} <= body.keys()
    return body


INPUT = {"machine": "m1", "seconds": 0}


async def test_submit_and_read(ledger: Ledger) -> None:
    """202 with Location, Retry-After and the operation; reading it has an ETag, 304 for it, and Retry-After while it
    is not done."""
    body = {"type": "elsewhere", "input": {"anything": [1, None, {}]}, "labels": {"team": "a"}}
    accepted = await ledger.http.post("/v1/operations", json=body)
    assert accepted.status_code == 202
    shown = accepted.json()
    assert (shown["status"], shown["done"], shown["input"], shown["labels"], shown["version"]) == (
        "ACCEPTED",
        False,
        body["input"],
        body["labels"],
        1,
    )
    assert accepted.headers["location"] == f"/v1/operations/{shown['id']}"
    assert accepted.headers["retry-after"] == "1"
    read = await ledger.http.get(accepted.headers["location"])
    assert read.headers["etag"] == f'"{read.json()["version"]}"'
    assert read.headers["retry-after"] == "1"
    done = await ledger.http.get(f"/v1/operations/{(await ledger.until_done(await ledger.submit()))[0]['id']}")
    assert "retry-after" not in done.headers
    again = await ledger.http.get(done.url, headers={"If-None-Match": done.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", done.headers["etag"])
    assert (await ledger.http.get(done.url, headers={"If-None-Match": '"0"'})).status_code == 200


async def test_requests_with_one_idempotency_key_make_one_operation(ledger: Ledger, temporal: Client) -> None:
    """The same key and body, many times at once and later: one operation, one execution, the first answer again
    (hazard 6). The key with another body is 422."""
    body = {"type": "deploy", "input": INPUT, "labels": {"burst": "one-key"}}
    key = {"Idempotency-Key": "test_job one key"}
    answers = await asyncio.gather(*(ledger.http.post("/v1/operations", json=body, headers=key) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    operation_id = answers[0].json()["id"]
    await ledger.until_done(operation_id)
    late = await ledger.http.post("/v1/operations", json=body, headers=key)
    assert (late.status_code, late.content, late.headers["idempotent-replayed"]) == (202, answers[0].content, "true")
    other = await ledger.http.post("/v1/operations", json={**body, "labels": {}}, headers=key)
    assert problem(other, 422)["type"].endswith("idempotency-key-reused")
    assert len(await ledger.labelled(burst="one-key")) == 1
    await each_ran_once(temporal, [operation_id])


async def test_what_is_not_accepted(ledger: Ledger) -> None:
    """An undeclared type, input against its schema, an unknown field: 422 with a pointer; and nothing is stored. What
    cannot be read is 400, too large 413, of another kind 415 (hazard 28)."""
    for body, pointer in (
        ({"type": "unheard-of"}, "/type"),
        ({"type": "deploy", "input": {**INPUT, "seconds": -1}}, "/input/seconds"),
        ({"type": "deploy", "input": INPUT, "labels": {"rejected": 1}}, "/labels/rejected"),
    ):
        found = problem(await ledger.http.post("/v1/operations", json=body), 422)
        assert [error["pointer"] for error in found["errors"]] == [pointer]
    problem(await ledger.http.post("/v1/operations", json={"type": "deploy", "input": INPUT, "extra": 1}), 422)
    problem(await ledger.http.post("/v1/operations", json={"type": "deploy"}), 422)
    headers = {"Content-Type": "application/json"}
    problem(await ledger.http.post("/v1/operations", content=b"{", headers=headers), 400)
    problem(await ledger.http.post("/v1/operations", content=b" " * 300_000, headers=headers), 413)
    problem(await ledger.http.post("/v1/operations", content=b"x", headers={"Content-Type": "text/plain"}), 415)
    problem(await ledger.http.get("/v1/operations/not-a-uuid"), 404)
    problem(await ledger.http.get("/v1/operations/01990000-0000-7000-8000-000000000000"), 404)
    problem(await ledger.http.get("/nothing/here"), 404)
    problem(await ledger.http.put("/v1/operations"), 405)


async def test_repeated_cancellation_changes_nothing_unless_forced(ledger: Ledger, temporal: Client) -> None:
    """202; a repeat changes nothing; `force` after a plain request is a new one; 409 when it is done."""
    operation_id = await ledger.submit("elsewhere")
    await until_started(temporal, operation_id)
    for reason in ("first", "second"):
        assert (await ledger.cancel(operation_id, reason=reason))["cancel_requested"]["reason"] == "first"
    forced = await ledger.cancel(operation_id, reason="third", force=True)
    assert (forced["cancel_requested"]["reason"], forced["cancel_requested"]["force"]) == ("third", True)
    [done] = await ledger.until_done(operation_id)
    assert (done["error"]["code"], done["error"]["message"]) == ("TERMINATED", "third")
    wishes = [line["reason"] for line in await ledger.history(operation_id) if "requested" in line["reason"]]
    assert wishes == ["cancellation requested: first", "termination requested: third"]
    problem(await ledger.http.post(f"/v1/operations/{operation_id}/cancel"), 409)
    problem(await ledger.http.post("/v1/operations/01990000-0000-7000-8000-000000000000/cancel"), 404)


@pytest.fixture(scope="module")
async def seven(stack: Stack) -> list[str]:
    """Operations that stay ACCEPTED and belong together, the oldest first."""
    labels = {"page": "of-seven", "quote": 'it\'s "so" %_'}
    return [await stack.ledger.submit("elsewhere", labels=labels) for _ in range(7)]


async def test_pages_are_complete_while_operations_are_added(ledger: Ledger, seven: list[str]) -> None:
    """Keyset pages, newest first or oldest first, are whole and without repeats while others are added; filters by
    status, type, label (quotes in it, hazard 27) and time."""
    newest_first = {"label.page": "of-seven", "page_size": "3"}
    for order, expected in (("-accepted_at", seven[::-1]), ("accepted_at", seven)):
        pages: list[list[str]] = []
        token: dict[str, str] = {}
        while True:
            query = {**newest_first, "order": order, **token}
            answer = (await ledger.http.get("/v1/operations", params=query)).json()
            pages.append([item["id"] for item in answer["items"]])
            if answer["next_page_token"] is None:
                break
            token = {"page_token": answer["next_page_token"]}
            await ledger.submit("elsewhere", labels={"page": "of-others"})
        assert [len(page) for page in pages] == [3, 3, 1]
        assert [operation_id for page in pages for operation_id in page] == expected

    async def found(**query: Any) -> set[str]:
        answer = await ledger.http.get("/v1/operations", params={"label.page": "of-seven", **query})
        assert answer.status_code == 200, answer.text
        return {item["id"] for item in answer.json()["items"]}

    assert await found(status="ACCEPTED", type="elsewhere") == set(seven)
    assert await found(status=["RUNNING", "FAILED"]) == set()
    assert await found(type="deploy") == set()
    assert await found(**{"label.quote": 'it\'s "so" %_'}) == set(seven)
    assert await found(**{"label.quote": "' OR 1=1 --"}) == set()
    middle = (await ledger.get(seven[3]))["accepted_at"]
    assert await found(accepted_after=middle) == set(seven[4:])
    assert await found(accepted_before=middle) == set(seven[:3])


async def test_invalid_list_parameters_are_refused(ledger: Ledger, seven: list[str]) -> None:
    """Another query's page token, a forged one, sizes out of range, a time without a zone: 400 (hazards 27, 28)."""
    query = {"label.page": "of-seven", "page_size": "3"}
    token = (await ledger.http.get("/v1/operations", params=query)).json()["next_page_token"]
    for wrong in (
        {"page_token": token},
        {**query, "page_token": token[:-2] + "xx"},
        {"page_size": "-1"},
        {"page_size": "1000000000"},
        {"accepted_after": "2026-01-01T00:00:00"},
        {"status": "DONE"},
    ):
        problem(await ledger.http.get("/v1/operations", params=wrong), 400)


async def test_counts_add_up(ledger: Ledger, endings: Endings) -> None:
    """Counts by status are those by type and status, added."""
    counts = (await ledger.http.get("/v1/operations/counts")).json()
    for status, number in counts["by_status"].items():
        assert number == sum(of_type[status] for of_type in counts["by_type"].values())
    assert counts["by_type"]["commission-soon"]["FAILED"] == 1
    assert counts["by_status"].keys() == {"ACCEPTED", "RUNNING", "COMPLETED", "FAILED"}


async def test_health_and_documents(ledger: Ledger) -> None:
    """livez, readyz with its checks, the documentation and the OpenAPI document."""
    assert (await ledger.http.get("/livez")).json() == {"status": "alive"}
    ready = await ledger.until_ready()
    assert {name: check["ok"] for name, check in ready["checks"].items()} == {
        "database": True,
        "migrations": True,
        "process": True,
        "temporal": True,
    }
    assert "text/html" in (await ledger.http.get("/docs", follow_redirects=True)).headers["content-type"]
    document = (await ledger.http.get("/openapi.json")).json()
    assert {"/v1/operations", "/v1/operations/{operation_id}/cancel"} <= document["paths"].keys()


async def test_everything_ran_once(endings: Endings, temporal: Client) -> None:
    """P1: one execution for every operation that Temporal still has, the retried type's failures included."""
    kept = [
        ending.shown["id"] for (kind, fate), ending in endings.items() if fate != "deleted" and kind != "commission"
    ]
    await each_ran_once(temporal, kept)
