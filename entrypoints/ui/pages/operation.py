"""Page: one operation."""

from typing import Final
from uuid import UUID

from litestar import Controller, Response, get
from litestar.params import FromPath

from application.watch.stream import Cursor
from domain.access.scope import Scope
from domain.bulk.target import Target, TargetOutcome
from domain.operation.operation_type import RESERVED_PREFIX
from entrypoints.http.responses.event_ids import seen_id
from entrypoints.ui.rendering.page import render
from entrypoints.ui.request import UiRequest
from entrypoints.ui.views.elsewhere import commands, temporal_url
from entrypoints.ui.views.timeline import ending, timeline

SHOWN_TARGETS: Final = 10
"""Targets of a bulk action on its page: those that were skipped, or have failed."""


class OperationController(Controller):
    """Everything about an operation: its status and error first."""

    opt = {"scope": Scope.READ}  # noqa: RUF012

    @get("/operations/{operation_id:uuid}")
    async def operation(self, request: UiRequest, operation_id: FromPath[UUID]) -> Response[str]:
        """The operation with its history."""
        operation = await request.ledger.get(operation_id)
        lines = await request.ledger.transitions(operation_id)
        is_bulk = operation.type.startswith(RESERVED_PREFIX)
        return render(
            request,
            "pages/operation.html",
            operation=operation,
            seen=seen_id(Cursor(operation.version, operation.history_length)),
            timeline=timeline(lines),
            first=lines[0],
            ending=ending(lines),
            temporal_url=temporal_url(request, operation),
            commands=commands(request, operation),
            declared=any(each.name == operation.type for each in request.ledger.types()),
            unsuccessful=await _unsuccessful(request, operation_id) if is_bulk else None,
        )


async def _unsuccessful(request: UiRequest, operation_id: UUID) -> list[Target]:
    """The first targets of a bulk action that were skipped, or have failed."""
    outcomes = (TargetOutcome.FAILED, TargetOutcome.SKIPPED)
    return await request.ledger.bulk_targets(operation_id, after=0, limit=SHOWN_TARGETS, outcomes=outcomes)
