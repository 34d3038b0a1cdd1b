"""Response bodies of bulk actions."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from domain.bulk.target import Target, TargetCode, TargetOutcome
from entrypoints.response_bodies import OperationBody


class BulkPreviewBody(Struct, frozen=True):
    """What a dry run has found."""

    matching: Annotated[int, Meta(ge=0, description="Number of operations")]
    sample: Annotated[
        list[OperationBody], Meta(description="The first of them, at most 10. Empty without the scope `read`")
    ]
    confirm: Annotated[str, Meta(description="Confirms the bulk action on these operations, once")]
    expires_at: Annotated[datetime, Meta(description="Time from which it cannot be confirmed")]


class TargetBody(Struct, frozen=True):
    """An operation of a bulk action, and its outcome."""

    operation_id: Annotated[UUID, Meta(description="It may have been deleted")]
    outcome: TargetOutcome
    code: Annotated[TargetCode | None, Meta(description="Why it was skipped, or has failed")]
    message: str | None
    new_operation_id: Annotated[UUID | None, Meta(description="The operation that retries it")]


class TargetsBody(Struct, frozen=True):
    """A page of targets, in the order in which they are handled. `next_page_token` is null on the last page."""

    items: list[TargetBody]
    next_page_token: str | None


def target_body(target: Target) -> TargetBody:
    """The response body of a target."""
    return TargetBody(target.operation_id, target.outcome, target.code, target.message, target.new_operation_id)
