"""The contract of the queries of one tenant."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.ports.storage.operation_queries import (
    PAGE_BYTES,
    OperationFilter,
    OperationQueries,
    Page,
    PageKey,
    SortTime,
)
from application.ports.storage.operation_view import OperationView
from domain.durations import Durations
from domain.json_value import JsonValue
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import complete, fail, request_cancel, start
from domain.operation.operation import Change, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.origin import Origin
from domain.operation.report import Report, ReportKind
from domain.operation.status import OperationStatus
from tests.contract.storage.operations.test_operation_repository import SHARED, accepted_change, dispatched_change, ids
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add, save, shown, stored
from tests.contract.storage.strategies import changes
from tests.support.operations import T0, at, cause

A, R, C, F = OperationStatus
EVERYTHING = OperationFilter()
BOOM = OperationError(ErrorCode.WORKFLOW_FAILED, "boom")


def change_to(status: OperationStatus, number: int = 1, seconds: float = 0, **fields: Any) -> Change:
    """A new operation, moved to the status."""
    change = accepted_change(number, seconds, **fields)
    if status is A:
        return change
    change = change.then(start(dispatched_change(change.operation, seconds=seconds).operation, cause(seconds + 1)))
    if status is C:
        return change.then(complete(change.operation, {"n": number}, cause(seconds + 2)))
    return change.then(fail(change.operation, BOOM, cause(seconds + 2))) if status is F else change


def lasting(status: OperationStatus, number: int, begin: datetime, seconds: float, **fields: Any) -> Change:
    """An operation that ran for so many seconds from then on."""
    change = change_to(status, number, **fields)
    times = {"started_at": begin, "finished_at": begin + timedelta(seconds=seconds)}
    return with_fields(change, **times)


def request_cancelled(number: int) -> Change:
    """An operation that failed before it started."""
    accepted = accepted_change(number)
    return accepted.then(request_cancel(accepted.operation, reason=None, force=False, cause=cause(1)))


def attentive(change: Change, kind: AttentionKind, seconds: float = 0) -> Change:
    """The operation with an attention since then."""
    return replace(change, operation=replace(change.operation, attention=Attention(kind, at(seconds), "why")))


def with_fields(change: Change, **fields: Any) -> Change:
    """The operation with these fields."""
    return replace(change, operation=replace(change.operation, **fields))


def _with_input(change: Change, value: JsonValue) -> Change:
    return replace(change, operation=replace(change.operation, input=value))


def some_of(*values: Any) -> st.SearchStrategy[frozenset[Any]]:
    """Usually a filter that is not set, else one with up to three of the values."""
    return st.just(frozenset()) | st.frozensets(st.sampled_from(values), max_size=3)


async def all_pages(
    queries: OperationQueries, *, newest_first: bool = True, limit: int = 2, between: Callable[[], Any] | None = None
) -> list[int]:
    """Returns the numbers of all operations, page by page."""
    seen: list[OperationView] = []
    after = None
    while True:
        page = await queries.page(EVERYTHING, newest_first=newest_first, after=after, limit=limit)
        seen += page.items
        after = page.next_after
        if after is None:
            return ids(seen)
        if between:
            await between()


async def found(store: Store, criteria: OperationFilter) -> list[int]:
    """Returns the numbers of the matching operations, oldest first."""
    page = await store.queries("default").page(criteria, newest_first=False, after=None, limit=100)
    assert page.next_after is None
    return ids(page.items)


class OperationQueriesContract:
    """The contract. Subclasses provide the store."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    async def test_no_query_returns_another_tenants_operation(self, store: Store) -> None:
        """P8."""
        await add(store, accepted_change(1, tenant="a"), accepted_change(2, tenant="b"))
        mine = store.queries("a")
        assert (await mine.get(UUID(int=1))) is not None
        assert await mine.get(UUID(int=2)) is None
        assert ids((await mine.page(EVERYTHING, newest_first=True, after=None, limit=10)).items) == [1]
        assert len(await mine.transitions(UUID(int=1))) == 1
        assert await mine.transitions(UUID(int=2)) == []
        assert await mine.counts() == {("deploy", A, None): 1}

    async def test_concurrent_reads_return_the_same_as_single_ones(self, store: Store) -> None:
        """Batching changes no result."""
        await add(store, *(accepted_change(number, tenant="ab"[number % 2]) for number in range(1, 7)))
        asked = [(tenant, number) for number in range(1, 8) for tenant in ("a", "b", "\x00")] * 3
        got = await asyncio.gather(*(store.queries(tenant).get(UUID(int=number)) for tenant, number in asked))
        found = [(None if one is None else (one.tenant, one.id.int)) for one in got]
        assert found == [
            (tenant, number) if number < 7 and tenant == "ab"[number % 2] else None for tenant, number in asked
        ]

    @pytest.mark.parametrize("tenant", ["", "A", "a ", "%", "a' OR 'a'='a", "\x00", "\ud800"], ids=repr)
    async def test_a_tenant_is_exactly_its_text(self, store: Store, tenant: str) -> None:
        """Whatever characters it has."""
        await add(store, accepted_change(1, tenant="a"))
        queries = store.queries(tenant)
        assert await queries.get(UUID(int=1)) is None
        assert await queries.page(EVERYTHING, newest_first=True, after=None, limit=10) == Page([])
        assert await queries.transitions(UUID(int=1)) == []
        assert not await queries.counts()

    @settings(deadline=None, max_examples=60, suppress_health_check=SHARED)
    @given(changes())
    async def test_a_view_has_every_field_of_the_stored_operation(self, store: Store, change: Change) -> None:
        """A single read and a page, with any JSON."""
        operation_id = change.operation.id
        async with store.units() as unit:
            if await unit.operations.get(operation_id) is None:
                await unit.operations.add(change)
            await unit.commit()
        there = await stored(store, operation_id)
        queries, expected = store.queries(there.tenant), shown(there)
        found = await queries.get(operation_id)
        assert found is not None
        assert shown(found) == expected
        page = await queries.page(EVERYTHING, newest_first=True, after=None, limit=200)
        assert [shown(one) for one in page.items if one.id == operation_id] == [expected]

    async def test_get_finds_an_operation_by_its_id(self, store: Store) -> None:
        """By nothing else."""
        await add(store, change_to(C, 1))
        found = await store.queries("default").get(UUID(int=1))
        assert found is not None
        assert shown(found) == shown(await stored(store, UUID(int=1)))
        assert await store.queries("default").get(UUID(int=2)) is None

    async def test_history_is_oldest_first(self, store: Store) -> None:
        change = change_to(F, 1)
        await add(store, change)
        assert await store.queries("default").transitions(UUID(int=1)) == list(change.transitions)

    async def test_durations_are_by_final_status(self, store: Store) -> None:
        """Of one type and tenant, between the times, both exclusive. Operations that never started have none."""
        for number in range(1, 11):
            await add(store, lasting(C, number, at(number), number))
        await add(store, lasting(F, 11, at(5), 7))
        await add(store, lasting(C, 12, at(5), 1, tenant="other"), lasting(C, 13, at(5), 1, type_name="backup"))
        await add(store, change_to(R, 14, 1), request_cancelled(15))
        queries = store.queries("default")
        found = await queries.durations("deploy", at(0), at(10**6), 100)
        assert found == {C: Durations(10, False, 5, 9, 10, 10, 10), F: Durations(1, False, 7, 7, 7, 7, 7)}
        ended = {number: 2 * number for number in range(1, 11)}
        found = await queries.durations("deploy", at(ended[3]), at(ended[7]), 100)
        assert found[C] == Durations(3, False, 5, 6, 6, 6, 6)
        nothing = {C: Durations(), F: Durations()}
        assert await queries.durations("deploy", at(10**6), at(10**7), 100) == nothing
        assert await queries.durations("nobody's", at(0), at(10**6), 100) == nothing
        assert await queries.durations("\0", at(0), at(10**6), 100) == nothing
        assert await store.queries("nobody").durations("deploy", at(0), at(10**6), 100) == nothing

    @pytest.mark.parametrize(("sample", "sampled"), [(4, True), (9, True), (10, False)])
    async def test_durations_of_a_large_window_are_those_of_the_newest(
        self, store: Store, sample: int, sampled: bool
    ) -> None:
        """The answer says that it is a sample."""
        for number in range(1, 11):
            await add(store, lasting(C, number, at(number), number))
        found = (await store.queries("default").durations("deploy", at(0), at(10**6), sample))[C]
        assert (found.count, found.sampled, found.max) == (sample, sampled, 10)
        assert found.p50 == 10 - sample + (sample + 1) // 2

    async def test_counts_are_by_type_status_and_error_code(self, store: Store) -> None:
        """Deleted operations do not count."""
        await add(store, change_to(A, 1), change_to(A, 2), change_to(A, 3, type_name="b"), change_to(C, 4))
        await add(store, change_to(F, 5), change_to(F, 6, tenant="other"))
        expected = {
            ("deploy", A, None): 2,
            ("b", A, None): 1,
            ("deploy", C, None): 1,
            ("deploy", F, ErrorCode.WORKFLOW_FAILED): 1,
        }
        assert dict(await store.queries("default").counts()) == expected

    # Order and pages

    async def test_pages_are_ordered_by_acceptance_and_id(self, store: Store) -> None:
        """Both directions work. The id orders operations of the same instant."""
        seconds = {5: 0, 1: 0, 4: -1, 2: 7, 3: 0}
        await add(store, *(accepted_change(number, when) for number, when in seconds.items()))
        oldest_first = [4, 1, 3, 5, 2]
        for limit in (1, 2, 10):
            assert await all_pages(store.queries("default"), newest_first=False, limit=limit) == oldest_first
            assert await all_pages(store.queries("default"), limit=limit) == oldest_first[::-1]

    async def test_arrivals_neither_repeat_nor_hide_an_operation(self, store: Store) -> None:
        """While a client pages, newest first."""
        await add(store, *(accepted_change(number, number) for number in range(1, 8)))
        arrivals = iter(range(100, 200))

        async def arrive() -> None:
            number = next(arrivals)
            await add(store, accepted_change(number, number))

        assert await all_pages(store.queries("default"), between=arrive) == [7, 6, 5, 4, 3, 2, 1]

    async def test_a_change_does_not_move_an_operation(self, store: Store) -> None:
        """Pages are ordered by acceptance."""
        await add(store, *(change_to(R, number, number) for number in range(1, 6)))
        finishing = iter(range(5, 0, -1))

        async def finish() -> None:
            await save(store, complete(await stored(store, UUID(int=next(finishing))), 1, cause(100)))

        assert await all_pages(store.queries("default"), limit=1, between=finish) == [5, 4, 3, 2, 1]

    @pytest.mark.parametrize("newest_first", [True, False])
    async def test_a_page_starts_after_its_key(self, store: Store, newest_first: bool) -> None:
        """The operation of the key need not exist any more."""
        await add(store, *(accepted_change(number, number) for number in (1, 3)))
        after = PageKey(at(2), UUID(int=2))
        page = await store.queries("default").page(EVERYTHING, newest_first=newest_first, after=after, limit=9)
        assert ids(page.items) == ([1] if newest_first else [3])

    @pytest.mark.parametrize("newest_first", [True, False])
    @pytest.mark.parametrize("criteria", [EVERYTHING, OperationFilter(statuses=frozenset({A, C, F}))])
    async def test_a_page_ends_at_its_size_limit(
        self, store: Store, criteria: OperationFilter, newest_first: bool
    ) -> None:
        """It has at least one operation, and none is left out of all pages."""
        half, over = "x" * (PAGE_BYTES // 2 + 1), "x" * (PAGE_BYTES + 1)
        said = OperationError(ErrorCode.WORKFLOW_FAILED, "boom", {"trace": half})
        running, failing = change_to(R, 4, 4), change_to(R, 5, 5)
        await add(
            store,
            _with_input(accepted_change(1, 1), half),
            _with_input(accepted_change(2, 2), [over]),
            change_to(C, 3, 3),
            running.then(complete(running.operation, half, cause(5))),
            failing.then(fail(failing.operation, said, cause(6))),
            accepted_change(6, 6),
        )
        pages, after = list[list[int]](), None
        while not pages or after:
            page = await store.queries("default").page(criteria, newest_first=newest_first, after=after, limit=4)
            pages.append(ids(page.items))
            after = page.next_after
        assert pages == ([[6, 5, 4], [3, 2], [1]] if newest_first else [[1, 2], [3, 4, 5], [6]])

    async def test_invisible_fields_do_not_count_toward_the_page_size(self, store: Store) -> None:
        """Such as a reported outcome before its confirmation."""
        report = Report(ReportKind.COMPLETED, T0, result="x" * (PAGE_BYTES + 1))
        running = [change_to(R, number, number) for number in (1, 2)]
        await add(store, *(replace(one, operation=replace(one.operation, reported=report)) for one in running))
        page = await store.queries("default").page(EVERYTHING, newest_first=False, after=None, limit=4)
        assert (ids(page.items), page.next_after) == ([1, 2], None)

    # Filters

    @pytest.mark.parametrize(
        ("criteria", "numbers"),
        [
            (EVERYTHING, [1, 2, 3, 4, 5]),
            (OperationFilter(statuses=frozenset({A})), [1, 5]),
            (OperationFilter(statuses=frozenset({C, F})), [3, 4]),
            (OperationFilter(statuses=frozenset(OperationStatus)), [1, 2, 3, 4, 5]),
            (OperationFilter(type="backup"), [5]),
            (OperationFilter(type="back"), []),
            (OperationFilter(labels={"team": "x"}), [1, 2, 4]),
            (OperationFilter(labels={"team": "x", "env": "it's \"\\%"}), [2]),
            (OperationFilter(labels={"env": ""}), []),
            (OperationFilter(accepted_after=at(2)), [3, 4, 5]),
            (OperationFilter(accepted_before=at(4)), [1, 2, 3]),
            (OperationFilter(accepted_after=at(1), accepted_before=at(4)), [2, 3]),
            (OperationFilter(statuses=frozenset({A, R}), type="deploy", labels={"team": "x"}), [1, 2]),
        ],
    )
    async def test_all_conditions_of_a_filter_hold_together(
        self, store: Store, criteria: OperationFilter, numbers: list[int]
    ) -> None:
        """Bounds are exclusive (hazard 27: quotes are text)."""
        await add(
            store,
            change_to(A, 1, 1, labels={"team": "x"}),
            change_to(R, 2, 2, labels={"team": "x", "env": "it's \"\\%"}),
            change_to(C, 3, 3, labels={"team": "y"}),
            change_to(F, 4, 4, labels={"team": "x", "env": "prod"}),
            change_to(A, 5, 5, type_name="backup"),
        )
        assert await found(store, criteria) == numbers

    async def test_filter_by_attention_kind(self, store: Store) -> None:
        """Together with the other conditions, page by page."""
        stalled = AttentionKind.STALLED
        await add(
            store,
            attentive(change_to(R, 1, 1, labels={"team": "x"}), stalled),
            attentive(change_to(C, 2, 2), AttentionKind.DIVERGED),
            attentive(change_to(R, 3, 3), stalled),
            attentive(change_to(R, 4, 4, tenant="other"), stalled),
            change_to(R, 5, 5),
            attentive(change_to(A, 6, 6), AttentionKind.DISPATCH_RETRYING),
        )
        assert await found(store, OperationFilter(attentions=frozenset({stalled}))) == [1, 3]
        assert await found(store, OperationFilter(attentions=frozenset({AttentionKind.DIVERGED}))) == [2]
        assert await found(store, OperationFilter(attentions=frozenset({stalled}), labels={"team": "x"})) == [1]
        assert await found(store, OperationFilter(attentions=frozenset({stalled}), statuses=frozenset({C, F}))) == []
        later = await store.queries("default").page(
            OperationFilter(attentions=frozenset({stalled})),
            newest_first=True,
            after=PageKey(at(3), UUID(int=3)),
            limit=1,
        )
        assert ids(later.items) == [1]

    async def test_filters_by_parent_workflow_id_and_origin(self, store: Store) -> None:
        """A workflow id that is a UUID is that of the operation with this id, and of others."""
        own = str(UUID(int=1))
        await add(
            store,
            change_to(A, 1, 1),
            with_fields(change_to(C, 2, 2), workflow_id=own, origin=Origin.ADOPTED),
            with_fields(change_to(R, 3, 3), parent_id=UUID(int=1), workflow_id="order"),
            with_fields(change_to(R, 4, 4, tenant="other"), parent_id=UUID(int=1), workflow_id="order, other"),
            with_fields(change_to(C, 5, 5), parent_id=UUID(int=1), workflow_id="order", origin=Origin.CLIENT),
        )
        assert await found(store, OperationFilter(workflow_ids=frozenset({own}))) == [1, 2]
        assert await found(store, OperationFilter(workflow_ids=frozenset({own}), statuses=frozenset({A, R}))) == [1]
        assert await found(store, OperationFilter(workflow_ids=frozenset({own}), statuses=frozenset({C, F}))) == [2]
        assert await found(store, OperationFilter(workflow_ids=frozenset({"order"}))) == [3, 5]
        assert await found(store, OperationFilter(workflow_ids=frozenset({"order, other"}))) == []
        assert await found(store, OperationFilter(parents=frozenset({UUID(int=1)}))) == [3, 5]
        assert await found(store, OperationFilter(parents=frozenset({UUID(int=2)}))) == []
        assert await found(store, OperationFilter(origins=frozenset({Origin.LEDGER}))) == [1, 3]
        assert await found(store, OperationFilter(origins=frozenset({Origin.ADOPTED}))) == [2]
        later = await store.queries("default").page(
            OperationFilter(workflow_ids=frozenset({own})),
            newest_first=True,
            after=PageKey(at(2), UUID(int=2)),
            limit=1,
        )
        assert ids(later.items) == [1]

    async def test_filters_by_the_beginning_of_the_id(self, store: Store) -> None:
        """Not only at whole bytes. Another tenant's operation is not found."""
        numbers = [0xABCD << 112, (0xABCD << 112) + 1, (0xABCD << 112) + (1 << 111), 0xABCE << 112, (1 << 128) - 1]
        await add(store, *(accepted_change(number, place) for place, number in enumerate(numbers)))
        await add(store, accepted_change((0xABCD << 112) + 2, tenant="other"))
        assert await found(store, OperationFilter(id_prefix="abcd")) == numbers[:3]
        assert await found(store, OperationFilter(id_prefix="abcd0")) == numbers[:2]
        assert await found(store, OperationFilter(id_prefix="abcd8")) == numbers[2:3]
        assert await found(store, OperationFilter(id_prefix=f"{numbers[1]:032x}")) == numbers[1:2]
        assert await found(store, OperationFilter(id_prefix="abc")) == numbers[:4]
        assert await found(store, OperationFilter(id_prefix="ffff")) == numbers[4:]
        assert await found(store, OperationFilter(id_prefix="abcd", type="other")) == []

    async def test_a_filter_with_several_values_finds_operations_with_any_of_them(self, store: Store) -> None:
        """Each operation once, in the order of the list."""
        own, codes = str(UUID(int=1)), list(ErrorCode)
        failing = [change_to(R, number, number) for number in (4, 5, 6)]
        failed = [
            change.then(fail(change.operation, OperationError(code, "boom"), cause(9)))
            for change, code in zip(failing, codes, strict=False)
        ]
        await add(
            store,
            attentive(change_to(A, 1, 1), AttentionKind.STALLED),
            with_fields(change_to(R, 2, 2), parent_id=UUID(int=1), workflow_id=own, origin=Origin.ADOPTED),
            attentive(with_fields(change_to(C, 3, 3), parent_id=UUID(int=2), workflow_id="a"), AttentionKind.DIVERGED),
            *failed,
        )
        cases = [
            (OperationFilter(error_codes=frozenset(codes[:2])), [4, 5]),
            (OperationFilter(error_codes=frozenset(codes[1:])), [5, 6]),
            (OperationFilter(error_codes=frozenset(codes), statuses=frozenset({R, C})), []),
            (OperationFilter(error_codes=frozenset(codes), statuses=frozenset({R, F})), [4, 5, 6]),
            (OperationFilter(attentions=frozenset({AttentionKind.STALLED, AttentionKind.DIVERGED})), [1, 3]),
            (OperationFilter(parents=frozenset({UUID(int=1), UUID(int=2), UUID(int=9)})), [2, 3]),
            (OperationFilter(workflow_ids=frozenset({own, "a", "b"})), [1, 2, 3]),
            (OperationFilter(workflow_ids=frozenset({own, "a"}), statuses=frozenset({A, C})), [1, 3]),
            (OperationFilter(origins=frozenset({Origin.ADOPTED, Origin.CLIENT})), [2]),
            (OperationFilter(origins=frozenset({Origin.ADOPTED, Origin.LEDGER})), [1, 2, 3, 4, 5, 6]),
            (OperationFilter(origins=frozenset(Origin), parents=frozenset({UUID(int=2)})), [3]),
        ]
        for criteria, numbers in cases:
            assert await found(store, criteria) == numbers

    async def test_a_list_by_finish_time_has_operations_that_are_done(self, store: Store) -> None:
        """In the order in which they finished. Bounds are exclusive."""
        first = change_to(R, 1, 1)
        await add(
            store,
            first.then(complete(first.operation, 1, cause(9))),
            change_to(C, 2, 2),
            change_to(R, 3, 3),
            change_to(F, 4, 4),
        )
        queries = store.queries("default")

        async def listed(newest_first: bool, **fields: Any) -> list[int]:
            page = await queries.page(
                OperationFilter(**fields), newest_first=newest_first, after=None, limit=9, by=SortTime.FINISHED
            )
            return ids(page.items)

        assert await listed(newest_first=False) == [2, 4, 1]
        assert await listed(newest_first=True) == [1, 4, 2]
        assert await listed(newest_first=True, finished_after=at(4), finished_before=at(9)) == [4]
        assert await listed(newest_first=True, statuses=frozenset({R, C})) == [1, 2]
        assert await listed(newest_first=True, statuses=frozenset({R})) == []
        assert await listed(newest_first=True, workflow_ids=frozenset({str(UUID(int=2)), "a"})) == [2]
        assert await found(store, OperationFilter(finished_after=at(4))) == [1, 4]

    async def test_an_operation_that_is_read_alone_has_the_number_of_its_children(self, store: Store) -> None:
        """Children of another tenant do not count."""
        statuses = [R, R, C]
        children = [with_fields(change_to(status, n, n), parent_id=UUID(int=9)) for n, status in enumerate(statuses, 1)]
        await add(store, *children, change_to(R, 9, 9), change_to(R, 8, 8))
        await add(store, with_fields(change_to(R, 4, tenant="other"), parent_id=UUID(int=9)))
        parent = await store.queries("default").get(UUID(int=9))
        assert parent is not None
        assert parent.children == {R: 2, C: 1}
        assert shown(parent) == shown(await stored(store, parent.id))
        other = await store.queries("default").get(UUID(int=8))
        assert other is not None
        assert other.children == {}

    @pytest.mark.parametrize("text", ["\x00", "\udc80"], ids=repr)
    async def test_a_filter_with_text_that_no_row_can_hold_finds_nothing(self, store: Store, text: str) -> None:
        """It is no error."""
        await add(store, accepted_change())
        for criteria in (
            OperationFilter(type=text),
            OperationFilter(labels={text: "a"}),
            OperationFilter(labels={"a": text}),
            OperationFilter(workflow_ids=frozenset({text})),
        ):
            assert await found(store, criteria) == []

    @settings(deadline=None, max_examples=60, suppress_health_check=SHARED)
    @given(
        criteria=st.builds(
            OperationFilter,
            statuses=st.frozensets(st.sampled_from(OperationStatus)),
            type=st.none() | st.sampled_from(["a", "b", "c"]),
            labels=st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(["", "1", "2"])),
            error_codes=some_of(*ErrorCode),
            attentions=some_of(*AttentionKind),
            parents=some_of(UUID(int=1), UUID(int=2), UUID(int=3)),
            workflow_ids=some_of("machine1", str(UUID(int=4)), str(UUID(int=99)), "nobody's", "\x00"),
            origins=some_of(*Origin),
            id_prefix=st.none() | st.sampled_from(["0" * 31, f"{'0' * 30}1", f"{7:032x}", "0000", "000f", "f" * 32]),
            finished_after=st.none() | st.integers(0, 14).map(at),
            finished_before=st.none() | st.integers(0, 14).map(at),
            accepted_after=st.none() | st.integers(0, 12).map(at),
            accepted_before=st.none() | st.integers(0, 12).map(at),
        ),
        newest_first=st.booleans(),
        skipped=st.integers(0, 5),
        limit=st.integers(1, 5),
        by=st.sampled_from(SortTime),
    )
    async def test_filtered_pages_equal_a_plain_python_model(
        self, store: Store, criteria: OperationFilter, newest_first: bool, skipped: int, limit: int, by: SortTime
    ) -> None:
        """Filter, sort, skip, cut."""
        kinds = [AttentionKind.STALLED, AttentionKind.DIVERGED]
        changes = [
            change_to(
                list(OperationStatus)[number % 4],
                number,
                number // 2,
                type_name="ab"[number % 2],
                labels={"k": str(number % 3)} if number % 5 else {"k": "1", "l": ""},
            )
            for number in range(1, 25)
        ]
        changes[::3] = [attentive(change, kinds[place % 2]) for place, change in enumerate(changes[::3])]
        changes[1::4] = [with_fields(change, parent_id=UUID(int=1)) for change in changes[1::4]]
        changes[2::5] = [with_fields(change, origin=Origin.ADOPTED, workflow_id="machine1") for change in changes[2::5]]
        changes[20] = with_fields(changes[20], origin=Origin.CLIENT, workflow_id=str(UUID(int=4)))
        if await store.peek(UUID(int=1)) is None:
            await add(store, *changes)
        rows = [change.operation for change in changes if fits(change.operation, criteria)]
        keys = sorted(
            (PageKey(time, row.id) for row in rows if (time := getattr(row, by)) is not None),
            key=lambda key: (key.at, key.operation_id),
            reverse=newest_first,
        )
        after = keys[skipped] if skipped < len(keys) else None
        expected = keys[skipped + 1 :] if after else keys
        queries = store.queries("default")
        page = await queries.page(criteria, newest_first=newest_first, after=after, limit=limit, by=by)
        assert ids(page.items) == [key.operation_id.int for key in expected[:limit]]
        assert page.next_after == (expected[limit - 1] if len(expected) > limit else None)

    async def test_time_bounds_are_instants_in_any_zone(self, store: Store) -> None:
        """Hazard 28."""
        await add(store, accepted_change(1, 0), accepted_change(2, 10))
        there = at(5).astimezone(timezone(timedelta(hours=-7)))
        assert await found(store, OperationFilter(accepted_after=there)) == [2]
        assert await found(store, OperationFilter(accepted_before=there)) == [1]

    async def test_microseconds_order_operations_and_bounds(self, store: Store) -> None:
        """Two acceptances a microsecond apart are in order, and a bound can separate them."""
        for number, offset in ((1, 1), (2, 0)):
            change = accepted_change(number)
            moment = T0 + timedelta(microseconds=offset)
            operation = replace(change.operation, accepted_at=moment, updated_at=moment)
            await add(store, replace(change, operation=operation))
        assert await found(store, EVERYTHING) == [2, 1]
        assert await found(store, OperationFilter(accepted_after=T0)) == [1]


def fits(row: Operation | OperationView, criteria: OperationFilter) -> bool:
    """Returns whether the operation matches the filter, by definition."""
    return (
        (not criteria.statuses or row.status in criteria.statuses)
        and criteria.type in (None, row.type)
        and (not criteria.parents or row.parent_id in criteria.parents)
        and (not criteria.workflow_ids or row.workflow_id in criteria.workflow_ids)
        and (not criteria.origins or row.origin in criteria.origins)
        and (criteria.id_prefix is None or row.id.hex.startswith(criteria.id_prefix))
        and (not criteria.attentions or (row.attention and row.attention.kind) in criteria.attentions)
        and (not criteria.error_codes or (row.error and row.error.code) in criteria.error_codes)
        and all(row.labels.get(key) == value for key, value in criteria.labels.items())
        and (criteria.accepted_after is None or row.accepted_at > criteria.accepted_after)
        and (criteria.accepted_before is None or row.accepted_at < criteria.accepted_before)
        and (criteria.finished_after is None or bool(row.finished_at and row.finished_at > criteria.finished_after))
        and (criteria.finished_before is None or bool(row.finished_at and row.finished_at < criteria.finished_before))
    )


class TestMemory(OnMemory, OperationQueriesContract):
    pass


class TestPostgres(OnPostgres, OperationQueriesContract):
    pass
