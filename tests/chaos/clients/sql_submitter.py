"""A team with tables in the same database: submits in transactions of its own, some of which roll back."""

import asyncio
import json
import time
from random import Random

import asyncpg

from entrypoints.local.embedded.postgres import PORT, USER
from tests.chaos.plan.plan import Plan
from tests.chaos.plan.workload import Work
from tests.chaos.record import Record

TIMEOUT = 90.0
ROLLED_BACK = 0.4
"""Share of the submissions before which the same one is made in a transaction that is rolled back."""
SUBMIT = "SELECT opledger.submit($1, $2::text::jsonb, labels => $3::text::jsonb, idempotency_key => $4)::text"
ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class SqlSubmitter:
    """Submits the plan's operations at their times, on a connection each."""

    def __init__(self, socket: str, plan: Plan, record: Record) -> None:
        self._socket = socket
        self._plan = plan
        self._record = record

    async def submit(self, work: Work) -> str | None:
        """The operation's id; None, with a complaint, if no transaction was committed."""
        dice = Random(f"{self._plan.seed}/sql/{work.number}")
        if dice.random() < ROLLED_BACK:
            key = f"rolled-back-{work.key}"
            self._record.rolled_back.add(key)
            await self._in_transaction(work, key, commit=False)
        operation_id = await self._in_transaction(work, work.key, commit=True)
        if operation_id is None:
            self._record.complaints.append(f"P1: key {work.key} was not committed in {TIMEOUT:g} s")
        else:
            self._record.answers[work.key].add(operation_id)
        return operation_id

    async def _in_transaction(self, work: Work, key: str, *, commit: bool) -> str | None:
        """The id that the function has returned in a transaction that ended as wanted."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                return await self._once(work, key, commit=commit)
            except ERRORS:
                if commit:
                    self._record.unanswered.add(key)  # it may have been committed all the same
                await asyncio.sleep(0.2)
        return None

    async def _once(self, work: Work, key: str, *, commit: bool) -> str:
        connection = await asyncpg.connect(host=self._socket, port=PORT, user=USER, database="opledger", timeout=5)
        try:
            transaction = connection.transaction()
            await transaction.start()
            arguments = (work.type, json.dumps(work.input), json.dumps({"number": str(work.number)}), key)
            operation_id: str = await connection.fetchval(SUBMIT, *arguments, timeout=5)
            await (transaction.commit() if commit else transaction.rollback())
            return operation_id
        finally:
            connection.terminate()
