"""The load of a campaign: everything that clients do, each at its time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from temporalio.client import Client

from tests.chaos.clients.adopter import Adopter
from tests.chaos.clients.bulk_client import BulkClient
from tests.chaos.clients.fates import Fates
from tests.chaos.clients.putter import Putter
from tests.chaos.clients.servers import Servers
from tests.chaos.clients.sql_submitter import SqlSubmitter
from tests.chaos.clients.starter import Starter
from tests.chaos.clients.submitter import Submitter
from tests.chaos.clients.trespasser import Trespasser
from tests.chaos.clients.with_plugin import clients_with_plugin
from tests.chaos.faults.injector import Injector
from tests.chaos.plan.kinds import Way
from tests.chaos.plan.plan import Plan
from tests.chaos.plan.workload import Work
from tests.chaos.record import Record
from tests.chaos.system.system import System

ADOPTED_LATE = 0.3
"""Share of the executions that are adopted on request only after their end."""


class Load:
    """All clients. `await run()`, then `await close()`, whatever happened."""

    def __init__(self, system: System, plan: Plan, record: Record, plain: Client, recording: Sequence[Client]) -> None:
        """`plain` and `recording`: clients of Temporal without the plugin and with it."""
        servers = Servers(system.urls, system.keys)
        self._system = system
        self._plan = plan
        self._submitter = Submitter(servers, plan, record)
        self._starter = Starter(plain, recording, record)
        self._adopter = Adopter(servers, record)
        self._fates = Fates(plain, servers, record)
        self._bulk = BulkClient(servers, record)
        self._trespasser = Trespasser(servers, plan, record)
        putter = Putter(recording, plan, record)
        self._ways: dict[Way, Callable[[Work], Awaitable[str | None]]] = {
            Way.SUBMIT: self._submitter.submit,
            Way.SQL: SqlSubmitter(system.socket, plan, record).submit,
            Way.SIGNAL: putter.put,
            Way.UPDATE: putter.put,
        }

    @classmethod
    async def connect(cls, system: System, plan: Plan, record: Record) -> "Load":
        """With all its connections."""
        servers = Servers(system.urls, system.keys)
        recording = await clients_with_plugin(system.temporal.address, servers)
        return cls(system, plan, record, await system.client(), recording)

    async def run(self, injector: Injector) -> None:
        """Workload and faults, until both are through."""
        began = time.monotonic()

        async def later(at: float, act: Callable[[], Awaitable[None]]) -> None:
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            await act()

        async with asyncio.TaskGroup() as group:
            group.create_task(injector.run(began))
            for crowd in self._plan.crowds:
                group.create_task(later(crowd.at, partial(self._bulk.handle, crowd)))
            for planned in self._plan.acknowledgements:
                if planned.at is not None:
                    group.create_task(later(planned.at, partial(self._bulk.acknowledge, planned)))
            for work in self._plan.work:
                group.create_task(later(work.at, partial(self._one, work)))
        await self._system.until_ready()
        async with asyncio.TaskGroup() as group:
            for planned in self._plan.acknowledgements:
                if planned.at is None:
                    group.create_task(self._bulk.acknowledge(planned))

    async def close(self) -> None:
        """The end."""
        for client in (self._submitter, self._adopter, self._fates, self._bulk, self._trespasser):
            await client.close()

    async def _one(self, work: Work) -> None:
        """One operation, from its start to what is done to it."""
        found = await self._ways.get(work.way, self._starter.start)(work)
        if found is None:
            return
        if work.way is Way.CALL:
            if work.choice < ADOPTED_LATE:
                await self._starter.ended(found)
            await self._adopter.adopt(work, found)
            await self._trespasser.adopt(work, found)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fates.fulfil(work, found))
            if work.way is Way.SUBMIT:
                group.create_task(self._trespasser.trespass(work, found))
