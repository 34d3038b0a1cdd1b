"""The fixture `ledger`: the controls, each seen through the clients."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

import opledger
from opledger.testing import AssertHistory, Ledger, Line
from tests.support.eventually import eventually, wait_until

MACHINE = {"machine": "m1"}
START = ["ACCEPTED", "RUNNING"]


def test_operation_waits_until_the_test_moves_it(ledger: Ledger, assert_history: AssertHistory) -> None:
    """Accepted, started, with progress, completed."""
    client = ledger.client()
    operation = client.submit("deploy", MACHINE)
    assert client.get(operation.id).status == "ACCEPTED"
    ledger.start(operation)
    assert client.get(operation.id).status == "RUNNING"
    ledger.report_progress(operation.id, 0.5, "half")
    progress = client.get(operation.id).progress
    assert progress is not None
    assert (progress.fraction, progress.message) == (0.5, "half")
    ledger.complete(operation, {"done": True})
    assert client.result(operation.id) == {"done": True}
    assert_history(
        operation,
        [Line("ACCEPTED", "CLIENT"), Line("RUNNING", "WORKFLOW"), Line("COMPLETED", "CALLBACK", reason="COMPLETED")],
    )


@pytest.mark.parametrize(
    ("end", "error", "message"),
    [
        (lambda ledger, one: ledger.fail(one, "no such machine"), opledger.WorkflowFailed, "no such machine"),
        (lambda ledger, one: ledger.cancel(one), opledger.Canceled, "canceled"),
        (lambda ledger, one: ledger.time_out(one), opledger.TimedOut, "execution timeout"),
        (lambda ledger, one: ledger.terminate(one, "too dear", "ann"), opledger.Terminated, "too dear"),
        (lambda ledger, one: (ledger.lose(one), ledger.advance(minutes=20)), opledger.ExecutionLost, "no longer knows"),
    ],
    ids=["fail", "cancel", "time out", "terminate", "lose"],
)
def test_each_end_is_seen_by_the_client(
    ledger: Ledger,
    assert_history: AssertHistory,
    end: Callable[[Ledger, opledger.Operation], object],
    error: type[opledger.OperationFailed],
    message: str,
) -> None:
    client = ledger.client()
    operation = client.submit("deploy", MACHINE)
    ledger.start(operation)
    end(ledger, operation)
    with pytest.raises(error, match=message):
        client.result(operation.id, timeout=60)
    assert_history(operation, [*START, "FAILED"])


def test_stalled_workflow_needs_attention_until_it_recovers(ledger: Ledger) -> None:
    client = ledger.client()
    operation = client.submit("deploy", MACHINE)
    ledger.stall(operation, "ImportError: no module")
    attention = client.get(operation.id).attention
    assert attention is not None
    assert (attention.kind, attention.message) == ("STALLED", "ImportError: no module")
    ledger.recover(operation)
    assert client.get(operation.id).attention is None


def test_ledger_works_while_temporal_is_down(ledger: Ledger) -> None:
    """P5. The workflow starts after Temporal is back, when its next start is due."""
    client = ledger.client()
    ledger.go_down()
    operation = client.submit("deploy", MACHINE)
    attention = client.get(operation.id).attention
    assert attention is not None
    assert attention.kind == "DISPATCH_RETRYING"
    with pytest.raises(LookupError, match="has no workflow"):
        ledger.complete(operation)
    ledger.come_back()
    ledger.advance(minutes=1)
    ledger.complete(operation)
    assert client.wait(operation.id, timeout=60).status == "COMPLETED"


def test_clock_moves_only_by_the_test(ledger: Ledger) -> None:
    """A later start becomes due."""
    client, before = ledger.client(), ledger.now
    operation = client.submit("deploy", MACHINE, delay=timedelta(hours=2))
    with pytest.raises(LookupError, match=r"has no workflow; it starts at 2026-01-01T02:00:00"):
        ledger.start(operation)
    assert ledger.advance(hours=2) == ledger.now == before + timedelta(hours=2)
    ledger.start(operation)
    assert client.get(operation.id).started_at == ledger.now
    with pytest.raises(ValueError, match="forward only"):
        ledger.advance(seconds=-1)


def test_planned_end_serves_code_that_submits_and_waits(ledger: Ledger, assert_history: AssertHistory) -> None:
    """By type; the result may depend on the input."""
    client = ledger.client()
    ledger.always_complete("deploy", lambda given: given["machine"].upper())
    operations = [client.submit("deploy", {"machine": name}) for name in ("a", "b")]
    assert [client.result(one.id, timeout=60) for one in operations] == ["A", "B"]
    ledger.always_fail("deploy", "full")
    with pytest.raises(opledger.WorkflowFailed, match="full"):
        client.result(client.submit("deploy", MACHINE).id, timeout=60)
    ledger.always_complete("release")
    release = client.submit("release", {"version": 3})
    assert release.execution.workflow_id == "release-3"
    assert client.result(release.id, timeout=60) is None
    assert_history(release, ["ACCEPTED", "RUNNING", "COMPLETED"])
    with pytest.raises(LookupError, match="not a declared operation type"):
        ledger.always_complete("unknown")


def test_cancellation_request_reaches_the_workflow(ledger: Ledger, assert_history: AssertHistory) -> None:
    """It ends when the test lets it end. Lines that are no change of status are compared where sources are named."""
    client = ledger.client()
    operation = client.submit("deploy", MACHINE)
    ledger.start(operation)
    asked = client.cancel(operation.id, "enough")
    assert asked.status == "RUNNING"
    request = client.get(operation.id).cancel_requested
    assert request is not None
    assert request.delivered_at is not None
    ledger.cancel(operation)
    assert_history(operation, [*START, "FAILED"])
    lines = client.history(operation.id)
    assert_history(
        operation, [Line(), Line(), Line(reason="cancellation requested: enough"), *[Line()] * (len(lines) - 3)]
    )


def test_bulk_action_is_performed_at_once(ledger: Ledger, assert_history: AssertHistory) -> None:
    """The ledger's own worker is part of the ledger, so that only workflows of the team are played by the test."""
    client = ledger.client()
    operations = [client.submit("deploy", MACHINE) for _ in range(3)]
    ledger.start(operations[0])
    ledger.complete(operations[1])
    with httpx.Client(transport=ledger.transport, base_url=ledger.url) as plain:
        body = {"filter": {"type": "deploy"}, "reason": "enough"}
        found = plain.post("/v1/operations:cancel", json={**body, "dry_run": True}).json()
        action = plain.post("/v1/operations:cancel", json={**body, "confirm": found["confirm"]}).json()
    assert client.wait(action["id"], timeout=60).result == {"matching": 2, "done": 2, "skipped": 0, "failed": 0}
    ledger.cancel(operations[0])
    assert_history(operations[0], [*START, "FAILED"])


def test_worker_of_the_ledger_is_present(ledger: Ledger) -> None:
    """Whenever the dashboard asks."""
    drift, run = ledger._worker.services.drift(), ledger._thread.run  # type: ignore[attr-defined]
    ledger.client().submit("deploy", MACHINE)
    assert run(drift.read()).worker_age == timedelta()
    ledger.advance(hours=5)
    assert run(drift.read()).worker_age == timedelta()


def test_old_dry_runs_are_deleted(ledger: Ledger) -> None:
    """As by the loop of the worker."""
    with httpx.Client(transport=ledger.transport, base_url=ledger.url) as plain:
        body = {"filter": {"type": "deploy"}}
        found = plain.post("/v1/operations:cancel", json={**body, "dry_run": True}).json()
        ledger.advance(hours=2)
        refused = plain.post("/v1/operations:cancel", json={**body, "confirm": found["confirm"]})
    assert refused.status_code == 422
    assert "was deleted" in refused.text


def test_watch_rules_wait_for_temporal(ledger: Ledger) -> None:
    """Time may pass while Temporal is down."""
    ledger.go_down()
    assert ledger.advance(minutes=2) == ledger.now


def test_refusals_are_those_of_the_service(ledger: Ledger) -> None:
    """The rules are the real ones."""
    client = ledger.client()
    with pytest.raises(opledger.InvalidRequest, match="/input/machine"):
        client.submit("deploy", {"machine": 1})
    with pytest.raises(LookupError, match="there is no operation"):
        ledger.start(uuid4())
    operation = client.submit("deploy", MACHINE)
    ledger.complete(operation)
    with pytest.raises(ValueError, match="already COMPLETED"):
        ledger.complete(operation)


def test_streams_of_the_synchronous_client(ledger: Ledger) -> None:
    """Both kinds."""
    client = ledger.client()
    ids = [client.submit("deploy", MACHINE).id for _ in range(3)]
    ledger.complete(ids[1], 1)
    ended = client.as_completed(ids, timeout=10)
    assert next(ended).id == ids[1]
    ledger.complete(ids[0])
    assert next(ended).id == ids[0]
    ledger.fail(ids[2], "boom")
    assert [one.status for one in ended] == ["FAILED"]
    events = [event for event in client.events(ids[2]) if event.operation is not None]
    assert events[-1].operation is not None
    assert events[-1].operation.done


async def test_asynchronous_client(ledger: Ledger) -> None:
    """In the test's own loop: requests, a wait that is held back, a stream."""
    async with ledger.async_client() as client:
        operation = await client.submit("deploy", MACHINE)
        waiting = asyncio.create_task(client.wait(operation.id, timeout=10))
        following = asyncio.create_task(_followed(client, operation.id))
        ledger.complete(operation, 7)
        assert (await waiting).result == 7
        assert (await following)[-1] == "COMPLETED"


async def _followed(client: opledger.AsyncClient, operation_id: str) -> list[str]:
    return [event.operation.status async for event in client.events(operation_id) if event.operation is not None]


def test_transport_serves_a_synchronous_client_of_httpx(ledger: Ledger) -> None:
    """Also one that gives up reading."""
    with httpx.Client(transport=ledger.transport, base_url=ledger.url) as plain:
        assert plain.get("/readyz").json()["status"] == "ready"
        assert plain.get("/v1/operations", params={"status": "RUNNING"}).json()["items"] == []
        with pytest.raises(httpx.ReadTimeout), plain.stream("GET", "/v1/events", timeout=0.05) as stream:
            list(stream.iter_raw())


async def test_transport_serves_an_asynchronous_client_of_httpx(ledger: Ledger) -> None:
    """The same."""
    async with httpx.AsyncClient(transport=ledger.transport, base_url=ledger.url) as plain:
        assert (await plain.get("/nowhere")).status_code == 404
        with pytest.raises(httpx.ReadTimeout):
            async with plain.stream("GET", "/v1/events", timeout=0.05) as stream:
                [part async for part in stream.aiter_raw()]


def test_each_test_has_a_ledger_of_its_own(ledger: Ledger) -> None:
    """Nothing of the tests before."""
    assert list(ledger.client().list()) == []


def test_foreign_start_becomes_an_operation_by_the_rule_of_its_type(
    ledger: Ledger, assert_history: AssertHistory
) -> None:
    """When the clock moves. The test then plays its worker, as that of any operation."""
    client = ledger.client()
    ledger.start_elsewhere("Release", "release-by-hand", {"version": 7})
    assert list(client.list()) == []
    ledger.advance(seconds=2)
    [operation] = client.list(workflow_id="release-by-hand")
    assert (operation.type, operation.input, operation.execution.origin) == ("release", {"version": 7}, "ADOPTED")
    ledger.complete(operation, "done")
    assert client.result(operation.id, timeout=60) == "done"
    assert_history(operation, ["ACCEPTED", "RUNNING", "COMPLETED"])
    ledger.start_elsewhere("Release", "twice")
    with pytest.raises(ValueError, match="exists already"):
        ledger.start_elsewhere("Release", "twice")


def test_rule_with_a_query_adopts_what_a_schedule_starts(ledger: Ledger) -> None:
    """By the search attribute that Temporal sets."""
    ledger.start_elsewhere("Sweep", "sweep-1", search_attributes={"TemporalScheduledById": "nightly"})
    ledger.start_elsewhere("Sweep", "sweep-by-hand")
    ledger.advance(seconds=2)
    assert [one.execution.workflow_id for one in ledger.client().list()] == ["sweep-1"]


def test_foreign_start_without_a_rule_is_adopted_by_the_call(ledger: Ledger) -> None:
    """Nothing else finds it."""
    client = ledger.client()
    ledger.start_elsewhere("Deploy", "deploy-m1", MACHINE)
    ledger.advance(minutes=5)
    assert list(client.list()) == []
    adopted = client.adopt("deploy", "deploy-m1")
    assert (adopted.is_new, adopted.operation.input) == (True, MACHINE)
    ledger.terminate(adopted.operation, "too dear")
    with pytest.raises(opledger.Terminated):
        client.result(adopted.operation.id, timeout=60)


def test_child_names_its_parent(ledger: Ledger, assert_history: AssertHistory) -> None:
    """With the plugin on its worker it is an operation at once, also of a type that is not declared."""
    client = ledger.client()
    parent = client.submit("deploy", MACHINE)
    ledger.start(parent)
    ledger.start_elsewhere("Pack", "pack-1", 7, parent=parent, reports=True)
    ledger.start_elsewhere("Release", "release-of-deploy", {"version": 8}, parent=parent)
    ledger.advance(seconds=2)
    released, packed = sorted(client.list(parent=parent.id), key=lambda one: one.status)
    assert (packed.type, packed.status, packed.input) == ("Pack", "RUNNING", 7)
    assert (released.type, released.status, released.parent_id) == ("release", "ACCEPTED", parent.id)
    ledger.fail(packed, "torn")
    assert_history(packed, [Line("ACCEPTED", "ADOPTION"), Line("RUNNING", "ADOPTION"), Line("FAILED", "CALLBACK")])
    assert client.get(parent.id).children == {"ACCEPTED": 1, "FAILED": 1}


def test_tenants_see_their_own_operations_only(ledger: Ledger) -> None:
    """The controls work on those of all."""
    ours, theirs = ledger.client(), ledger.client(tenant="acme")
    operation = theirs.submit("deploy", MACHINE, idempotency_key="k")
    assert [one.id for one in theirs.list()] == [operation.id]
    assert list(ours.list()) == []
    with pytest.raises(opledger.OperationNotFound):
        ours.get(operation.id)
    assert ours.submit("deploy", MACHINE, idempotency_key="k").id != operation.id
    ledger.complete(operation, 1)
    assert theirs.result(operation.id, timeout=60) == 1


@pytest.mark.parametrize("tenant", ["", "two words", "m\u00fcller"])
def test_name_that_is_of_no_tenant_is_refused(ledger: Ledger, tenant: str) -> None:
    """It would be the default tenant otherwise."""
    for make in (ledger.client, ledger.async_client):
        with pytest.raises(ValueError, match="tenant: "):
            make(tenant=tenant)


async def test_tenant_of_an_asynchronous_client(ledger: Ledger) -> None:
    """The same."""
    async with ledger.async_client(tenant="acme") as client:
        operation = await client.submit("deploy", MACHINE)
        assert [one.id async for one in client.list()] == [operation.id]
    assert list(ledger.client().list()) == []


@pytest.mark.parametrize("path", ["/v1/operations/{}?wait=30s&until=done", "/v1/events"])
async def test_abandoned_request_ends(ledger: Ledger, path: str) -> None:
    """One whose task is cancelled before it has an answer, as by `asyncio.timeout`, and one while it reads."""
    waiters = ledger._api.waiter_limit()  # type: ignore[attr-defined]
    operation = ledger.client().submit("deploy", MACHINE)
    async with httpx.AsyncClient(transport=ledger.transport, base_url=ledger.url) as plain:
        asking = asyncio.create_task(plain.get(path.format(operation.id)))
        await eventually(lambda: not waiters.empty)
        asking.cancel()
        await eventually(lambda: waiters.empty)
    assert asking.cancelled()


def test_request_that_exceeds_its_timeout_ends(ledger: Ledger) -> None:
    """Of a synchronous client."""
    waiters = ledger._api.waiter_limit()  # type: ignore[attr-defined]
    operation = ledger.client().submit("deploy", MACHINE)
    with httpx.Client(transport=ledger.transport, base_url=ledger.url, timeout=0.1) as plain:
        with pytest.raises(httpx.ReadTimeout):
            plain.get(f"/v1/operations/{operation.id}?wait=30s&until=done")
        wait_until(lambda: waiters.empty)
