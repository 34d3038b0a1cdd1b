"""Temporal calls when an execution closes: nothing is asked by schedule here, and the ledger knows all the same."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.support.eventually import eventually
from tests.support.stack.commands import Stack, run, running
from tests.support.stack.ledger import Ledger, Shown

NEVER = {"OPLEDGER_RECONCILE_EVERY": "1d", "OPLEDGER_VERIFY_EVERY": "1d"}
QUEUE = "strangers"
TYPES = """
[operations.stranger]
workflow = "Stranger"
task_queue = "strangers"
"""


@workflow.defn(name="Stranger")
class Stranger:
    """Knows nothing of the ledger: what a team in another language has."""

    def __init__(self) -> None:
        self._word: str | None = None

    @workflow.signal
    def finish(self, word: str) -> None:
        self._word = word

    @workflow.run
    async def run(self) -> dict[str, str]:
        await workflow.wait_condition(lambda: self._word is not None)
        return {"word": str(self._word)}


@pytest.fixture(scope="module")
def types(place: Path, operations_file: Path) -> Path:
    """The usual types, and the strangers'."""
    path = place / "push.toml"
    path.write_text(operations_file.read_text() + TYPES)
    return path


@pytest.fixture(scope="module")
async def pushed(place: Path, types: Path) -> AsyncIterator[Stack]:
    """`opledger up` whose schedule comes round once a day."""
    async with running(place / "push", "--operations", str(types), **NEVER) as stack:
        yield stack


@pytest.fixture(scope="module")
async def temporal(pushed: Stack) -> AsyncIterator[Client]:
    """The world outside, with a worker of strangers."""
    client = await pushed.temporal()
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[Stranger],
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    ):
        yield client


@pytest.fixture(scope="module")
async def strangers(pushed: Stack, temporal: Client) -> list[str]:
    """Operations whose workflows never report, and which the ledger has found to run."""
    ledger = pushed.ledger
    answers = [await ledger.http.post("/v1/operations", json={"type": "stranger"}) for _ in range(6)]
    assert {answer.status_code for answer in answers} == {202}
    ids = [answer.json()["id"] for answer in answers]
    await ledger.until_running(*ids)
    return ids


async def last_source(ledger: Ledger, operation_id: str) -> str:
    source: str = (await ledger.history(operation_id))[-1]["source"]
    return source


async def test_a_workflow_that_never_reports_is_tracked(pushed: Stack, temporal: Client, strangers: list[str]) -> None:
    """RUNNING because the engine is asked soon after the dispatch, COMPLETED with its result because it calls."""
    ledger = pushed.ledger
    operation_id = strangers.pop()
    assert await last_source(ledger, operation_id) == "CONFIRMATION"
    await temporal.get_workflow_handle(operation_id).signal(Stranger.finish, "done")
    [shown] = await ledger.until_done(operation_id)
    assert (shown["status"], shown["result"]) == ("COMPLETED", {"word": "done"})
    assert await last_source(ledger, operation_id) == "CALLBACK"


async def test_a_termination_is_called_in(pushed: Stack, temporal: Client, strangers: list[str]) -> None:
    """P4: with reason and actor, which the callback itself does not have."""
    ledger = pushed.ledger
    operation_id = strangers.pop()
    await temporal.get_workflow_handle(operation_id).terminate(reason="power is going off")
    [shown] = await ledger.until_done(operation_id)
    assert (shown["error"]["code"], shown["error"]["message"]) == ("TERMINATED", "power is going off")
    line = (await ledger.history(operation_id))[-1]
    assert (line["source"], line["actor"]) == ("CALLBACK", "operator@console")


async def test_a_final_operation_that_is_reset_diverges(pushed: Stack, temporal: Client, strangers: list[str]) -> None:
    """It stands; list, metrics and doctor say that the engine does not agree, with the second close as it was."""
    ledger = pushed.ledger
    operation_id = strangers.pop()
    await temporal.get_workflow_handle(operation_id).terminate(reason="a mistake")
    await ledger.until_done(operation_id)
    await reset(temporal, operation_id)
    await temporal.get_workflow_handle(operation_id).signal(Stranger.finish, "after all")

    async def diverged() -> Shown | None:
        shown = await ledger.get(operation_id)
        return shown if shown["attention"] else None

    shown = await eventually(diverged, "the divergence")
    assert shown is not None
    assert (shown["status"], shown["error"]["code"], shown["result"]) == ("FAILED", "TERMINATED", None)
    words = "the operation is FAILED with TERMINATED, but its execution closed as COMPLETED"
    assert (shown["attention"]["kind"], shown["attention"]["message"]) == ("DIVERGED", words)
    line = (await ledger.history(operation_id))[-1]
    assert (line["from"], line["to"], line["reason"]) == ("FAILED", "FAILED", words)
    listed = (await ledger.http.get("/v1/operations", params={"attention": "DIVERGED"})).json()["items"]
    assert [item["id"] for item in listed] == [operation_id]
    metrics = (await ledger.http.get("/metrics")).text
    assert 'opledger_attention_raised_total{kind="DIVERGED"} 1.0' in metrics
    assert 'opledger_operations_attention{kind="DIVERGED"} 1.0' in metrics
    doctor = await run("doctor", "--data-dir", str(pushed.data), cwd=pushed.folder)
    assert doctor.code == 1
    assert operation_id in doctor.output


async def test_reset_while_it_runs_goes_on(pushed: Stack, temporal: Client, strangers: list[str]) -> None:
    """Hazard 19: the run that was reset closes, and only the end of the latest one is the operation's."""
    ledger = pushed.ledger
    operation_id = strangers.pop()
    await reset(temporal, operation_id)
    await temporal.get_workflow_handle(operation_id).signal(Stranger.finish, "in the end")
    [shown] = await ledger.until_done(operation_id)
    assert (shown["status"], shown["result"], shown["attention"]) == ("COMPLETED", {"word": "in the end"}, None)
    assert await ledger.path(operation_id) == ["ACCEPTED", "RUNNING", "COMPLETED"]


async def test_forged_and_broken_calls(pushed: Stack, temporal: Client, strangers: list[str]) -> None:
    """A wrong token is refused and counted; the token that Temporal shows is good for its own operation alone; what
    cannot be read is kept."""
    ledger = pushed.ledger
    one, other = strangers.pop(), strangers.pop()
    token = await token_of(temporal, one)
    headers = {"nexus-operation-state": "succeeded", "nexus-operation-close-time": "2026-01-01T00:00:00Z"}

    async def call(operation_id: str, given: str | None) -> int:
        sent = headers if given is None else {**headers, "opledger-callback-token": given}
        answer = await ledger.http.post(f"/v1/callbacks/{operation_id}", headers=sent, content=b'"forged"')
        return answer.status_code

    assert [await call(one, None), await call(one, "k.t.x"), await call(other, token)] == [401, 401, 401]
    assert {(await ledger.get(operation_id))["status"] for operation_id in (one, other)} == {"RUNNING"}
    # The right token, an old close: the engine is asked, and says that it runs. Then nothing readable at all.
    assert await call(one, token) == 204
    headers["nexus-operation-state"] = "exploded"
    assert await call(one, token) == 204
    assert (await ledger.get(one))["status"] == "RUNNING"
    line = (await ledger.history(one))[-1]
    assert (line["source"], line["details"]["state"]) == ("CALLBACK", "exploded")
    metrics = (await ledger.http.get("/metrics")).text
    assert 'opledger_callbacks_total{outcome="unauthorized"} 3.0' in metrics
    assert token not in metrics + str(await ledger.history(one)) + pushed.service.said
    for log in (pushed.data / "logs").iterdir():
        assert token not in log.read_text(errors="replace"), log
    for operation_id in (one, other):
        await temporal.get_workflow_handle(operation_id).terminate()
    await ledger.until_done(one, other)


async def reset(temporal: Client, operation_id: str) -> None:
    """To its first task."""
    await temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=WorkflowExecution(workflow_id=operation_id),
            workflow_task_finish_event_id=4,
            request_id=str(uuid4()),
            reason="for a test",
        ),
        retry=True,
    )


async def token_of(temporal: Client, operation_id: str) -> str:
    """As everybody sees it who may describe the execution."""
    description = await temporal.get_workflow_handle(operation_id).describe()
    return description.raw_description.callbacks[0].callback.nexus.header["opledger-callback-token"]
