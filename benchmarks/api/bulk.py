"""Rate of bulk actions, and latency of single requests beside them.

The same rows go through several bulk actions: ACCEPTED operations that start tomorrow are cancelled, which ends them,
and then deleted; RUNNING operations that need attention are acknowledged, and then cancelled. Temporal does not have
these: the worker delivers each request, and Temporal answers that there is no execution. One client reads an operation
and submits one, in turns, before the bulk action and while it runs. A bulk action has at most 100,000 operations, as in
a whole run.

COMPLETED operations are retried. Temporal starts their workflows, which no worker takes up. Beside it the client
submits operations that start at once. What counts is the time until Temporal has accepted their start.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters.postgres.connection.driver import Connection
from benchmarks.data.ledger_rows import connection, until
from benchmarks.harness.client import Client, connected, request, status
from benchmarks.harness.measurement import Row, Scale, quantile
from benchmarks.harness.stage import api, data_folder, database, temporal, worker

_ACCEPTED: Final = """
WITH made AS (
    INSERT INTO opledger.operations (id, tenant, type, status, input, labels, accepted_at, updated_at, start_at,
        dispatch_due_at, dispatch_attempts, follow_up_attempts, version, history_length)
    SELECT gen_random_uuid(), 'default', 'deploy', 'ACCEPTED', '{"seconds": 3}', json_build_object('bulk', $2::text),
        now(), now(),
        now() + interval '1 day', now() + interval '1 day', 0, 0, 1, 1
    FROM generate_series(1, $1)
    RETURNING id, accepted_at
)
INSERT INTO opledger.transitions (operation_id, sequence, to_status, source, reason, at, details)
SELECT id, 1, 'ACCEPTED', 'CLIENT', 'accepted', accepted_at, '{}' FROM made
"""
_RUNNING: Final = """
WITH made AS (
    INSERT INTO opledger.operations (id, tenant, type, status, input, labels, accepted_at, started_at, updated_at,
        dispatch_attempts, dispatched_at, follow_up_attempts, version, history_length, verified_at, verify_due_at,
        attention_kind, attention_since, attention_message)
    SELECT gen_random_uuid(), 'default', 'deploy', 'RUNNING', '{"seconds": 3}', json_build_object('bulk', $2::text),
        now(), now(),
        now(), 1, now(), 0, 3, 2, now(), now() + interval '1 day', 'ACTIVITY_RETRYING', now(), 'it fails'
    FROM generate_series(1, $1)
    RETURNING id, accepted_at
)
INSERT INTO opledger.transitions (operation_id, sequence, from_status, to_status, source, reason, at, details)
SELECT id, sequence, CASE sequence WHEN 2 THEN 'ACCEPTED' END, CASE sequence WHEN 1 THEN 'ACCEPTED' ELSE 'RUNNING' END,
    'CLIENT', 'filled', accepted_at, '{}'
FROM made, generate_series(1, 2) AS sequence
"""
_COMPLETED: Final = """
WITH made AS (
    INSERT INTO opledger.operations (id, tenant, type, status, input, labels, result, accepted_at, started_at,
        finished_at, updated_at, dispatch_attempts, dispatched_at, follow_up_attempts, version, history_length)
    SELECT gen_random_uuid(), 'default', 'deploy', 'COMPLETED', '{"machine": "m1", "seconds": 3}',
        json_build_object('bulk', $2::text), '{"ok":true}', now(), now(), now(), now(), 1, now(), 0, 3, 3
    FROM generate_series(1, $1)
    RETURNING id, accepted_at
)
INSERT INTO opledger.transitions (operation_id, sequence, from_status, to_status, source, reason, at, details)
SELECT id, sequence, (ARRAY[NULL, 'ACCEPTED', 'RUNNING'])[sequence],
    (ARRAY['ACCEPTED', 'RUNNING', 'COMPLETED'])[sequence], 'CLIENT', 'filled', accepted_at, '{}'
FROM made, generate_series(1, 3) AS sequence
"""
_LABELED: Final = "labels @> jsonb_build_object('bench', $1::text)"
_STARTED: Final = f"{_LABELED} AND dispatched_at IS NOT NULL"
_LAGS: Final = f"""
SELECT extract(epoch FROM dispatched_at - accepted_at)::float8 * 1000 FROM opledger.operations WHERE {_LABELED}
"""
_UNHEARD: Final = {"OPLEDGER_OPERATIONS": str(Path(__file__).with_name("operations.toml"))}
_SUBMIT_EVERY: Final = 0.25
"""Seconds."""
_FILLS: Final = {"ACCEPTED": _ACCEPTED, "RUNNING": _RUNNING, "COMPLETED": _COMPLETED}
_VERBS: Final = {"ACCEPTED": ("cancel", "delete"), "RUNNING": ("acknowledge", "cancel")}
"""Verbs by the first status of the operations, in the order of their use."""
_WORDS: Final = {"delete": "FAILED"}
"""Status of the operations when the verb is used, if it differs."""
_AT_ONCE: Final = 5_000
"""Rows that one statement inserts, so that it does not exceed the statement timeout."""
_KEYS = count(1)


@dataclass
class _Latencies:
    """Milliseconds of single requests."""

    read: list[float] = field(default_factory=list)
    submit: list[float] = field(default_factory=list)


@dataclass
class _Figures:
    """The figures of one bulk action, by repeat."""

    dry: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    before: list[_Latencies] = field(default_factory=list)
    beside: list[_Latencies] = field(default_factory=list)


async def rows_of_accepted(scale: Scale) -> list[Row]:
    """For each bulk action on operations that start tomorrow: the dry run, the rate, and the latencies beside it."""
    return await _measure_all(scale, "ACCEPTED")


async def rows_of_running(scale: Scale) -> list[Row]:
    """The same on RUNNING operations: the worker requests the cancellation of each from Temporal."""
    return await _measure_all(scale, "RUNNING")


async def rows_of_retried(scale: Scale) -> list[Row]:
    """The rate of a bulk retry, and the time from the submission of another operation to its start."""
    many, before, beside, rates = scale.of(10_000, 300), [], [], []
    async with _system(**_UNHEARD) as (url, port), connection(url) as ledger:
        for repeat in range(scale.repeats):
            await _fill(ledger, "COMPLETED", many, f"retried-{repeat}")
            async with _clients(port) as (_, single):
                alone = asyncio.create_task(asyncio.sleep(scale.of(60, 5)))
                before.append(await _lags(ledger, single, f"before-{repeat}", alone))
            async with _clients(port) as (bulk, single):
                taken = _Figures()
                action = asyncio.create_task(_perform(bulk, ("retry", f"retried-{repeat}", many), taken))
                beside.append(await _lags(ledger, single, f"beside-{repeat}", action))
                rates += taken.rate
            print(".", end="", flush=True)
    what = f"bulk retry of {many:,} COMPLETED"
    return [
        Row(f"{what}: operations", "", "1/s", tuple(rates)),
        *(
            Row(
                f"submission to start beside a {what}, {word}",
                "without it",
                "ms",
                tuple(quantile(lags, part) for lags in beside),
                tuple(quantile(lags, part) for lags in before),
                None,
                f"one client submits every {_SUBMIT_EVERY:g} s; the development server of Temporal",
            )
            for word, part in (("median", 0.5), ("p99", 0.99))
        ),
    ]


async def _perform(bulk: Client, action: tuple[str, str, int], taken: _Figures) -> None:
    """Performs a bulk action, and takes its rate."""
    made, begin = await _begin(bulk, action, taken), time.perf_counter()
    while True:
        await asyncio.sleep(0.2)
        if await _is_done(bulk, made):
            break
    taken.rate.append(action[2] / (time.perf_counter() - begin))


async def _lags(ledger: Connection, single: Client, label: str, meanwhile: asyncio.Task[None]) -> list[float]:
    """Submits operations until the task ends. Returns the milliseconds until each was started."""
    body = b'{"type": "deploy", "input": {"machine": "m1", "seconds": 3}, "labels": {"bench": "%s"}}' % label.encode()
    sent = 0
    while not meanwhile.done():
        await _send(single, "POST", "/v1/operations", body, 202)
        sent += 1
        await asyncio.wait([meanwhile], timeout=_SUBMIT_EVERY)
    await meanwhile
    await until(ledger, sent, _STARTED, label)
    return [row[0] for row in await ledger.fetch(_LAGS, label)]


async def _fill(ledger: Connection, former: str, many: int, label: str) -> None:
    for done in range(0, many, _AT_ONCE):
        await ledger.execute(_FILLS[former], min(_AT_ONCE, many - done), label)
    await ledger.execute("ANALYZE opledger.operations")


async def _measure_all(scale: Scale, former: str) -> list[Row]:
    many = min(scale.of(100_000, 300), 100_000)
    figures = {verb: _Figures() for verb in _VERBS[former]}
    async with _system() as (url, port):
        for repeat in range(scale.repeats):
            async with connection(url) as ledger:
                await _fill(ledger, former, many, f"{former}-{repeat}")
            for verb, taken in figures.items():
                async with _clients(port) as (_, single):
                    taken.before.append(await _requests(single, scale.of(200, 20)))
                async with _clients(port) as (bulk, single):
                    await _measure(bulk, single, (verb, f"{former}-{repeat}", many), taken)
                print(".", end="", flush=True)
    return [row for verb, taken in figures.items() for row in _rows(verb, former, many, taken)]


async def _measure(bulk: Client, single: Client, action: tuple[str, str, int], taken: _Figures) -> None:
    made, begin = await _begin(bulk, action, taken), time.perf_counter()
    taken.beside.append(await _until_done(bulk, single, made))
    taken.rate.append(action[2] / (time.perf_counter() - begin))


async def _begin(bulk: Client, action: tuple[str, str, int], taken: _Figures) -> str:
    """Makes a dry run and confirms it. Returns the id of the operation."""
    verb, label, many = action
    path, matching = f"/v1/operations:{verb}", b'{"filter": {"type": "deploy", "label": {"bulk": "%s"}}, '
    matching %= label.encode()
    begin = time.perf_counter()
    found = await _send(bulk, "POST", path, matching + b'"dry_run": true}', 200)
    taken.dry.append((time.perf_counter() - begin) * 1000)
    if found["matching"] != many:
        raise RuntimeError(f"{found['matching']} of {many} operations match")
    made = await _send(bulk, "POST", path, matching + b'"confirm": "%s"}' % found["confirm"].encode(), 202)
    return str(made["id"])


def _rows(verb: str, former: str, many: int, taken: _Figures) -> list[Row]:
    what = f"bulk {verb} of {many:,} {_WORDS.get(verb, former)}"
    note = "one client, reading and submitting in turns; against the same before it"
    return [
        Row(f"{what}: dry run", "", "ms", tuple(taken.dry)),
        Row(f"{what}: operations", "", "1/s", tuple(taken.rate)),
        *(
            Row(
                f"{name} beside a {what}, {word}",
                "without it",
                "ms",
                _parts(taken.beside, name, part),
                _parts(taken.before, name, part),
                None,
                note,
            )
            for name in ("read", "submit")
            for word, part in (("median", 0.5), ("p99", 0.99))
        ),
    ]


def _parts(taken: Sequence[_Latencies], name: str, part: float) -> tuple[float, ...]:
    return tuple(quantile(getattr(each, name), part) for each in taken)


@asynccontextmanager
async def _system(**variables: str) -> AsyncIterator[tuple[str, int]]:
    """The URL of the database, and the port of an API that has a worker beside it."""
    with data_folder() as folder:
        async with (
            database(folder) as url,
            temporal(folder) as address,
            api(url, **variables) as (_, port),
            worker(url, address, **variables),
        ):
            yield url, port


@asynccontextmanager
async def _clients(port: int) -> AsyncIterator[tuple[Client, Client]]:
    """Two new connections: the API closes idle ones."""
    bulk, single = await connected(port, 2)
    yield bulk, single
    bulk.close()
    single.close()


async def _until_done(bulk: Client, single: Client, operation_id: str) -> _Latencies:
    """Single requests until the bulk action is completed."""
    taken = _Latencies()
    while True:
        more = await _requests(single, 10)
        taken.read += more.read
        taken.submit += more.submit
        if await _is_done(bulk, operation_id):
            return taken


async def _is_done(bulk: Client, operation_id: str) -> bool:
    shown = await _send(bulk, "GET", f"/v1/operations/{operation_id}", b"", 200)
    if shown["done"] and (shown["status"] != "COMPLETED" or shown["result"]["done"] != shown["result"]["matching"]):
        raise RuntimeError(f"it ended as {shown}")
    return bool(shown["done"])


async def _requests(client: Client, many: int) -> _Latencies:
    """Sends `many` submissions, and reads each new operation."""
    taken = _Latencies()
    body = b'{"type": "deploy", "input": {"machine": "m1", "seconds": 3}, "delay": "2d"}'
    for _ in range(many):
        begin = time.perf_counter()
        made = await _send(client, "POST", "/v1/operations", body, 202, f"Idempotency-Key: beside-{next(_KEYS)}")
        middle = time.perf_counter()
        await _send(client, "GET", f"/v1/operations/{made['id']}", b"", 200)
        taken.submit.append((middle - begin) * 1000)
        taken.read.append((time.perf_counter() - middle) * 1000)
    return taken


async def _send(client: Client, method: str, path: str, body: bytes, expected: int, *headers: str) -> dict[str, Any]:
    answer = await client.send(request(method, path, *headers, body=body))
    if status(answer) != expected:
        raise RuntimeError(f"answered {answer[:600]!r}")
    decoded: dict[str, Any] = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])
    return decoded
