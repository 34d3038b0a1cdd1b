"""Actions on one operation. Each is a form on its page, and a line in its history with the caller's name."""

from uuid import UUID

from litestar import Controller, Response, post
from litestar.params import FromPath

from application.submit.retry import Retry
from domain.access.scope import Scope
from entrypoints.http.server.tracing import trace_to_carry
from entrypoints.ui.reason import given_reason
from entrypoints.ui.rendering.page import redirect
from entrypoints.ui.request import UiRequest

_PATH = "/operations/{operation_id:uuid}"


class ActionController(Controller):
    """Each returns to the operation's page."""

    @post(f"{_PATH}/cancel", status_code=303, scope=Scope.CANCEL)
    async def cancel(self, request: UiRequest, operation_id: FromPath[UUID]) -> Response[None]:
        """Requests the cancellation, or with `force` the termination."""
        force = request.fields.get("force") == "yes"
        await request.ledger.cancel(operation_id, reason=given_reason(request), force=force)
        return _to(request, operation_id)

    @post(f"{_PATH}/acknowledge", status_code=303, scope=Scope.CANCEL)
    async def acknowledge(self, request: UiRequest, operation_id: FromPath[UUID]) -> Response[None]:
        """Clears the attention until a new problem occurs."""
        await request.ledger.acknowledge(operation_id, reason=given_reason(request))
        return _to(request, operation_id)

    @post(f"{_PATH}/retry", status_code=303, scope=Scope.SUBMIT)
    async def retry(self, request: UiRequest, operation_id: FromPath[UUID]) -> Response[None]:
        """Submits the same operation again, and goes to the new one."""
        submitted = await request.ledger.retry(operation_id, Retry(), trace=trace_to_carry())
        return _to(request, submitted.operation.id)

    @post(f"{_PATH}/keep", status_code=303, scope=Scope.SUBMIT)
    async def keep(self, request: UiRequest, operation_id: FromPath[UUID]) -> Response[None]:
        """Keeps the operation, or no longer."""
        await request.ledger.keep(operation_id, keep=request.fields.get("keep") == "yes")
        return _to(request, operation_id)

    @post(f"{_PATH}/delete", status_code=303, scope=Scope.ADMIN)
    async def delete(self, request: UiRequest, operation_id: FromPath[UUID]) -> Response[None]:
        """Deletes an operation that is done, and its history."""
        await request.ledger.delete(operation_id)
        return redirect(request, "/operations")


def _to(request: UiRequest, operation_id: UUID) -> Response[None]:
    return redirect(request, f"/operations/{operation_id}")
