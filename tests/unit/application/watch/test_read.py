"""ReadOperations: one tenant's rows, in pages without gaps or repeats, without the engine."""

from collections.abc import Sequence

import pytest

from application.ports.storage.operation_queries import OperationFilter, PageKey
from application.ports.storage.operation_view import OperationView
from application.submit.submission import Submission
from domain.errors import OperationNotFound
from domain.operation.status import OperationStatus
from tests.support.ledger.in_memory import FakeLedger
from tests.support.operations import ID

ANY = OperationFilter()


async def walk(ledger: FakeLedger, size: int, *, newest_first: bool = True) -> list[Sequence[OperationView]]:
    """Returns all pages."""
    pages, after = [], None
    while True:
        page = await ledger.reader.page("default", ANY, newest_first=newest_first, after=after, size=size)
        pages.append(page.items)
        after = page.next_after
        if after is None:
            return pages


async def test_reads_while_the_engine_is_down() -> None:
    """P5, hazard 30: no read calls the engine."""
    ledger = FakeLedger()
    operation_id = await ledger.running()
    ledger.world.go_down()
    ledger.engine.calls.clear()
    assert (await ledger.reader.get("default", operation_id)).status is OperationStatus.RUNNING
    await walk(ledger, 10)
    assert len(await ledger.reader.transitions("default", operation_id)) == 2
    assert await ledger.reader.counts("default") == {("work", OperationStatus.RUNNING, None): 1}
    assert not ledger.engine.calls


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize(("size", "expected"), [(3, [3, 3, 1]), (7, [7]), (8, [7]), (1, [1] * 7)])
async def test_pages_have_every_operation_once(size: int, expected: list[int], newest_first: bool) -> None:
    """Hazard 27: in order, without an empty page at the end."""
    ledger = FakeLedger()
    ids = []
    for number in range(7):
        ids.append(await ledger.submit())
        ledger.pass_time(seconds=number % 2)  # some accepted at the same time
    pages = await walk(ledger, size, newest_first=newest_first)
    assert [len(page) for page in pages] == expected
    read = [operation.id for page in pages for operation in page]
    assert read == (ids[::-1] if newest_first else ids)


async def test_the_next_page_starts_behind_the_last_row() -> None:
    """Also if that row is deleted by then."""
    ledger = FakeLedger()
    ids = [await ledger.submit() for _ in range(3)]
    page = await ledger.reader.page("default", ANY, newest_first=False, after=None, size=2)
    assert page.next_after == PageKey(ledger.clock.now(), ids[1])


async def test_an_empty_ledger_has_one_empty_page() -> None:
    """An empty ledger has no counts either."""
    ledger = FakeLedger()
    assert await walk(ledger, 5) == [[]]
    assert await ledger.reader.counts("default") == {}


async def test_an_unknown_operation_is_not_found() -> None:
    """It has neither row nor history."""
    ledger = FakeLedger()
    with pytest.raises(OperationNotFound):
        await ledger.reader.get("default", ID)
    with pytest.raises(OperationNotFound):
        await ledger.reader.transitions("default", ID)


async def test_another_tenants_operation_is_invisible() -> None:
    """P8: not found, not listed, not counted."""
    ledger = FakeLedger()
    submitted = await ledger.submitter.submit(Submission("another", "work"))
    with pytest.raises(OperationNotFound):
        await ledger.reader.get("default", submitted.operation.id)
    with pytest.raises(OperationNotFound):
        await ledger.reader.transitions("default", submitted.operation.id)
    assert await walk(ledger, 5) == [[]]
    assert await ledger.reader.counts("default") == {}
    assert (await ledger.reader.get("another", submitted.operation.id)).status is OperationStatus.ACCEPTED
