"""Workflows that other clients start, on the real servers: by their own reports, and recorded before their start."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from application.submit.record_start import ClientStart
from application.track.record import Recorded
from domain.evidence.reported_execution import ReportedExecution
from domain.evidence.start_report import StartReport, StartReportKind
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_id import adopted_id
from domain.operation.origin import Origin
from domain.operation.report import Progress, Report, ReportKind
from domain.operation.start.workflow_id_policy import OnRunning
from domain.operation.status import OperationStatus
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from entrypoints.worker.callers import FOREIGN_REPORT
from opledger.search_attribute import OPERATION_UUID
from tests.support.eventually import until
from tests.support.ledger.real import RealLedger, real_ledger
from tests.support.operations import stated
from tests.support.postgres.server import own_database
from tests.support.temporal.ledger_workflows import TEAM_QUEUE
from tests.support.temporal.reporter import ReportsItself

Handle = WorkflowHandle[Any, Any]


@pytest.fixture(scope="module")
async def ledger(temporal_client: Client, postgres_server: EmbeddedPostgres) -> AsyncIterator[RealLedger]:
    """A ledger with both workers, and without callbacks: the close poll finds the ends."""
    async with (
        own_database(postgres_server, "ledger_reports_of_others") as url,
        real_ledger(temporal_client, url) as ledger,
        ledger.working(workflows=[ReportsItself], loops=("dispatch", "follow-up", "close poll")),
    ):
        yield ledger


async def begun(ledger: RealLedger, *, named: str = "", operation_id: UUID | None = None, name: str = "") -> Handle:
    """A team's client starts the workflow. `named`: the id in its report, empty for the one of its chain."""
    own = [] if operation_id is None else [SearchAttributePair(OPERATION_UUID, str(operation_id))]
    return await ledger.client.start_workflow(
        ReportsItself.run,
        named,
        id=name or f"reports-{uuid4()}",
        task_queue=TEAM_QUEUE,
        search_attributes=TypedSearchAttributes(own),
    )


def execution_of(ledger: RealLedger, handle: Handle) -> ReportedExecution:
    """What its plugin says of it."""
    run = handle.first_execution_run_id or ""
    started_at = ledger.adapters.clock().now()
    return ReportedExecution(ledger.client.namespace, handle.id, run, run, "ReportsItself", TEAM_QUEUE, started_at)


def operation_of(ledger: RealLedger, handle: Handle) -> UUID:
    """The operation that adopts it."""
    return adopted_id(ledger.client.namespace, handle.id, handle.first_execution_run_id or "")


async def recorded(ledger: RealLedger, workflow_id: str, on_running: OnRunning = OnRunning.REJECT) -> UUID:
    """A client records a start."""
    start = ClientStart("default", "ReportsItself", workflow_id, on_running)
    return (await ledger.api.record().record(start)).operation.id


async def test_a_report_by_activity_makes_the_operation(ledger: RealLedger) -> None:
    """Its end is found by asking, as for every other operation."""
    handle = await begun(ledger)
    operation_id = operation_of(ledger, handle)
    assert await _appears(ledger, operation_id)
    await handle.signal(ReportsItself.end)
    assert (await handle.result())["outcome"] in ("recorded", "ignored")
    row = await ledger.done(operation_id)
    assert (row.status, row.origin, row.type, row.input) == (
        OperationStatus.COMPLETED,
        Origin.ADOPTED,
        "ReportsItself",
        "",
    )
    assert await ledger.path(operation_id) == ["ACCEPTED", "RUNNING", "COMPLETED"]


async def test_a_report_over_http_makes_the_operation(ledger: RealLedger) -> None:
    """Of the credential's tenant; another tenant's report is refused then, and an invented execution always."""
    handle = await begun(ledger, named=str(uuid4()))
    reports = ledger.api.reports()
    told, now = execution_of(ledger, handle), ledger.adapters.clock().now()
    progress = Report(ReportKind.PROGRESS, now, progress=Progress(0.5))

    async def send(execution: ReportedExecution, tenant: str) -> Recorded:
        return await reports.receive(execution.adopted_id, progress, execution.run, execution=execution, tenant=tenant)

    assert await send(replace(told, first_run_id=str(uuid4())), "default") is Recorded.FOREIGN
    assert await send(replace(told, run_id=str(uuid4())), "default") is Recorded.FOREIGN
    assert await send(told, "default") is Recorded.RECORDED
    assert await send(told, "acme") is Recorded.FOREIGN
    row = await ledger.row(told.adopted_id)
    assert (row.tenant, row.status, stated(row.progress)) == ("default", OperationStatus.RUNNING, (0.5, None))
    await handle.terminate("enough")


async def test_a_workflow_cannot_report_for_another(ledger: RealLedger) -> None:
    """By activity the server names the sender: the id of another chain is refused without a retry."""
    other = await begun(ledger, named=str(uuid4()))
    operation_id = await recorded(ledger, other.id)
    handle = await begun(ledger, named=str(operation_id))
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ActivityError)
    assert isinstance(failed.value.cause.cause, ApplicationError)
    assert failed.value.cause.cause.type == FOREIGN_REPORT
    assert (await ledger.row(operation_id)).first_run_id is None
    await other.terminate("enough")


async def test_a_recorded_start_is_followed_to_its_end(ledger: RealLedger) -> None:
    """The client starts it under its own workflow id and reports that; the worker reports under the recorded id."""
    workflow_id = f"recorded-{uuid4()}"
    operation_id = await recorded(ledger, workflow_id)
    handle = await begun(ledger, named=str(operation_id), operation_id=operation_id, name=workflow_id)
    now = ledger.adapters.clock().now()
    dispatched = StartReport(StartReportKind.DISPATCHED, now, execution_of(ledger, handle))
    told = (await ledger.api.start_reports().receive(operation_id, dispatched, "default", "shop")).outcome
    assert told in (Recorded.RECORDED, Recorded.IGNORED)
    row = await ledger.until(operation_id, lambda row: row.status is OperationStatus.RUNNING)
    assert (row.origin, row.first_run_id) == (Origin.CLIENT, handle.first_execution_run_id)
    await handle.signal(ReportsItself.end)
    await handle.result()
    assert (await ledger.done(operation_id)).status is OperationStatus.COMPLETED


async def test_a_refused_start_ends_the_operation(ledger: RealLedger) -> None:
    """Temporal has no execution of it, although another one has its workflow id."""
    other = await begun(ledger, named=str(uuid4()))
    operation_id = await recorded(ledger, other.id)
    refused = StartReport(
        StartReportKind.START_REJECTED, ledger.adapters.clock().now(), message="Workflow execution already started"
    )
    told = (await ledger.api.start_reports().receive(operation_id, refused, "default", "shop")).outcome
    assert told is Recorded.RECORDED
    error = (await ledger.row(operation_id)).error
    assert error is not None
    assert (error.code, error.message) == (ErrorCode.START_REJECTED, "Workflow execution already started")
    await other.terminate("enough")


async def test_a_start_that_terminates_supersedes(ledger: RealLedger) -> None:
    """Temporal terminates the earlier execution at the client's start, and its operation names the new one. A follow-up
    before that start terminates nothing."""
    workflow_id = f"recorded-{uuid4()}"
    first = await recorded(ledger, workflow_id)
    await begun(ledger, named=str(first), operation_id=first, name=workflow_id)
    await ledger.until(first, lambda row: row.status is OperationStatus.RUNNING)
    second = await recorded(ledger, workflow_id, OnRunning.TERMINATE)
    row = await ledger.until(first, lambda row: row.follow_up.attempts > 0)
    assert (row.status, row.superseded_by) == (OperationStatus.RUNNING, second)
    handle = await ledger.client.start_workflow(
        ReportsItself.run,
        str(second),
        id=workflow_id,
        task_queue=TEAM_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
        search_attributes=TypedSearchAttributes([SearchAttributePair(OPERATION_UUID, str(second))]),
    )
    error = (await ledger.done(first)).error
    assert error is not None
    assert (error.code, error.details["superseded_by"]) == (ErrorCode.TERMINATED, str(second))
    row = await ledger.until(second, lambda row: row.status is OperationStatus.RUNNING)
    assert row.first_run_id == handle.first_execution_run_id
    await handle.terminate("enough")


async def _appears(ledger: RealLedger, operation_id: UUID) -> bool:
    """Waits for the row."""

    async def is_running() -> bool:
        found = [row for row in await ledger.rows() if row.id == operation_id]
        return bool(found) and found[0].status is OperationStatus.RUNNING

    return await until(is_running)
