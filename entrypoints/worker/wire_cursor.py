"""The cursor of a reconciliation pass, as it travels through the workflow's history."""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from temporalio.common import RawValue

from application.services.reconcile import PassCursor
from entrypoints.worker.raw_arguments import InvalidArgument, typed_argument
from entrypoints.worker.workflows.reconcile_operations import Cursor


def read_cursor(arguments: Sequence[RawValue]) -> PassCursor | None:
    """The service's form of it; None begins a new pass. Raises InvalidArgument for what this worker never wrote."""
    cursor: Cursor | None = typed_argument(arguments, cast(Any, Cursor | None))
    if cursor is None:
        return None
    try:
        return PassCursor(
            since=datetime.fromisoformat(cursor.since),
            began_at=datetime.fromisoformat(cursor.began_at),
            page=base64.b64decode(cursor.page, validate=True),
            incomplete=cursor.incomplete,
        )
    except ValueError as error:
        raise InvalidArgument(f"the cursor: {error}") from error


def write_cursor(cursor: PassCursor) -> Cursor:
    """The history's form of it."""
    return Cursor(
        since=cursor.since.isoformat(),
        began_at=cursor.began_at.isoformat(),
        page=base64.b64encode(cursor.page).decode(),
        incomplete=cursor.incomplete,
    )
