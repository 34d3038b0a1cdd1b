"""POST /v1/reports."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

import httpx
import pytest

from adapters.memory.engine.executions import StartFields
from adapters.memory.engine.workflow_engine import MemoryWorkflowEngine
from domain.access.scope import Scope
from domain.operation.operation_id import adopted_id
from opledger.wire import ReportedProgress, StatusUpdate, UpdateKind
from tests.support.http.access import Guarded
from tests.support.http.api import Api, problem

URL = "/v1/reports"
AT = "2026-01-01T00:00:00Z"


class Reported:
    """An API, and an execution that another client has started."""

    def __init__(self) -> None:
        self.api = Api()
        self.world: MemoryWorkflowEngine = self.api.world
        self.world.start_from_outside("deploy-m1", StartFields("Deploy", "queue"))
        self.world.pick_up("deploy-m1")
        self.run_id = self.world.latest_run("deploy-m1").run_id
        self.id = adopted_id("default", "deploy-m1", self.run_id)

    def body(self, kind: str = "started", **fields: Any) -> dict[str, Any]:
        """A report of it."""
        execution = {
            "namespace": "default",
            "workflow_id": "deploy-m1",
            "run_id": self.run_id,
            "first_run_id": self.run_id,
            "workflow_type": "Deploy",
            "task_queue": "queue",
            "started_at": AT,
        }
        return {"operation_id": str(self.id), "kind": kind, "occurred_at": AT, "execution": execution, **fields}

    async def send(self, body: Any) -> httpx.Response:
        """The report arrives."""
        return await self.api.client.post(URL, json=body)


async def test_a_report_is_recorded() -> None:
    """The first one makes the operation; with its type, and visible to readers."""
    reported = Reported()
    answer = await reported.send(reported.body("progress", progress={"fraction": 0.5}))
    assert (answer.status_code, answer.json()) == (200, {"outcome": "recorded"})
    shown = (await reported.api.client.get(f"/v1/operations/{reported.id}")).json()
    assert (shown["type"], shown["status"], shown["progress"]["fraction"]) == ("deploy", "RUNNING", 0.5)
    assert shown["execution"] == {"workflow_id": "deploy-m1", "origin": "ADOPTED"}
    again = await reported.send(reported.body("progress", progress={"fraction": 0.5}))
    assert again.json() == {"outcome": "ignored"}


async def test_steps_are_shown() -> None:
    """In their order, with states in upper case as those of operations. The end of the operation closes them."""
    reported = Reported()
    steps = [{"name": "prepare", "state": "completed"}, {"name": "copy", "fraction": 0.5, "message": "disk 1"}]
    assert (await reported.send(reported.body("progress", progress={"steps": steps}))).status_code == 200
    url = f"/v1/operations/{reported.id}"
    shown = (await reported.api.client.get(url)).json()["progress"]
    times = {"started_at": AT, "finished_at": None}
    assert shown == {
        "fraction": None,
        "message": None,
        "steps": [
            {"name": "prepare", "state": "COMPLETED", **times, "finished_at": AT, "fraction": None, "message": None},
            {"name": "copy", "state": "RUNNING", **times, "fraction": 0.5, "message": "disk 1"},
        ],
    }
    await reported.api.complete_started(str(reported.id), None)
    done = (await reported.api.client.get(url)).json()
    assert [step["state"] for step in done["progress"]["steps"]] == ["COMPLETED", "COMPLETED"]
    assert done["progress"]["steps"][1]["finished_at"] == done["finished_at"]


async def test_the_sdk_sends_such_a_body() -> None:
    """Every field of its dataclasses, also those that are not set."""
    reported = Reported()
    update = StatusUpdate(str(reported.id), UpdateKind.PROGRESS, AT, progress=ReportedProgress(0.5))
    body = {**asdict(update), "execution": {**reported.body()["execution"], "parent": None}}
    assert (await reported.send(body)).json() == {"outcome": "recorded"}


async def test_a_client_reports_its_starts() -> None:
    """First the recording, then the start, then its report."""
    reported = Reported()
    body = {"type": "Deploy", "workflow_id": "deploy-m2"}
    made = (await reported.api.client.post("/v1/operations:record", json=body)).json()
    refused = {"operation_id": made["id"], "kind": "start_rejected", "occurred_at": AT, "error": {"message": "no"}}
    assert (await reported.send(refused)).json() == {"outcome": "recorded"}
    shown = (await reported.api.client.get(f"/v1/operations/{made['id']}")).json()
    assert (shown["status"], shown["error"]) == (
        "FAILED",
        {"code": "START_REJECTED", "message": "no", "details": {}},
    )


async def test_a_started_execution_has_the_operation_of_the_recording() -> None:
    """Its search attribute says so. From then on an answer that names the open operation names its chain, too: another
    client compares it with the run that its start has joined."""
    reported = Reported()
    body = {"type": "Deploy", "workflow_id": "deploy-m2", "on_running": "use_existing"}

    async def named() -> dict[str, Any]:
        answer = await reported.api.client.post("/v1/operations:record", json=body)
        assert (answer.status_code, answer.json()["id"]) == (200, made["id"])
        execution: dict[str, Any] = answer.json()["execution"]
        return execution

    made = (await reported.api.client.post("/v1/operations:record", json=body)).json()
    reported.world.start_from_outside("deploy-m2", StartFields("Deploy", "queue", operation_id=UUID(made["id"])))
    run_id = reported.world.latest_run("deploy-m2").run_id
    assert await named() == made["execution"] == {"workflow_id": "deploy-m2", "origin": "CLIENT"}
    execution = {
        **reported.body()["execution"],
        "workflow_id": "deploy-m2",
        "run_id": run_id,
        "first_run_id": run_id,
    }
    started = {"operation_id": made["id"], "kind": "dispatched", "occurred_at": AT, "execution": execution}
    assert (await reported.send(started)).json() == {"outcome": "recorded", "operation_id": made["id"]}
    assert (await reported.send({**started, "operation_id": str(reported.id)})).status_code == 200
    assert await named() == {**made["execution"], "first_run_id": run_id}
    read = (await reported.api.client.get(f"/v1/operations/{made['id']}")).json()
    assert read["execution"] == made["execution"]


async def test_a_start_that_joins_an_execution_gets_its_operation() -> None:
    """The execution becomes an operation, and the recorded one names it in its error."""
    reported = Reported()
    body = {"type": "Deploy", "workflow_id": "deploy-m1", "on_running": "use_existing"}
    made = (await reported.api.client.post("/v1/operations:record", json=body)).json()
    joined = {**reported.body("dispatched"), "operation_id": made["id"]}
    for outcome in ("recorded", "ignored"):
        assert (await reported.send(joined)).json() == {"outcome": outcome, "operation_id": str(reported.id)}
    shown = (await reported.api.client.get(f"/v1/operations/{made['id']}")).json()
    assert (shown["status"], shown["error"]["code"]) == ("FAILED", "START_REJECTED")
    assert shown["error"]["details"] == {"operation_id": str(reported.id)}
    again = await reported.api.client.post("/v1/operations:record", json=body)
    assert (again.status_code, again.json()["id"]) == (200, str(reported.id))
    assert again.json()["execution"]["first_run_id"] == reported.run_id


async def test_an_execution_that_the_engine_does_not_know_is_refused() -> None:
    """A report cannot invent one. The refusal is final for the sender."""
    reported = Reported()
    run_id = "invented"
    execution = {**reported.body()["execution"], "run_id": run_id, "first_run_id": run_id}
    body = {**reported.body(execution=execution), "operation_id": str(adopted_id("default", "deploy-m1", run_id))}
    refused = problem(await reported.send(body), 409)
    assert refused["type"] == "urn:opledger:problem:foreign-report"


async def test_an_outage_of_temporal_is_a_503() -> None:
    """The sender retries."""
    reported = Reported()
    reported.world.go_down()
    answer = await reported.send(reported.body())
    assert problem(answer, 503)["type"] == "urn:opledger:problem:engine-unavailable"
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("changed", "pointers"),
    [
        ({"execution": None}, ["/execution"]),
        ({"execution": {"namespace": 1}}, [f"/execution/{name}" for name in ("namespace", "workflow_id", "run_id")]),
        ({"kind": "STARTED"}, ["/kind"]),
        ({"operation_id": "x", "occurred_at": "x"}, ["/operation_id", "/occurred_at"]),
        ({"kind": "progress"}, ["/progress"]),
        ({"kind": "dispatched", "execution": None}, ["/execution"]),
    ],
)
async def test_an_invalid_field_has_its_place(changed: dict[str, Any], pointers: list[str]) -> None:
    """All of them at once, with the rules that activities get."""
    reported = Reported()
    refused = problem(await reported.send(reported.body(**changed)), 422)
    assert [error["pointer"] for error in refused["errors"]][: len(pointers)] == pointers


@pytest.mark.parametrize("body", [[], "x", 1])
async def test_a_report_is_an_object(body: Any) -> None:
    """Anything else is refused."""
    reported = Reported()
    assert problem(await reported.send(body), 422)["errors"][0]["pointer"] == ""


async def test_a_large_result_fits() -> None:
    """The SDK sends results of up to 256 KiB."""
    reported = Reported()
    await reported.send(reported.body())
    assert (await reported.send(reported.body("completed", result="x" * 256 * 1024))).status_code == 200
    problem(await reported.send(reported.body("completed", result="x" * 512 * 1024)), 413)


async def test_the_scope_is_report() -> None:
    """A key that may submit cannot report, and the other way round."""
    guarded = Guarded()
    submits, reports = await guarded.key("a", Scope.SUBMIT), await guarded.key("a", Scope.REPORT)
    body = {"operation_id": str(UUID(int=1)), "kind": "start_rejected", "occurred_at": AT}
    problem(await guarded.ask("POST", URL, submits, json=body), 403)
    assert (await guarded.ask("POST", URL, reports, json=body)).json() == {"outcome": "unknown_operation"}
    problem(await guarded.ask("POST", "/v1/operations", reports, json={"type": "deploy"}), 403)
