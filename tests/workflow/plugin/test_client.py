"""Client side of the plugin: the operation exists before its workflow starts, under the caller's own workflow id."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowUpdateStage,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from opledger import (
    MEMO,
    OPERATION_UUID,
    LedgerRefused,
    LedgerUnavailable,
    OpledgerPlugin,
    UpdateKind,
    adopted_operation_id,
    operation_id,
)
from opledger._http import outage
from opledger._plugin import start_recorder
from tests.support.eventually import eventually
from tests.support.temporal.activities import Order
from tests.workflow.ledger import RecordingLedger
from tests.workflow.plugin import plain
from tests.workflow.plugin.ledger_api import KEY, LedgerApi, ledger_api, problem
from tests.workflow.plugin.plain import OTHER
from tests.workflow.plugin.plugged import Team, adopted, team


@pytest.fixture
async def api() -> AsyncIterator[LedgerApi]:
    """The ledger's API."""
    async with ledger_api() as serving:
        yield serving


def with_plugin(client: Client, api: LedgerApi, **options: Any) -> Client:
    """A client with the plugin."""
    config = client.config()
    config["plugins"] = [OpledgerPlugin(**{"url": api.url, "api_key": KEY, **options})]
    return Client(**config)


@pytest.fixture
def client(temporal_client: Client, api: LedgerApi) -> Client:
    """A client with the plugin."""
    return with_plugin(temporal_client, api)


def new_id() -> str:
    return f"order-{uuid4()}"


NOBODY: dict[str, Any] = {"task_queue": "nobody-listens-here"}
"""The client's side needs no worker."""


async def attribute(handle: WorkflowHandle[Any, Any]) -> str | None:
    """The operation's id on the execution."""
    return (await handle.describe()).typed_search_attributes.get(OPERATION_UUID)


async def test_operation_is_recorded_before_the_start(client: Client, api: LedgerApi) -> None:
    """With the workflow's id, type and input; then the ledger learns the execution. The handle has the id."""
    handle = await client.start_workflow("Greets", Order("bolt", 2), id=new_id(), **NOBODY)
    [recorded] = api.recorded()
    assert recorded.body == {
        "type": "Greets",
        "workflow_id": handle.id,
        "on_running": "reject",
        "input": {"item": "bolt", "count": 2},
    }
    assert recorded.headers["idempotency-key"]
    operation = operation_id(handle)
    assert operation is not None
    assert await attribute(handle) == operation
    assert await (await handle.describe()).memo_value(MEMO) == {"report_outcome": "never"}
    [report] = api.reports(operation)
    assert report["kind"] == "dispatched"
    assert report["error"] is None
    assert report["execution"] == {
        "namespace": "default",
        "workflow_id": handle.id,
        "run_id": handle.result_run_id,
        "first_run_id": handle.first_execution_run_id,
        "workflow_type": "Greets",
        "task_queue": NOBODY["task_queue"],
        "started_at": report["execution"]["started_at"],
        "parent": None,
    }
    await handle.terminate()


@pytest.mark.parametrize(
    ("arguments", "recorded"),
    [([], {}), ([None], {"input": None}), ([1, "two"], {"input": [1, "two"]}), ([b"raw"], {}), (["x" * 300_000], {})],
    ids=["none", "null", "two", "not JSON", "too large"],
)
async def test_input_is_recorded_if_it_is_json(
    client: Client, api: LedgerApi, arguments: list[Any], recorded: dict[str, Any]
) -> None:
    """Several arguments are a list. What is left out the ledger reads from Temporal."""
    handle = await client.start_workflow("Greets", args=arguments, id=new_id(), **NOBODY)
    [request] = api.recorded()
    assert {name: value for name, value in request.body.items() if name == "input"} == recorded
    await handle.terminate()


async def test_own_attributes_and_memo_stay(client: Client, api: LedgerApi) -> None:
    """Typed attributes, and those of the old kind."""
    typed = TypedSearchAttributes([SearchAttributePair(OTHER, "x")])
    for attributes in (typed, {OTHER.name: ["x"]}):
        handle = await client.start_workflow(
            "Greets", "you", id=new_id(), search_attributes=attributes, memo={"own": 1}, **NOBODY
        )
        described = await handle.describe()
        assert described.typed_search_attributes.get(OTHER) == "x"
        assert described.typed_search_attributes.get(OPERATION_UUID) == operation_id(handle)
        assert await described.memo_value("own") == 1
        await handle.terminate()


async def test_type_and_labels_are_the_callers_choice(temporal_client: Client, api: LedgerApi) -> None:
    """As mappings, or as functions."""

    def labels(workflow_type: str, arguments: Sequence[Any]) -> dict[str, str]:
        return {"who": arguments[0]}

    by_function = with_plugin(temporal_client, api, type_of=str.lower, labels=labels)
    by_mapping = with_plugin(temporal_client, api, type_of={"Greets": "greeting"}, labels={"team": "x"})
    for client in (by_function, by_mapping):
        await (await client.start_workflow("Greets", "you", id=new_id(), **NOBODY)).terminate()
    asked = [(one.body["type"], one.body["labels"]) for one in api.recorded()]
    assert asked == [("greets", {"who": "you"}), ("greeting", {"team": "x"})]


async def test_excluded_workflow_and_operation_are_not_recorded(temporal_client: Client, api: LedgerApi) -> None:
    """A start that names an operation itself is one of the ledger."""
    client = with_plugin(temporal_client, api, exclude={"Greets"})
    handle = await client.start_workflow("Greets", "you", id=new_id(), **NOBODY)
    own = TypedSearchAttributes([SearchAttributePair(OPERATION_UUID, str(uuid4()))])
    other = await client.start_workflow("Counts", 1, id=new_id(), search_attributes=own, **NOBODY)
    assert api.requests == []
    assert operation_id(handle) is operation_id(other) is None
    for one in (handle, other):
        await one.terminate()


async def test_client_without_a_url_records_nothing(temporal_client: Client) -> None:
    """It has no way to."""
    config = temporal_client.config()
    config["plugins"] = [OpledgerPlugin()]
    client = Client(**config)
    handle = await client.start_workflow("Greets", "you", id=new_id(), **NOBODY)
    assert operation_id(handle) is None
    assert await attribute(handle) is None
    await handle.terminate()


def joining(policy: str) -> dict[str, Any]:
    """Options of a start that takes an execution which runs under its workflow id."""
    if policy == "signal":
        return {"start_signal": "tell", "start_signal_args": ["hello"], **NOBODY}
    return {"id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING, **NOBODY}


def open_operation(api: LedgerApi, operation: str | None, *, named: str | None = None, **execution: Any) -> None:
    """The ledger answers a recording with an open operation. `named`: the one in its answer to a report."""
    answer = {"id": operation, "execution": {"origin": "CLIENT", **execution}}
    told = {"outcome": "recorded"} if named is None else {"outcome": "recorded", "operation_id": named}
    api.behave = lambda request: (200, answer if request.path.endswith(":record") else told, {})


JOINING = pytest.mark.parametrize("policy", ["signal", "use_existing"])


@JOINING
async def test_start_that_meets_the_open_operation_joins_it(client: Client, api: LedgerApi, policy: str) -> None:
    """Signal-with-start and USE_EXISTING: the ledger answers 200 with the open operation, and no second one exists."""
    options = {"id": new_id(), **joining(policy)}
    first = await client.start_workflow("Collects", **options)
    operation = operation_id(first)
    open_operation(api, operation, first_run_id=first.first_execution_run_id)
    second = await client.start_workflow("Collects", **options)
    assert [one.body["on_running"] for one in api.recorded()] == ["use_existing"] * 2
    assert second.result_run_id == first.result_run_id
    assert operation_id(second) == operation
    assert len(api.reports(operation or "")) == 1
    await first.terminate()


@JOINING
@pytest.mark.parametrize("execution", [{}, {"first_run_id": None}, {"first_run_id": str(uuid4())}])
async def test_open_operation_is_not_taken_for_the_execution_of_another_client(
    temporal_client: Client, client: Client, api: LedgerApi, policy: str, execution: dict[str, Any]
) -> None:
    """The open operation waits for its own start, or has a chain that has just closed. The report of the execution
    leaves it alone: it has the id of an adoption, and the ledger names the operation."""
    options: dict[str, Any] = {"id": new_id(), **NOBODY}
    foreign = await temporal_client.start_workflow("Collects", **options)
    for named in (None, str(uuid4())):
        open_operation(api, str(uuid4()), named=named, **execution)
        handle = await client.start_workflow("Collects", **options | joining(policy))
        assert handle.result_run_id == foreign.result_run_id
        assert operation_id(handle) == named
    assert api.kinds(adopted(foreign)) == ["dispatched"] * 2
    await foreign.terminate()


async def test_open_operation_that_has_just_closed_is_not_taken_for_the_new_run(client: Client, api: LedgerApi) -> None:
    """The ledger does not know yet that the chain has closed. The new chain gets the id of adoption."""
    open_operation(api, str(uuid4()), first_run_id=str(uuid4()))
    handle = await client.start_workflow("Collects", id=new_id(), **joining("use_existing"))
    assert await attribute(handle) is None
    assert operation_id(handle) == adopted(handle)
    assert api.kinds(adopted(handle)) == ["dispatched"]
    await handle.terminate()


@JOINING
@pytest.mark.parametrize("named", ["019a0000-0000-7000-8000-0000000000aa", None])
async def test_running_execution_that_is_no_operation_is_reported(
    temporal_client: Client, client: Client, api: LedgerApi, policy: str, named: str | None
) -> None:
    """The ledger gets the chain that Temporal named, and names its operation. An older ledger names none."""
    api.named = named
    options: dict[str, Any] = {"id": new_id(), **NOBODY}
    running = await temporal_client.start_workflow("Collects", **options)
    handle = await client.start_workflow("Collects", **options | joining(policy))
    [report] = [one.body for one in api.accepted if one.path == "/v1/reports"]
    assert report["execution"]["first_run_id"] == running.first_execution_run_id
    assert operation_id(handle) == named
    assert await attribute(handle) is None
    await running.terminate()


@pytest.mark.parametrize("answer", [{"outcome": "recorded", "operation_id": 7}, [], None])
async def test_answer_that_names_no_operation_is_ignored(client: Client, api: LedgerApi, answer: Any) -> None:
    """The report has arrived."""
    api.behave = lambda request: (200, answer, {}) if request.path == "/v1/reports" else None
    handle = await client.start_workflow("Collects", id=new_id(), **NOBODY)
    assert operation_id(handle) is not None
    assert operation_id(handle) == await attribute(handle)
    await handle.terminate()


async def test_refused_start_is_reported(client: Client, api: LedgerApi) -> None:
    """The operation must not wait for a workflow that does not exist."""
    options: dict[str, Any] = {"id": new_id(), **NOBODY}
    handle = await client.start_workflow("Collects", **options)
    with pytest.raises(WorkflowAlreadyStartedError):
        await client.start_workflow("Collects", **options)
    [report] = [one.body for one in api.accepted if one.body.get("kind") == "start_rejected"]
    assert report["operation_id"] != operation_id(handle)
    assert report["execution"] is None
    assert report["error"]["type"] == "WorkflowAlreadyStartedError"
    await handle.terminate()


async def test_conflict_in_the_ledger_leaves_the_decision_to_temporal(client: Client, api: LedgerApi) -> None:
    """Callers get Temporal's own error, or their workflow."""
    api.behave = lambda request: problem(409, "in use") if request.path.endswith(":record") else None
    options: dict[str, Any] = {"id": new_id(), **NOBODY}
    handle = await client.start_workflow("Collects", **options)
    assert operation_id(handle) == adopted(handle)
    assert api.kinds(adopted(handle)) == ["dispatched"]
    with pytest.raises(WorkflowAlreadyStartedError):
        await client.start_workflow("Collects", **options)
    await handle.terminate()


@pytest.mark.parametrize("down", [503, "hangs", 401, 422])
async def test_workflow_starts_without_the_ledger(
    temporal_client: Client,
    api: LedgerApi,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    down: int | str,
) -> None:
    """By default tracking never prevents a start. A ledger that is not available delays one start, not each."""
    monkeypatch.setattr(outage, "PAUSE", 3600)
    if isinstance(down, int):
        api.behave = lambda request: problem(down, "no", **{"Retry-After": "3600"})
    else:
        monkeypatch.setattr(start_recorder, "START_TIMEOUT", 3)
        api.hanging = asyncio.Event()
    client = with_plugin(temporal_client, api)
    with caplog.at_level(logging.WARNING):
        handles = [await client.start_workflow("Collects", id=new_id(), **NOBODY) for _ in range(3)]
    if down in (503, "hangs"):
        assert [caplog.text.count(handle.id) for handle in handles] == [1, 1, 0], "one line for the pause"
    for handle in handles:
        assert await attribute(handle) is None
        assert operation_id(handle) == adopted(handle)
        await handle.terminate()
    assert caplog.text.count("refuses the plugin's API key" if down == 401 else handles[0].id) == 1
    workflows_asked = {one.body["workflow_id"] for one in api.requests}
    assert workflows_asked == {handle.id for handle in (handles if down in (401, 422) else handles[:1])}
    if api.hanging is not None:
        api.hanging.set()


async def test_ledger_that_takes_no_reports_records_starts(
    temporal_client: Client, api: LedgerApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One start waits for its report, not each."""
    monkeypatch.setattr(outage, "PAUSE", 3600)
    api.behave = lambda request: (
        problem(503, "no", **{"Retry-After": "3600"}) if request.path == "/v1/reports" else None
    )
    client = with_plugin(temporal_client, api)
    for _ in range(2):
        handle = await client.start_workflow("Collects", id=new_id(), **NOBODY)
        await handle.terminate()
    assert len(api.recorded()) == 2
    assert len([one for one in api.requests if one.path == "/v1/reports"]) == 1


@pytest.mark.parametrize("path", ["/v1/operations:record", "/v1/reports"])
async def test_unreadable_answer_does_not_prevent_a_start(
    temporal_client: Client, api: LedgerApi, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """For example of a broken proxy. A caller that gets an error would start the workflow again."""
    monkeypatch.setattr(start_recorder, "START_TIMEOUT", 0.5)
    api.behave = lambda request: (200, {}, {"content-encoding": "gzip"}) if request.path == path else None
    handle = await with_plugin(temporal_client, api).start_workflow("Collects", id=new_id(), **NOBODY)
    assert operation_id(handle) is not None
    await handle.terminate()


@pytest.mark.parametrize(("down", "error"), [(503, LedgerUnavailable), (401, LedgerRefused), (422, LedgerRefused)])
async def test_start_is_refused_without_the_ledger(
    temporal_client: Client, api: LedgerApi, down: int, error: type[Exception]
) -> None:
    """With `on_ledger_down="refuse"` nothing runs that the ledger does not know."""
    api.behave = lambda request: problem(down, "the reason", **{"Retry-After": "3600"})
    client = with_plugin(temporal_client, api, on_ledger_down="refuse")
    workflow_id = new_id()
    with pytest.raises(error, match="503" if down == 503 else "the reason"):
        await client.start_workflow("Collects", id=workflow_id, **NOBODY)
    with pytest.raises(RPCError):
        await client.get_workflow_handle(workflow_id).describe()


async def test_function_that_fails_does_not_prevent_the_start(
    temporal_client: Client, api: LedgerApi, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller's `labels` or `type_of`."""

    def labels(workflow_type: str, arguments: Sequence[Any]) -> dict[str, str]:
        raise LookupError("a bug")

    client = with_plugin(temporal_client, api, labels=labels)
    handle = await client.start_workflow("Collects", id=new_id(), **NOBODY)
    assert "a bug" in caplog.text
    assert api.requests == []
    await handle.terminate()


async def test_schedule_is_not_recorded(client: Client, api: LedgerApi) -> None:
    """The server starts its workflows, perhaps years later."""
    action = ScheduleActionStartWorkflow("Collects", id=new_id(), **NOBODY)
    schedule = await client.create_schedule(new_id(), Schedule(action=action, spec=ScheduleSpec()))
    assert api.requests == []
    await schedule.delete()


@pytest.fixture
async def running(
    temporal_client: Client, client: Client, ledger: RecordingLedger, api: LedgerApi
) -> AsyncIterator[Team]:
    """A worker that has the plugin from its client."""
    async with team(temporal_client, "http", api, ledger) as served:
        yield Team(client, served.queue, "http", api, ledger)


async def test_worker_reports_for_the_recorded_operation(running: Team, api: LedgerApi) -> None:
    """One operation from the record to the progress."""
    handle = await running.start(plain.Greets.run, "you")
    operation = operation_id(handle)
    assert operation is not None
    assert await handle.result() == "hello you"
    assert sorted(api.kinds(operation)) == ["dispatched", UpdateKind.PROGRESS, UpdateKind.STARTED]
    assert api.reports(adopted(handle)) == []


async def test_update_with_start_is_recorded(running: Team, api: LedgerApi) -> None:
    """Both handles have the operation's id, and the ledger learns the execution before the update ends."""
    start = WithStartWorkflowOperation(
        plain.Collects.run,
        id=new_id(),
        task_queue=running.queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    update = await running.client.start_update_with_start_workflow(
        plain.Collects.ask, "one", start_workflow_operation=start, wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    handle = await start.workflow_handle()
    operation = operation_id(handle)
    assert operation is not None
    assert operation_id(update) == operation
    assert await attribute(handle) == operation
    await eventually(lambda: {"dispatched", "started"} <= set(api.kinds(operation)))
    await handle.signal("tell", "bye")
    await handle.result()


async def test_update_with_start_that_joins_is_reported(running: Team, temporal_client: Client, api: LedgerApi) -> None:
    """Both handles have the operation that the ledger names, and the update has its result."""
    api.named = str(uuid4())
    workflow_id = new_id()
    before = await temporal_client.start_workflow(plain.Collects.run, id=workflow_id, task_queue=running.queue)
    start = WithStartWorkflowOperation(
        plain.Collects.run,
        id=workflow_id,
        task_queue=running.queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    update = await running.client.start_update_with_start_workflow(
        plain.Collects.ask, "one", start_workflow_operation=start, wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    assert operation_id(update) == api.named
    assert operation_id(await start.workflow_handle()) == api.named
    await before.signal("tell", "bye")
    await before.result()


async def test_signal_that_joins_is_not_given_what_another_start_concluded(running: Team, api: LedgerApi) -> None:
    """The ledger takes no report, so that only the client that started the run can name its operation."""
    workflow_id = new_id()
    open_operation(api, str(uuid4()), first_run_id=str(uuid4()))
    record = api.behave
    api.behave = lambda request: (503, {}, {}) if request.path == "/v1/reports" else record(request)
    start = WithStartWorkflowOperation(
        plain.Collects.run,
        id=workflow_id,
        task_queue=running.queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    await running.client.start_update_with_start_workflow(
        plain.Collects.ask, "one", start_workflow_operation=start, wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    first = await start.workflow_handle()
    joined = await running.client.start_workflow(
        plain.Collects.run, id=workflow_id, task_queue=running.queue, start_signal="tell", start_signal_args=["bye"]
    )
    assert joined.result_run_id == first.result_run_id
    assert operation_id(first) == adopted(first)
    assert operation_id(joined) is None
    await joined.result()


async def test_update_that_reaches_another_run_is_not_given_the_operation_of_the_first(
    running: Team, temporal_client: Client, api: LedgerApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """temporalio repeats the request until the update is durable, and passes on the first answer alone. Meanwhile
    another client may have replaced the execution. The handle of the workflow is the first execution's."""
    workflow_id = new_id()
    start = WithStartWorkflowOperation(
        plain.Collects.run,
        id=workflow_id,
        task_queue=running.queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    execute = running.client.workflow_service.execute_multi_operation
    answers: list[str] = []

    async def not_durable_at_first(*args: Any, **options: Any) -> Any:
        answer = await execute(*args, **options)
        answers.append(answer.responses[0].start_workflow.run_id)
        if len(answers) == 1:
            answer.responses[1].update_workflow.ClearField("stage")
            await temporal_client.start_workflow(
                plain.Collects.run,
                id=workflow_id,
                task_queue=running.queue,
                id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
            )
        return answer

    monkeypatch.setattr(running.client.workflow_service, "execute_multi_operation", not_durable_at_first)
    update = await running.client.start_update_with_start_workflow(
        plain.Collects.ask, "one", start_workflow_operation=start, wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    first, second = answers
    assert (update.workflow_run_id, operation_id(update)) == (second, None)
    handle = await start.workflow_handle()
    assert handle.result_run_id == first
    assert operation_id(handle) == await attribute(temporal_client.get_workflow_handle(handle.id, run_id=first))
    replaced = temporal_client.get_workflow_handle(handle.id)
    await replaced.signal("tell", "bye")
    await replaced.result()


async def test_namespace_without_the_search_attribute_does_not_prevent_a_start(
    temporal_client: Client, api: LedgerApi, caplog: pytest.LogCaptureFixture
) -> None:
    """A ledger of another namespace: the workflow starts without an operation, and the log says why."""
    request = RegisterNamespaceRequest(namespace=f"other-{uuid4()}")
    request.workflow_execution_retention_period.FromSeconds(86_400)
    await temporal_client.workflow_service.register_namespace(request)
    config = with_plugin(temporal_client, api).config()
    config["namespace"] = request.namespace
    client = Client(**config)

    async def start() -> Any:
        try:
            return await client.start_workflow("Collects", id=new_id(), **NOBODY)
        except RPCError as error:
            if "not found" not in error.message:  # the new namespace is not known everywhere at once
                raise
            return None

    handle = await eventually(start)
    start_operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        "Collects", id=new_id(), id_conflict_policy=WorkflowIDConflictPolicy.FAIL, **NOBODY
    )
    updating = asyncio.create_task(
        client.start_update_with_start_workflow(
            "ask",
            "one",
            start_workflow_operation=start_operation,
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
        )
    )
    assert "has no search attribute OperationUUID" in caplog.text
    assert operation_id(handle) == adopted_operation_id(
        request.namespace, handle.id, handle.first_execution_run_id or ""
    )
    rejected = [one.body for one in api.accepted if one.body.get("kind") == "start_rejected"]
    assert rejected
    second = await start_operation.workflow_handle()
    assert (await second.describe()).typed_search_attributes.get(OPERATION_UUID) is None
    updating.cancel()
    for one in (handle, second):
        await one.terminate()
