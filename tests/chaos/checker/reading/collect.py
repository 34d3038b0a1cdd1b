"""Collects the facts from both sides, directly."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import asyncpg

from tests.chaos.checker.facts import BulkOrder, Declared, Facts, Order, Put, ReceivedId, Submission, Trespass
from tests.chaos.checker.reading import ledger
from tests.chaos.checker.reading.engine import Engine


class Answers(Protocol):
    """What clients did and were answered."""

    @property
    def answers(self) -> Mapping[str, set[str]]: ...

    @property
    def deleted(self) -> Mapping[str, Sequence[datetime]]: ...

    @property
    def received_ids(self) -> Sequence[ReceivedId]: ...

    @property
    def asked(self) -> set[str]: ...

    @property
    def puts(self) -> Sequence[Put]: ...

    @property
    def submissions(self) -> Sequence[Submission]: ...

    @property
    def parents(self) -> Mapping[str, str]: ...

    @property
    def bulk(self) -> Mapping[str, BulkOrder]: ...

    @property
    def trespasses(self) -> Sequence[Trespass]: ...

    @property
    def rolled_back(self) -> set[str]: ...

    @property
    def unanswered(self) -> set[str]: ...


async def collect(
    connection: "asyncpg.Connection[asyncpg.Record]",
    engine: Engine,
    clients: Answers,
    orders: Mapping[int, Order],
    declared: Declared,
) -> Facts:
    """The rows are read before the runs: a row may only be too old against a run, never too new."""
    rows = await ledger.rows(connection)
    answered = {operation_id for ids in clients.answers.values() for operation_id in ids}
    workflow_ids = {row.workflow_id for row in rows.values()} | (answered - rows.keys()) | clients.deleted.keys()
    known = {(row.workflow_id, row.first_run_id) for row in rows.values() if row.first_run_id is not None}
    return Facts(
        rows=rows,
        lines=await ledger.lines(connection),
        stored_keys=await ledger.stored_keys(connection),
        runs=await engine.runs(workflow_ids, known),
        answers={key: frozenset(ids) for key, ids in clients.answers.items()},
        deleted={workflow_id: list(times) for workflow_id, times in clients.deleted.items()},
        orders=orders,
        received_ids=list(clients.received_ids),
        puts=list(clients.puts),
        submissions=list(clients.submissions),
        parents=dict(clients.parents),
        bulk=dict(clients.bulk),
        targets=await ledger.targets(connection),
        trespasses=list(clients.trespasses),
        rolled_back=frozenset(clients.rolled_back),
        unanswered=frozenset(clients.unanswered),
        declared=replace(declared, asked=frozenset(clients.asked)),
    )
