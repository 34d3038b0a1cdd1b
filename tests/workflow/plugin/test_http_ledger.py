"""The plugin's calls to the ledger's API: what is repeated, and what is not."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator

import pytest

from opledger import LedgerRefused, LedgerUnavailable, StatusUpdate, UpdateKind
from opledger._address import LedgerAddress
from opledger._http.http_ledger import HttpLedger
from opledger.errors import ApiKeyRefused
from tests.support.ports import free_port
from tests.workflow.plugin.ledger_api import KEY, LedgerApi, ledger_api, problem

REPORT = StatusUpdate("0192f3a4-5b6c-7d8e-9f00-112233445566", UpdateKind.STARTED, "2026-01-01T10:00:00+00:00")
GENEROUS = 30
"""Timeout in seconds, for a busy machine; below it nothing here waits."""


@pytest.fixture
async def api() -> AsyncIterator[LedgerApi]:
    """The ledger's API."""
    async with ledger_api() as serving:
        yield serving


@pytest.fixture
async def ledger(api: LedgerApi) -> AsyncIterator[HttpLedger]:
    """The client."""
    client = HttpLedger(LedgerAddress(api.url, KEY))
    async with client.open():
        yield client


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_unavailable_ledger_is_asked_again(api: LedgerApi, ledger: HttpLedger, status: int) -> None:
    """With the same idempotency key, so that a lost answer makes no second operation."""
    refusals = iter([problem(status, "later")] * 2)
    api.behave = lambda request: next(refusals, None)
    recorded = await ledger.record({"type": "order", "workflow_id": "order-7"}, within=GENEROUS)
    assert recorded.is_new
    assert len(api.requests) == 3
    assert len({one.headers["idempotency-key"] for one in api.requests}) == 1


async def test_each_record_has_its_own_idempotency_key(api: LedgerApi, ledger: HttpLedger) -> None:
    """Two starts under one workflow id are two operations."""
    for _ in range(2):
        await ledger.record({"type": "order", "workflow_id": "order-7"}, within=GENEROUS)
    assert len({one.headers["idempotency-key"] for one in api.requests}) == 2


async def test_wait_beyond_the_time_ends_at_once(api: LedgerApi, ledger: HttpLedger) -> None:
    """A ledger that asks for an hour is not waited for."""
    api.behave = lambda request: problem(503, "later", **{"Retry-After": "3600"})
    async with asyncio.timeout(GENEROUS):
        with pytest.raises(LedgerUnavailable, match="status 503"):
            await ledger.report(REPORT, within=1800)
    assert len(api.requests) == 1


@pytest.mark.parametrize("retry_after", ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "soon"])
async def test_unusual_retry_after_is_ignored(api: LedgerApi, ledger: HttpLedger, retry_after: str) -> None:
    """The client's own pause applies."""
    refusals = iter([problem(503, "later", **{"Retry-After": retry_after})])
    api.behave = lambda request: next(refusals, None)
    await ledger.report(REPORT, within=GENEROUS)
    assert len(api.requests) == 2


@pytest.mark.parametrize(("status", "error"), [(401, ApiKeyRefused), (403, ApiKeyRefused), (422, LedgerRefused)])
async def test_refusal_is_final(api: LedgerApi, ledger: HttpLedger, status: int, error: type[Exception]) -> None:
    """With the ledger's reason."""
    api.behave = lambda request: problem(status, "the reason")
    with pytest.raises(error, match=f"{status}: the reason"):
        await ledger.report(REPORT, within=GENEROUS)
    assert len(api.requests) == 1


@pytest.mark.parametrize("answer", [{}, {"operation": 1}])
async def test_answer_of_something_else_is_no_operation(
    api: LedgerApi, ledger: HttpLedger, answer: dict[str, int]
) -> None:
    """A URL that leads to another service."""
    api.behave = lambda request: (200, answer, {})
    with pytest.raises(LedgerUnavailable, match="not an operation"):
        await ledger.record({"type": "order", "workflow_id": "order-7"}, within=GENEROUS)


async def test_closed_connections_are_made_again(api: LedgerApi, ledger: HttpLedger) -> None:
    """A plugin outlives its workers."""
    other = HttpLedger(LedgerAddress(api.url, KEY))
    for _ in range(2):
        async with other.open():
            await other.report(REPORT, within=GENEROUS)
    await other.report(REPORT, within=GENEROUS)
    async with other.open():
        pass
    assert len(api.accepted) == 3


async def test_answer_that_cannot_be_decoded_is_no_answer(api: LedgerApi, ledger: HttpLedger) -> None:
    """Callers handle `LedgerUnavailable`, and no errors of the HTTP library."""
    api.behave = lambda request: (200, {}, {"content-encoding": "gzip"})
    with pytest.raises(LedgerUnavailable, match="DecodingError"):
        await ledger.report(REPORT, within=5)


def test_connections_of_ended_event_loops_are_dropped() -> None:
    """A synchronous activity, or a program that starts workflows now and then, makes an event loop for each call."""
    other = HttpLedger(LedgerAddress(f"http://127.0.0.1:{free_port()}", KEY))
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def report() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        with pytest.raises(LedgerUnavailable):
            await other.report(REPORT, within=0.01)

    for _ in range(3):
        asyncio.run(report())
    gc.collect()
    assert [loop() is None for loop in loops] == [True, True, False]


@pytest.mark.parametrize("refused", ["/v1/reports", "/v1/operations:record"])
async def test_key_without_a_scope_is_logged_once(
    api: LedgerApi, ledger: HttpLedger, caplog: pytest.LogCaptureFixture, refused: str
) -> None:
    """Also while the ledger accepts the key for other requests."""
    api.behave = lambda request: problem(403, "scope missing") if request.path == refused else None
    for _ in range(3):
        for call in (ledger.record({"type": "order"}, within=GENEROUS), ledger.report(REPORT, within=GENEROUS)):
            with contextlib.suppress(LedgerRefused):
                await call
    assert caplog.text.count("refuses the plugin's API key") == 1
