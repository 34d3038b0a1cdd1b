"""The contract of operation repositories: workflow ids, parents and adoption."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from application.ports.storage.operation_repository import ChainTaken, WorkflowIdTaken
from domain.errors import InvalidInput, OpledgerError
from domain.operation.follow_up import dispatched
from domain.operation.lifecycle import start
from domain.operation.operation import Change, Operation
from domain.operation.origin import Origin
from domain.operation.start.creation import accept, adopt
from domain.operation.start.superseding import supersede
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.contract.storage.operations.test_operation_queries import change_to
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add, save, stored
from tests.support.operations import at, cause

A, R, C, F = OperationStatus
NAME = "deploy-m1"


def submitted(number: int, seconds: float = 0, **fields: Any) -> Change:
    """A new operation of the ledger, with a workflow id of its own."""
    given: dict[str, Any] = {"tenant": "default", "type_name": "deploy", "value": 1, "labels": {}, "workflow_id": NAME}
    change = accept(UUID(int=number), cause=cause(seconds), **given)
    return replace(change, operation=replace(change.operation, **fields))


def found(number: int, *, tenant: str = "default", workflow_id: str = NAME, parent_id: UUID | None = None) -> Change:
    """An operation that adopts a running execution."""
    return adopt(
        UUID(int=number),
        tenant=tenant,
        type_name="deploy",
        value=1,
        labels={},
        workflow_id=workflow_id,
        first_run_id=f"run-{number}",
        started_at=at(number),
        follow_up_at=at(999),
        cause=cause(number, Source.ADOPTION),
        parent_id=parent_id,
    )


def in_status(status: OperationStatus, number: int, **fields: Any) -> Change:
    """An operation with that status and these fields."""
    change = change_to(status, number)
    return replace(change, operation=replace(change.operation, **fields))


async def under(store: Store, *names: str) -> dict[str, list[UUID]]:
    """The ids of the operations with these workflow ids."""
    async with store.units() as unit:
        holders = await unit.operations.under_workflow_ids(names)
    return {name: [row.id for row in rows] for name, rows in holders.items()}


def ids(*numbers: int) -> list[UUID]:
    """The ids with these numbers."""
    return [UUID(int=number) for number in numbers]


class WorkflowIdContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_a_second_open_operation_with_the_workflow_id_is_refused(self, store: Store) -> None:
        """The tenant does not matter. The first operation stays as it is."""
        await add(store, submitted(1))
        for other in (submitted(2), submitted(3, tenant="another")):
            with pytest.raises(WorkflowIdTaken):
                await add(store, other)
        with pytest.raises(WorkflowIdTaken):
            async with store.units() as unit:
                await unit.operations.add_all([submitted(4, workflow_id="x"), submitted(5, workflow_id="x")])
        assert (await stored(store, UUID(int=1))).workflow_id == NAME
        assert [await store.peek(operation_id) for operation_id in ids(2, 3, 4, 5)] == [None] * 4

    async def test_operation_that_is_superseded_in_its_own_transaction(self, store: Store) -> None:
        """It is final when it is stored; its successor holds the workflow id."""
        first, second = submitted(1), submitted(2)
        change = first.then(supersede(first.operation, UUID(int=2), cause(0)))
        async with store.units() as unit:
            await unit.operations.add_all([change, second])
            await unit.commit()
        row = await stored(store, UUID(int=1))
        assert (row.status, row.superseded_by, row.history_length) == (F, UUID(int=2), 3)
        with pytest.raises(WorkflowIdTaken):
            await add(store, submitted(3))

    async def test_supersession_and_successor_are_stored_together(self, store: Store) -> None:
        """The row is saved before the new one is added, so that the workflow id is free."""
        await add(store, submitted(1))
        row = await stored(store, UUID(int=1))
        async with store.units() as unit:
            saved = await unit.operations.save_all([supersede(row, UUID(int=2), cause(1))])
            assert set(saved) == {UUID(int=1)}
            await unit.operations.add_all([submitted(2)])
            await unit.commit()
        assert await under(store, NAME) == {NAME: ids(2, 1)}

    async def test_closed_superseded_and_foreign_operations_do_not_hold_the_workflow_id(self, store: Store) -> None:
        """Two executions with one workflow id can be open for the ledger while the end of the first is not known."""
        await add(store, in_status(C, 1, workflow_id=NAME), submitted(2), found(3), found(4))
        before = await stored(store, UUID(int=2))
        async with store.units() as unit:
            await unit.operations.save(Change(replace(before, superseded_by=UUID(int=5))))
            await unit.operations.add_all([submitted(5)])
            await unit.commit()
        assert (await stored(store, UUID(int=2))).superseded_by == UUID(int=5)
        with pytest.raises(WorkflowIdTaken):
            await add(store, submitted(6))

    async def test_operations_under_their_own_ids_do_not_collide(self, store: Store) -> None:
        """Their workflow ids are their ids."""
        await add(store, in_status(R, 1), in_status(R, 2))
        assert [(await stored(store, each)).workflow_id for each in ids(1, 2)] == [str(each) for each in ids(1, 2)]
        assert await under(store, str(UUID(int=2)), str(UUID(int=3))) == {str(UUID(int=2)): ids(2)}

    async def test_one_of_two_concurrent_submissions_is_refused(self, store: Store) -> None:
        """The second waits for the first to commit."""
        async with store.units() as first, store.units() as second:
            await first.operations.add_all([submitted(1)])
            adding = asyncio.create_task(second.operations.add_all([submitted(2)]))
            done, _ = await asyncio.wait({adding}, timeout=0.1)
            assert not done
            await first.commit()
            with pytest.raises(WorkflowIdTaken):
                await adding
        assert await under(store, NAME) == {NAME: ids(1)}

    async def test_open_and_last_closed_operations_of_each_workflow_id(self, store: Store) -> None:
        """The open ones, newest first, then the closed one that was accepted last."""
        closed = [in_status(status, number, workflow_id=NAME) for status, number in ((C, 1), (F, 3), (C, 2))]
        await add(store, *closed, submitted(4), found(5, tenant="another"), submitted(6, workflow_id="other"), found(7))
        async with store.units() as unit:
            holders = await unit.operations.under_workflow_ids([NAME, "other", "nobody's", "\x00"])
        assert {name: [row.id for row in rows] for name, rows in holders.items()} == {
            NAME: ids(7, 5, 4, 3),
            "other": ids(6),
        }
        assert holders["other"] == [await stored(store, UUID(int=6))]
        assert await under(store) == {}

    async def test_an_adopted_operation_is_stored_once(self, store: Store) -> None:
        """A repeat changes nothing (hazard 39)."""
        for expected in (True, False):
            async with store.units() as unit:
                assert await unit.operations.add_unless_known(found(1)) is expected
                await unit.commit()
        row = await stored(store, UUID(int=1))
        assert (row.origin, row.workflow_id, row.first_run_id) == (Origin.ADOPTED, NAME, "run-1")
        assert (row.accepted_at, row.updated_at, row.dispatch.done_at) == (at(1), at(1), at(1))
        [line] = await store.queries("default").transitions(row.id)
        assert line.source is Source.ADOPTION
        changed = await save(store, start(row, cause(2)))
        async with store.units() as unit:
            assert not await unit.operations.add_unless_known(found(1, tenant="another"))
            await unit.commit()
        assert await stored(store, UUID(int=1)) == changed

    async def test_two_concurrent_adoptions_store_one_operation(self, store: Store) -> None:
        """The second waits for the first, and finds its row."""
        async with store.units() as first, store.units() as second:
            assert await first.operations.add_unless_known(found(1))
            adding = asyncio.create_task(second.operations.add_unless_known(found(1)))
            done, _ = await asyncio.wait({adding}, timeout=0.1)
            assert not done
            await first.commit()
            assert await adding is False
            assert (await second.operations.get(UUID(int=1))) is not None
            await second.commit()
        assert len(await store.queries("default").transitions(UUID(int=1))) == 1

    async def test_operation_of_a_chain(self, store: Store) -> None:
        """Open or done, of any tenant, and however many have had the workflow id since."""
        done = [in_status(C, number, workflow_id=NAME, first_run_id=f"run-{number}") for number in (1, 2, 3)]
        own_id = in_status(R, 5, first_run_id="run-5")
        await add(store, *done, found(4, tenant="another"), own_id)
        async with store.units() as unit:
            for number, name in ((1, NAME), (2, NAME), (4, NAME), (5, str(UUID(int=5)))):
                row = await unit.operations.of_chain(name, f"run-{number}")
                assert row == await unit.operations.get(UUID(int=number))
            for name, run in ((NAME, "run-5"), ("other", "run-1"), (str(UUID(int=5)), "run-1"), ("\x00", "run-1")):
                assert await unit.operations.of_chain(name, run) is None

    async def test_one_operation_has_a_chain(self, store: Store) -> None:
        """A second one is not adopted, also if the first one is done; and none that exists takes the chain."""
        await add(store, in_status(C, 1, workflow_id=NAME, first_run_id="run-2"), submitted(3), found(4))
        async with store.units() as unit:
            assert not await unit.operations.add_unless_known(found(2))
            assert await unit.operations.get(UUID(int=2)) is None
            assert await unit.operations.add_unless_known(found(2, workflow_id="other"))
            await unit.commit()
        row = await stored(store, UUID(int=3))
        for run in ("run-2", "run-4"):
            takes = dispatched(row, follow_up_at=at(9), now=at(8), first_run_id=run)
            with pytest.raises(ChainTaken):
                await save(store, takes)
            async with store.units() as unit:
                with pytest.raises(ChainTaken):
                    await unit.operations.save_all([takes])
        free = await save(store, dispatched(row, follow_up_at=at(9), now=at(8), first_run_id="run-3"))
        assert free.first_run_id == "run-3"

    async def test_adoption_waits_for_an_operation_that_takes_the_chain(self, store: Store) -> None:
        """Whichever commits first has the chain."""
        await add(store, submitted(1))
        row = await stored(store, UUID(int=1))
        async with store.units() as first, store.units() as second:
            await first.operations.save(dispatched(row, follow_up_at=at(9), now=at(8), first_run_id="run-2"))
            adding = asyncio.create_task(second.operations.add_unless_known(found(2)))
            done, _ = await asyncio.wait({adding}, timeout=0.1)
            assert not done
            await first.commit()
            assert await adding is False
            holder = await second.operations.of_chain(NAME, "run-2")
            assert holder is not None
            assert holder.id == row.id

    @pytest.mark.parametrize("name", ["é" * 501, "\x00", "\ud800"], ids=repr)
    async def test_workflow_ids_that_temporal_or_the_database_refuses(self, store: Store, name: str) -> None:
        """Temporal's limit is 1,000 bytes."""
        with pytest.raises(OpledgerError if name.startswith("é") else InvalidInput):
            await add(store, submitted(1, workflow_id=name))
        await add(store, submitted(2, workflow_id="é" * 500))
        assert (await stored(store, UUID(int=2))).workflow_id == "é" * 500

    async def test_open_children_by_id(self, store: Store) -> None:
        """In pages; not those of another parent."""
        parent, other = ids(90, 91)
        await add(store, *(in_status(status, number, parent_id=parent) for number, status in ((3, R), (1, A), (2, C))))
        await add(store, in_status(R, 4, parent_id=other), in_status(R, 5), in_status(R, 6, parent_id=parent))
        async with store.units() as unit:
            first = await unit.operations.open_children(parent, 2)
            assert [row.id for row in first] == ids(1, 3)
            assert await unit.operations.open_children(parent, 2, after=first[-1].id) == [
                await unit.operations.get(UUID(int=6))
            ]

    async def test_summaries_and_waiting_chains_have_the_workflow_id(self, store: Store) -> None:
        """The default is the operation's id."""
        await add(store, found(1), in_status(A, 2), in_status(R, 3))
        async with store.units() as unit:
            summaries = await unit.operations.summaries(ids(1, 3))
            waiting = await unit.operations.waiting(["deploy"], at(999), 4)
        rows: list[Operation] = [await stored(store, each) for each in ids(1, 3)]
        assert {summary.chain for summary in summaries} == {row.chain for row in rows}
        assert rows[0].chain in waiting["deploy"]


class TestWorkflowIdsInMemory(OnMemory, WorkflowIdContract):
    """In memory."""


class TestWorkflowIdsOnPostgres(OnPostgres, WorkflowIdContract):
    """In PostgreSQL."""
