"""The request class of every route, and the checks that run before a handler."""

from typing import Any

from litestar import Request

from application.tenant_ledger import TenantLedger
from entrypoints.http.requests.json_body import check_body, read_json
from entrypoints.http.requests.query_params import check_query
from entrypoints.http.services import SERVICES, HttpServices


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


async def check_request(request: Request[Any, Any, Any]) -> None:
    """Checks the query and the body of a request before its arguments are parsed."""
    if request.method != "OPTIONS":
        check_query(request)
        await check_body(request)
