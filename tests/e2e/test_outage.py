"""The parts run apart, on a PostgreSQL and a Temporal that go away and come back.

The scenarios mostly wait. So they run in turn, beside the tests of the other modules, from the session's start on; the
tests at the end wait for them.
"""

import asyncio
from collections.abc import Mapping

from temporalio.client import WorkflowExecutionStatus

from tests.support.eventually import eventually
from tests.support.stack.apart import Apart, frozen
from tests.support.stack.ledger import each_ran_once

SCHEDULE = "opledger-reconcile"


async def started_while_temporal_is_down(apart: Apart) -> None:
    ledger = apart.ledger
    ready = await ledger.until_ready(200, "degraded")
    assert [name for name, check in ready["checks"].items() if not check["ok"]] == ["temporal"]
    accepted = [await ledger.submit() for _ in range(3)]
    unwanted = await ledger.submit(seconds=600)
    waiting = [*accepted, unwanted]
    for shown in await ledger.until("attention", waiting, lambda shown: shown["attention"] is not None):
        assert (shown["status"], shown["attention"]["kind"]) == ("ACCEPTED", "DISPATCH_RETRYING")
        assert "to start the workflow failed" in shown["attention"]["message"]

    async def second_attempt() -> bool:
        lines = await ledger.history(accepted[0])
        attempts = [line["details"] for line in lines if line["source"] == "DISPATCHER"]
        assert all(details["error"] and details["retry_at"] for details in attempts)
        assert [details["attempt"] for details in attempts] == list(range(1, len(attempts) + 1))
        return len(attempts) >= 2

    await eventually(second_attempt, "a second attempt")
    asked = await ledger.cancel(unwanted, reason="while Temporal was down")
    assert (asked["done"], asked["cancel_requested"]["delivered_at"]) == (False, None)

    await apart.temporal.start()
    client = await apart.client()

    async def scheduled() -> bool:
        return [entry.id async for entry in await client.list_schedules()] == [SCHEDULE]

    await eventually(scheduled, "the schedule")
    done = await ledger.until_done(*waiting)
    assert [shown["status"] for shown in done] == ["COMPLETED"] * 3 + ["FAILED"]
    assert (done[3]["error"]["code"], done[3]["error"]["message"]) == ("CANCELED", "while Temporal was down")
    assert [shown["attention"] for shown in done] == [None] * 4
    await each_ran_once(client, accepted)
    await ledger.until_ready()
    assert "bad" not in await apart.command("doctor")


async def many_compete(apart: Apart) -> None:
    apart.start_worker()
    second = apart.start_api()
    await second.until_ready()
    gate = asyncio.Semaphore(10)

    async def submit(number: int) -> str:
        async with gate:
            return await apart.ledgers[number % 2].submit(labels={"crowd": "sixty"})

    ids = await asyncio.gather(*(submit(number) for number in range(60)))
    with frozen(apart.workers[0]):
        await asyncio.sleep(4)
        assert len(await second.labelled(crowd="sixty")) == 60
    done = await second.until_done(*ids)
    assert [shown["status"] for shown in done] == ["COMPLETED"] * 60
    for operation_id in ids:
        assert await apart.ledger.path(operation_id) == ["ACCEPTED", "RUNNING", "COMPLETED"]
    await each_ran_once(await apart.client(), ids)


async def database_down_and_up(apart: Apart) -> None:
    ledger, client = apart.ledger, await apart.client()
    ids = [await ledger.submit(seconds=12), await ledger.submit(seconds=12, outcome="failure")]
    await ledger.until_running(*ids)
    await apart.postgres.stop()
    code, body = await ledger.readiness()
    assert (code, body["checks"]["database"]["ok"]) == (503, False)
    for answer in (
        await ledger.http.get(f"/v1/operations/{ids[0]}"),
        await ledger.http.get("/v1/operations"),
        await ledger.http.post("/v1/operations", json={"type": "elsewhere"}),
        await ledger.http.post(f"/v1/operations/{ids[0]}/cancel"),
    ):
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
    assert (await ledger.http.get("/livez")).status_code == 200

    async def closed() -> bool:
        statuses = [(await client.get_workflow_handle(operation_id).describe()).status for operation_id in ids]
        return statuses == [WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.FAILED]

    await eventually(closed, "the workflows' end without a ledger")
    await apart.postgres.start()
    await ledger.until_ready()
    done = await ledger.until_done(*ids)
    assert [shown["status"] for shown in done] == ["COMPLETED", "FAILED"]
    assert done[0]["result"] == {"machine": "m1", "state": "deployed"}
    assert done[1]["error"]["message"] == "machine m1 did not pass inspection"
    for operation_id in ids:
        await ledger.history(operation_id)
    await each_ran_once(client, ids)


async def stop_in_order(apart: Apart) -> None:
    await apart.close()


SCENARIOS = (started_while_temporal_is_down, many_compete, database_down_and_up, stop_in_order)
Outage = Mapping[str, asyncio.Task[None]]


async def test_started_while_temporal_is_down(outage: Outage) -> None:
    """P5, hazards 2, 25 and 29: API and worker start without Temporal. readyz is 200 and degraded, submissions are
    taken; the attempts to start them and the last error show in attention and history; a cancel is kept. Once Temporal
    comes, the schedule is there, everything is started, and the cancellation is delivered."""
    await outage["started_while_temporal_is_down"]


async def test_competing_processes_run_each_operation_once(outage: Outage) -> None:
    """P1, hazards 3 and 26: two APIs and two workers on one database. 60 operations, submitted through both, are each
    started once, run once, and have one history, although one worker hangs for a while in the middle."""
    await outage["many_compete"]


async def test_database_down_and_up(outage: Outage) -> None:
    """P7, hazards 15 and 29: the database goes away. readyz is 503, calls are 503 problems; workflows that run go on
    and complete after a bounded wait. When it is back, without anybody's help, the rows say so."""
    await outage["database_down_and_up"]


async def test_stop_in_order(outage: Outage) -> None:
    """SIGTERM ends APIs and workers with exit code 0, after all that they have been through."""
    await outage["stop_in_order"]
