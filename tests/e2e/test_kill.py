"""kill -9 of every process of `opledger up`, with work under way: nothing is lost, nothing doubled, all converges."""

import asyncio
import contextlib
import os
import signal
from typing import Any

import httpx
import psutil
import pytest
from temporalio.client import Client

from tests.support.eventually import eventually
from tests.support.stack.commands import Stack
from tests.support.stack.ledger import Ledger, Shown, each_ran_once

LONG = 600.0


@pytest.fixture(scope="module", autouse=True)
def beside(request: pytest.FixtureRequest) -> None:
    """Meanwhile, the demo."""
    request.getfixturevalue("demo")


def body(burst: str, number: int, seconds: float = 0, outcome: str = "success") -> dict[str, Any]:
    value = {"machine": f"m{number}", "seconds": seconds, "outcome": outcome}
    return {"type": "deploy", "input": value, "labels": {"burst": burst}}


async def check_burst(ledger: Ledger, temporal: Client, burst: str, ids: list[str]) -> list[Shown]:
    """P1: the ledger has these operations and no other of the burst; each ended as its input wants; each ran once."""
    done = await ledger.until_done(*ids)
    assert sorted(shown["id"] for shown in await ledger.labelled(burst=burst)) == sorted(ids)
    for shown in done:
        expected = "COMPLETED" if shown["input"]["outcome"] == "success" else "FAILED"
        assert shown["status"] == expected, shown
        assert await ledger.path(shown["id"]) == ["ACCEPTED", "RUNNING", expected]
    await each_ran_once(temporal, ids)
    return done


async def test_api_killed_in_a_burst(stack: Stack, ledger: Ledger, temporal: Client) -> None:
    """P1, hazards 1, 2 and 6: 40 clients submit at once and repeat what was not answered; the API is killed in the
    middle. Every 202 is kept, a repeat gives the same id, and there is one execution for each operation."""
    answered, enough = 0, asyncio.Event()
    gate = asyncio.Semaphore(8)

    async def client(number: int) -> str:
        async with gate:
            operation_id, statuses = await ledger.submit_surely(f"kill api {number}", body("kill-api", number))
            assert set(statuses) <= {0, 202}
            nonlocal answered
            answered += 1
            if answered == 12:
                enough.set()
            return operation_id

    clients = [asyncio.create_task(client(number)) for number in range(40)]
    await enough.wait()
    killed = stack.kill("api")
    ids = await asyncio.gather(*clients)
    await stack.until_back("api", killed)
    assert len(set(ids)) == 40
    repeats = [ledger.submit_surely(f"kill api {number}", body("kill-api", number)) for number in range(40)]
    assert [operation_id for operation_id, _ in await asyncio.gather(*repeats)] == ids
    await check_burst(ledger, temporal, "kill-api", ids)


async def test_operations_survive_the_kill_of_the_worker(stack: Stack, ledger: Ledger, temporal: Client) -> None:
    """P1, hazards 2, 3 and 26: the worker dies while it dispatches, reports and reconciles; the next one goes on."""
    outcomes = ["success", "failure"] * 6
    jobs = [body("kill-worker", number, number % 3, outcome) for number, outcome in enumerate(outcomes)]
    first = [await ledger.submit_surely(f"kill worker {number}", job) for number, job in enumerate(jobs[:6])]
    await ledger.until("the start", [first[0][0]], lambda shown: shown["status"] != "ACCEPTED")
    rest = [
        asyncio.create_task(ledger.submit_surely(f"kill worker {number}", job))
        for number, job in enumerate(jobs[6:], 6)
    ]
    killed = stack.kill("worker")
    ids = [operation_id for operation_id, _ in [*first, *await asyncio.gather(*rest)]]
    await stack.until_back("worker", killed)
    await check_burst(ledger, temporal, "kill-worker", ids)


async def test_operations_survive_the_kill_of_postgresql(stack: Stack, ledger: Ledger, temporal: Client) -> None:
    """P7: PostgreSQL dies with operations under way and submissions on their way. Requests meanwhile get 503 as a
    problem, or waits; no workflow fails of it, and every row becomes true."""
    ids = [(await ledger.submit_surely(f"kill db {number}", body("kill-db", number, 8)))[0] for number in range(6)]
    await ledger.until_running(ids[0])
    killed = stack.kill("postgres")
    answers: list[httpx.Response] = []

    async def read() -> None:
        while stack.pids().get("postgres", killed) == killed or not answers or answers[-1].status_code != 200:
            answers.append(await ledger.http.get(f"/v1/operations/{ids[0]}"))

    submissions = [ledger.submit_surely(f"kill db {number}", body("kill-db", number)) for number in range(6, 12)]
    reading = asyncio.create_task(read())
    submitted = await asyncio.gather(*submissions)
    await reading
    for answer in answers:
        assert answer.status_code in (200, 503), answer.text
        assert answer.status_code == 200 or answer.headers["content-type"] == "application/problem+json"
    assert {status for _, statuses in submitted for status in statuses} <= {202, 503}
    await check_burst(ledger, temporal, "kill-db", ids + [operation_id for operation_id, _ in submitted])


async def test_requests_succeed_while_temporal_is_down(stack: Stack, ledger: Ledger, temporal: Client) -> None:
    """P5: Temporal dies with operations under way. Submissions, reads and cancels go on at once; what was submitted is
    started later, cancellations are delivered later, and what ran goes on."""
    running, cancelled = await ledger.submit(seconds=12), await ledger.submit(seconds=LONG)
    await ledger.until_running(running, cancelled)
    killed = stack.kill("temporal")
    ids = [(await ledger.submit_surely(f"kill engine {n}", body("kill-engine", n)))[0] for n in range(6)]
    asked = await ledger.cancel(cancelled, reason="while Temporal was down")
    assert (asked["status"], asked["cancel_requested"]["delivered_at"]) == ("RUNNING", None)
    await stack.until_back("temporal", killed)
    await check_burst(ledger, temporal, "kill-engine", ids)
    [completed, ended] = await ledger.until_done(running, cancelled)
    assert completed["status"] == "COMPLETED"
    assert (ended["error"]["code"], ended["error"]["message"]) == ("CANCELED", "while Temporal was down")
    await each_ran_once(temporal, [running, cancelled])


async def test_requests_do_not_wait_for_a_hanging_temporal(stack: Stack, ledger: Ledger, temporal: Client) -> None:
    """P5, hazard 29: a Temporal that holds its connections and says nothing degrades readyz, still 200; submissions
    and reads do not wait for it; later everything goes on."""
    await ledger.until_ready()
    pid = stack.pids()["temporal"]
    os.kill(pid, signal.SIGSTOP)
    try:
        ids = [(await ledger.submit_surely(f"hang {n}", body("hang", n)))[0] for n in range(3)]
        assert [(await ledger.get(operation_id))["status"] for operation_id in ids] == ["ACCEPTED"] * 3
        ready = await ledger.until_ready(200, "degraded")
        assert [name for name, check in ready["checks"].items() if not check["ok"]] == ["temporal"]
    finally:
        os.kill(pid, signal.SIGCONT)
    await check_burst(ledger, temporal, "hang", ids)
    await ledger.until_ready()


async def test_kill_of_up_leaves_no_process_and_loses_nothing(stack: Stack, ledger: Ledger, temporal: Client) -> None:
    """kill -9 of `up` leaves no process; the next `up` on the folder, at once,
    has everything and brings it to its end."""
    ids = [(await ledger.submit_surely(f"kill up {n}", body("kill-up", n, n % 3 * 4)))[0] for n in range(6)]
    await ledger.until_running(ids[-1])
    ids.append((await ledger.submit_surely("kill up 6", body("kill-up", 6)))[0])
    old, family = stack.service, stack.service.family()
    assert len(family) > 8
    old.kill()
    await old.nobody_left()
    await eventually(lambda: not any(map(_runs, family)), "every process has ended")
    await stack.start()
    await check_burst(ledger, temporal, "kill-up", ids)


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
