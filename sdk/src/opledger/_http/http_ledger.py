"""The ledger's API, as the plugin uses it."""

import asyncio
import contextlib
import json
import logging
import secrets
import threading
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from typing import Any

import httpx

from opledger._address import LedgerAddress
from opledger._http import outage
from opledger._http.ledger import RecordedOperation
from opledger._problems import read_problem
from opledger._unavailable import UNAVAILABLE, retry_after
from opledger.errors import ApiKeyRefused, LedgerUnavailable
from opledger.wire import StartReport, StatusUpdate

_ATTEMPT_TIMEOUT = 3.0
_FIRST_PAUSE = 0.1
_MAX_PAUSE = 2.0
_log = logging.getLogger(__name__)


class HttpLedger:
    """Sends reports and records operations. Retries while the ledger is unavailable, within the given time."""

    def __init__(self, address: LedgerAddress, *, beside: "HttpLedger | None" = None) -> None:
        """`beside`: another user of the same ledger. Both know of an outage, and log a refused key once."""
        self.outage: outage.Outage = outage.Outage() if beside is None else beside.outage
        self.refused_paths: set[str] = set() if beside is None else beside.refused_paths
        """Paths for which the ledger refused the key last."""
        self._address = address
        self._headers = {"Content-Type": "application/json"}
        if address.api_key is not None:
            self._headers["Authorization"] = f"Bearer {address.api_key}"
        # A client belongs to the event loop in which it was first used. Synchronous activities have loops in threads.
        self._clients: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = {}
        self._lock = threading.Lock()
        self._leases: Counter[asyncio.AbstractEventLoop] = Counter()

    async def report(
        self, report: StatusUpdate | StartReport, *, within: float, gate: asyncio.Semaphore | None = None
    ) -> str | None:
        """Sends a report: `POST /v1/reports`. `gate`: limits the number of requests at the same time.

        Returns:
            The id of the operation of the execution that a report of a start names; None if the ledger names none.

        Raises:
            LedgerUnavailable: no usable answer within the time, in seconds.
            LedgerRefused: the ledger refused the report or the API key.
        """
        response = await self._post("/v1/reports", asdict(report), within=within, gate=gate)
        return _named(response)

    async def record(
        self, operation: Mapping[str, Any], *, within: float, idempotency_key: str | None = None
    ) -> RecordedOperation:
        """Records an operation before its workflow is started: `POST /v1/operations:record`.

        The request has an idempotency key, by default one of its own, so that a retry makes no second operation.

        Raises:
            LedgerUnavailable: no usable answer within the time, in seconds.
            LedgerRefused: the ledger refused the operation or the API key.
        """
        key = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        try:
            response = await self._post("/v1/operations:record", operation, within=within, headers=key)
            return _recorded(response.json(), is_new=response.status_code == httpx.codes.CREATED)
        except LedgerUnavailable:
            self.outage.begin()
            raise
        except (ValueError, KeyError, TypeError):
            self.outage.begin()
            raise LedgerUnavailable(f"{self._address.url}: the answer is not an operation") from None

    def may_wait(self) -> bool:
        """Whether a caller may wait for the ledger now."""
        return self.outage.may_wait()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Closes the connections of this event loop when its last user leaves."""
        loop = asyncio.get_running_loop()
        self._leases[loop] += 1
        try:
            yield
        finally:
            self._leases[loop] -= 1
            if not self._leases[loop]:
                del self._leases[loop]
                with self._lock:
                    client = self._clients.pop(loop, None)
                if client is not None:
                    await client.aclose()

    async def _post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        within: float,
        headers: Mapping[str, str] | None = None,
        gate: asyncio.Semaphore | None = None,
    ) -> httpx.Response:
        content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        pause, problem, is_reached = _FIRST_PAUSE, "other reports wait for the ledger too", True
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    least = 0.0
                    async with gate or contextlib.nullcontext():
                        problem = "no answer" if is_reached else problem
                        try:
                            response = await self._request(path, content, headers or {})
                        except httpx.RequestError as error:
                            problem = f"{type(error).__name__} {error}".rstrip()
                            if not is_reached:  # the retry of a broken connection failed too
                                self.outage.begin()
                            is_reached = False
                        else:
                            is_reached = True
                            if response.status_code not in UNAVAILABLE:
                                return self._accepted(path, response)
                            problem = f"status {response.status_code}"
                            least = retry_after(response.headers)
                    wait = max(pause, least)
                    if loop.time() + wait >= deadline:
                        break
                    await asyncio.sleep(wait)
                    pause = min(2 * pause, _MAX_PAUSE)
        except TimeoutError:
            pass
        if not is_reached:
            self.outage.begin()
        raise LedgerUnavailable(f"{self._address.url} is not available ({problem})")

    async def _request(self, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """Sends one request. The outage begins if the answer takes longer than `HOLD`, and ends with one in time."""
        url, loop = self._address.url + path, asyncio.get_running_loop()
        sent = loop.time()
        late = loop.call_later(outage.HOLD, self.outage.begin)
        try:
            response = await self._client().post(url, content=content, headers={**self._headers, **headers})
        finally:
            late.cancel()
        if response.status_code not in UNAVAILABLE and loop.time() - sent <= outage.HOLD:
            self.outage.end()
        return response

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._clients.get(loop)
            if client is None:
                # A client refers to its loop, so that weak references would keep both.
                self._clients = {one: open_client for one, open_client in self._clients.items() if not one.is_closed()}
                client = self._clients[loop] = httpx.AsyncClient(timeout=_ATTEMPT_TIMEOUT)
            return client

    def _accepted(self, path: str, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            self.refused_paths.discard(path)
            return response
        refused = read_problem(response.status_code, response.content)
        if not isinstance(refused, ApiKeyRefused):
            raise refused
        if not self.refused_paths:
            _log.error(
                "The ledger at %s refuses the plugin's API key (%s). Workflows run untracked. Set a key with the "
                "necessary scopes: api_key, OPLEDGER_API_KEY or OPLEDGER_API_KEY_FILE. This is logged once.",
                self._address.url,
                refused,
            )
        self.refused_paths.add(path)
        raise refused


def _named(response: httpx.Response) -> str | None:
    """The operation that the answer to a report names."""
    try:
        answer = response.json()
    except ValueError:
        return None
    named = answer.get("operation_id") if isinstance(answer, dict) else None
    return named if isinstance(named, str) else None


def _recorded(operation: Any, *, is_new: bool) -> RecordedOperation:
    """Reads the answer to a recording. Raises KeyError or TypeError if it is not an operation."""
    execution = operation.get("execution") if isinstance(operation, dict) else None
    first_run_id = execution.get("first_run_id") if isinstance(execution, dict) else None
    return RecordedOperation(str(operation["id"]), is_new, first_run_id if isinstance(first_run_id, str) else None)
