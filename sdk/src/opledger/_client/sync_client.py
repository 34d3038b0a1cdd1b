"""The client for programs without an event loop."""

import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from uuid import UUID

import httpx

from opledger._client import bulk, calls
from opledger._client.bulk import Target
from opledger._client.calls import Call
from opledger._client.exchange import Pause, exchange
from opledger._client.failures import failure
from opledger._client.filters import Filters, checked
from opledger._client.models import Event, Operation
from opledger._client.setup import TIMEOUT, Setup, answer_of, attempt_timeout, failed, reason_of
from opledger._client.stream import SILENCE, Stream
from opledger._client.sync_calls import SyncCalls
from opledger._client.waiting import Deadline, Waiting, not_done

_T = TypeVar("_T")


class Client(SyncCalls):
    """A ledger. Use it in a `with` block, or close it. Threads may share it.

    Every call repeats its request after a lost connection, 429 and 503 (after the pause that the ledger asks for), for
    at most `timeout` seconds; no call does a thing twice. Errors of every call:

    - LedgerUnavailable: the ledger gave no usable answer within the time.
    - LedgerRefused: the ledger refused the request; its subclasses and `errors` say why.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        profile: str | None = None,
        timeout: float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """
        Args:
            url: Such as https://ledger.example.com. Default: that of a profile, or `OPLEDGER_URL`.
            api_key: Default: that of the profile, `OPLEDGER_API_KEY`, or the content of the file
                `OPLEDGER_API_KEY_FILE`.
            profile: A ledger of `opledger profile add`, used without `url`. Default: `OPLEDGER_PROFILE`, or, without
                `OPLEDGER_URL`, the profile named `default`.
            timeout: Seconds for a call with its repeats.
            transport: Replaces the network, in tests.

        Raises:
            ValueError: there is no URL or no such profile, or the URL or the key has a wrong form.
        """
        self._setup = Setup(url, api_key, timeout, profile)
        self._http = httpx.Client(
            base_url=self._setup.address.url,
            headers=self._setup.headers,
            limits=self._setup.limits,
            verify=self._setup.verify,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def list(
        self, *, order: str | None = None, page_size: int | None = None, **filters: Unpack[Filters]
    ) -> Iterator[Operation]:
        """Yields the operations that match every filter; one page is in memory at a time."""
        criteria = checked(filters)
        token = None
        while True:
            page = self._send(calls.page(criteria, order, page_size, token))
            yield from page.items
            token = page.next_page_token
            if token is None:
                return

    def targets(self, operation_id: str | UUID, *, outcome: str | Iterable[str] | None = None) -> Iterator[Target]:
        """Yields the operations of a bulk action with the outcome of each, or those with one of the outcomes `PENDING`,
        `DONE`, `SKIPPED`, `FAILED`; one page is in memory at a time."""
        wanted = bulk.outcomes(outcome)
        token = None
        while True:
            page = self._send(bulk.targets(str(operation_id), wanted, token))
            yield from page.items
            token = page.next_page_token
            if token is None:
                return

    def wait(self, operation_id: str | UUID, timeout: float | None = None) -> Operation:
        """Waits until the operation is done, and returns it.

        Args:
            operation_id: The operation.
            timeout: Seconds. Default: no limit.

        Raises:
            TimeoutError: the operation is not done after the time. It goes on.
        """
        deadline = Deadline(timeout)
        while True:
            hold = deadline.hold
            operation = self._send(
                calls.get(str(operation_id), hold), within=min(hold + self._setup.timeout, deadline.remaining + 1.0)
            )
            if operation.done:
                return operation
            if deadline.is_over:
                raise not_done([str(operation_id)], timeout)

    def result(self, operation_id: str | UUID, timeout: float | None = None) -> Any:
        """Waits until the operation is done, and returns its result.

        Raises:
            OperationFailed: it failed; the subclass names the reason.
            TimeoutError: the operation is not done after `timeout` seconds. It goes on.
        """
        operation = self.wait(operation_id, timeout)
        if operation.error is not None:
            raise failure(operation)
        return operation.result

    def as_completed(
        self,
        operation_ids: Iterable[str | UUID],
        timeout: float | None = None,
        on_change: Callable[[Operation], object] | None = None,
    ) -> Iterator[Operation]:
        """Yields each operation when it is done. All of them share one stream.

        Args:
            operation_ids: The operations.
            timeout: Seconds. Default: no limit.
            on_change: Called with each of them after every change, for example to show progress.

        Raises:
            TimeoutError: not all are done after the time. They go on.
        """
        waiting, deadline = Waiting(map(str, operation_ids), on_change), Deadline(timeout)
        stream, is_first = Stream(None, None, self._setup.backoff), True
        while waiting.open:
            if deadline.is_over:
                raise not_done(waiting.open, timeout)
            silence = min(SILENCE, deadline.remaining)
            for event in self._connection(stream, silence):
                if is_first and event is not None:  # from here on the stream has every change
                    is_first = False
                    yield from self._ended(waiting)
                if (operation := waiting.take(event)) is not None:
                    yield operation
                if not waiting.open:
                    return
                if deadline.remaining < silence - 1.0:  # the next connection waits no longer than that
                    break

    def events(
        self, operation_id: str | UUID | None = None, *, after: str | None = None, positions: bool = False
    ) -> Iterator[Event]:
        """Yields the events of an operation until it is done, or those of all operations from now on.

        The stream resumes by itself: no event is lost, and none comes twice.

        Args:
            operation_id: The operation. Default: all.
            after: Id of an event, to resume a stream of an earlier process.
            positions: Yield also the events that carry only an id to resume from. If the stream is of all
                operations, the first one comes at once: a list that is read then, and later events, have every change.

        Raises:
            LedgerUnavailable: the ledger is not available for the client's timeout.
        """
        stream = Stream(None if operation_id is None else str(operation_id), after, self._setup.backoff)
        while not stream.is_over:
            for event in self._connection(stream, SILENCE):
                if event is not None and (positions or not event.is_position):
                    yield event

    def _connection(self, stream: Stream, silence: float) -> Iterator[Event | None]:
        """Yields the events of one connection, None for a sign of life. Pauses if the connection fails."""
        from httpx_sse import EventSource, SSEError

        timeout = httpx.Timeout(self._setup.timeout, read=silence)
        try:
            with self._http.stream("GET", stream.path, headers=stream.headers, timeout=timeout) as response:
                if not stream.opened(response.status_code):
                    pause = stream.refused(response.status_code, response.headers, response.read())
                elif stream.is_over:
                    return
                else:
                    for received in EventSource(response).iter_sse():
                        yield stream.read(received)
                        if stream.is_over:
                            return
                    pause = stream.broken("the stream ended")
        except (httpx.RequestError, SSEError) as error:
            pause = stream.broken(reason_of(error))
        time.sleep(pause)

    def _ended(self, waiting: Waiting) -> Iterator[Operation]:
        for part in waiting.parts():
            listed = self._send(calls.under_own_ids(part)) if len(part) > 1 else ()
            known = {one.id: one for one in listed}
            for operation_id in part:
                operation = known.get(operation_id) or self.get(operation_id)
                if (ended := waiting.ended(operation)) is not None:
                    yield ended

    def _send(self, call: Call[_T], within: float | None = None) -> _T:
        steps = exchange(call, self._setup.backoff(within))
        step = next(steps)
        while True:
            try:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = steps.send(None)
                    continue
                try:
                    response = self._http.request(
                        step.call.method,
                        step.call.path,
                        params=httpx.QueryParams([*step.call.query]),
                        headers=step.call.headers,
                        content=step.call.body,
                        timeout=attempt_timeout(step),
                    )
                except httpx.RequestError as error:
                    step = steps.send(failed(error))
                else:
                    step = steps.send(answer_of(response))
            except StopIteration as ended:
                result: _T = ended.value
                return result
