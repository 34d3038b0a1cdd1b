"""The request class of every route, and the checks that run before a handler."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from litestar import Request

from application.tenant_ledger import TenantLedger
from entrypoints.http.problems.problems import ClientGone
from entrypoints.http.requests.json_body import check_body, read_json
from entrypoints.http.requests.query_params import check_query
from entrypoints.http.services import SERVICES, HttpServices

_T = TypeVar("_T")


class ApiRequest(Request[Any, Any, Any]):
    """A request with strict JSON, the services, and the ledger of its caller."""

    @property
    def services(self) -> HttpServices:
        """The services of the application."""
        services: HttpServices = self.app.state[SERVICES]
        return services

    @property
    def ledger(self) -> TenantLedger:
        """The operations of the caller's tenant."""
        return self.services.ledger.of(self.user)

    async def json(self) -> Any:
        """The body, decoded as the annotation of the handler's `data`."""
        return await read_json(self)

    async def cancel_on_disconnect(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of the work. Cancels it and raises ClientGone when the client disconnects."""
        try:
            async with asyncio.timeout(None) as connected:
                watcher = asyncio.create_task(self._expire_on_disconnect(connected))
                try:
                    return await work
                finally:
                    watcher.cancel()
        except TimeoutError:
            if not connected.expired():
                raise
            raise ClientGone("the client closed the connection") from None

    async def _expire_on_disconnect(self, connected: asyncio.Timeout) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        connected.reschedule(asyncio.get_running_loop().time())


async def check_request(request: Request[Any, Any, Any]) -> None:
    """Checks the query and the body of a request before its arguments are parsed."""
    if request.method != "OPTIONS":
        check_query(request)
        await check_body(request)
