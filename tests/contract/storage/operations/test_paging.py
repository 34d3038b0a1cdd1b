"""The contract of paging while operations are added, changed and removed between two pages."""

import itertools
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.ports.storage.operation_queries import OperationFilter, PageKey
from application.ports.storage.operation_view import OperationView
from domain.operation.lifecycle import note
from domain.operation.operation import Change, Operation
from domain.operation.status import OperationStatus
from tests.contract.storage.operations.test_operation_queries import change_to, fits
from tests.contract.storage.operations.test_operation_repository import SHARED
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add
from tests.support.operations import cause

A, R, C, F = OperationStatus
_numbers = itertools.count(1)
"""Each example has its own tenant and operations."""


@dataclass(frozen=True)
class Row:
    """An operation to store: its acceptance and what filters match."""

    second: int
    scrambled: int
    """Makes the order of ids differ from the order of insertion."""
    status: OperationStatus
    type: str
    team: str

    def change(self, tenant: str) -> Change:
        """Returns the operation to store."""
        number = self.scrambled << 64 | next(_numbers)
        labels = {"team": self.team}
        return change_to(self.status, number, self.second, tenant=tenant, type_name=self.type, labels=labels)


rows = st.builds(
    Row,
    second=st.integers(0, 3),
    scrambled=st.integers(0, 3),
    status=st.sampled_from(OperationStatus),
    type=st.sampled_from("ab"),
    team=st.sampled_from("xy"),
)
"""Few instants, so that many operations share one."""
filters = st.builds(
    OperationFilter,
    statuses=st.sampled_from([frozenset(), frozenset({A}), frozenset({C}), frozenset({A, F})]),
    type=st.sampled_from([None, "a"]),
    labels=st.sampled_from([{}, {"team": "x"}]),
)


@dataclass
class Meanwhile:
    """Events between two pages: arrivals with any acceptance time, also before the current page, and removals."""

    added: list[Row]
    removed: int
    noted: int


between = st.builds(Meanwhile, added=st.lists(rows, max_size=3), removed=st.integers(0, 1), noted=st.integers(0, 1))


def position(row: Operation | OperationView) -> tuple[Any, UUID]:
    """Returns its position in the order."""
    return row.accepted_at, row.id


class PagingContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    @settings(deadline=None, suppress_health_check=SHARED)
    @given(
        first=st.lists(rows, max_size=12),
        happenings=st.lists(between, max_size=8),
        criteria=filters,
        newest_first=st.booleans(),
        limit=st.integers(1, 4),
        data=st.data(),
    )
    async def test_no_gap_and_no_repeat(
        self,
        store: Store,
        first: list[Row],
        happenings: list[Meanwhile],
        criteria: OperationFilter,
        newest_first: bool,
        limit: int,
        data: st.DataObject,
    ) -> None:
        """Operations that exist throughout are on exactly one page, none is on two, the order holds, and arrivals ahead
        of the reader are seen."""
        tenant = f"tenant {next(_numbers)}"
        queries = store.queries(tenant)
        changes = [row.change(tenant) for row in first]
        await add(store, *changes)
        there = {change.operation.id: change.operation for change in changes}
        owed = {key for key, row in there.items() if fits(row, criteria)}
        seen: list[OperationView] = []
        after = None
        for happening in itertools.chain(happenings, itertools.repeat(None, 50)):
            page = await queries.page(criteria, newest_first=newest_first, after=after, limit=limit)
            seen += page.items
            if page.items:
                after = PageKey(page.items[-1].accepted_at, page.items[-1].id)
            if happening is not None:
                arrived = await self._happen(store, tenant, happening, there, data)
                ahead = [row for row in arrived if after is None or _ahead(row, after, newest_first=newest_first)]
                owed |= {row.id for row in ahead if fits(row, criteria)}
            elif page.next_after is None:
                break
        else:
            pytest.fail("the pages have no end")
        assert max(Counter(row.id for row in seen).values(), default=1) == 1
        assert seen == sorted(seen, key=position, reverse=newest_first)
        assert all(fits(row, criteria) and row.tenant == tenant for row in seen)
        assert owed & there.keys() <= {row.id for row in seen}

    async def _happen(
        self, store: Store, tenant: str, happening: Meanwhile, there: dict[UUID, Operation], data: st.DataObject
    ) -> list[Operation]:
        """Stores arrivals, adds notes, removes finished operations, and returns the arrivals."""
        arrived = [row.change(tenant) for row in happening.added]
        await add(store, *arrived)
        there |= {change.operation.id: change.operation for change in arrived}
        async with store.units() as unit:
            for operation in _some(data, list(there.values()), happening.noted):
                there[operation.id] = await unit.operations.save(note(operation, cause(99)))
            for operation in _some(data, [row for row in there.values() if row.done], happening.removed):
                await unit.operations.delete(there.pop(operation.id))
            await unit.commit()
        return [replace(change.operation) for change in arrived]


def _some(data: st.DataObject, operations: list[Operation], many: int) -> list[Operation]:
    return [data.draw(st.sampled_from(operations)) for _ in range(many if operations else 0)]


def _ahead(row: Operation, after: PageKey, *, newest_first: bool) -> bool:
    mark = (after.at, after.operation_id)
    return position(row) < mark if newest_first else position(row) > mark


class TestMemory(OnMemory, PagingContract):
    pass


class TestPostgres(OnPostgres, PagingContract):
    pass
