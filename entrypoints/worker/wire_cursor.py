"""The cursor of a reconciliation pass, as it travels through the workflow's history."""

import base64
from datetime import datetime

from application.services.reconcile import PassCursor
from entrypoints.worker.workflows.reconcile_operations import Cursor


def read_cursor(cursor: Cursor) -> PassCursor:
    """The service's form of it. Raises ValueError for what this worker never wrote."""
    return PassCursor(
        since=datetime.fromisoformat(cursor.since),
        began_at=datetime.fromisoformat(cursor.began_at),
        page=base64.b64decode(cursor.page, validate=True),
        incomplete=cursor.incomplete,
    )


def write_cursor(cursor: PassCursor) -> Cursor:
    """The history's form of it."""
    return Cursor(
        since=cursor.since.isoformat(),
        began_at=cursor.began_at.isoformat(),
        page=base64.b64encode(cursor.page).decode(),
        incomplete=cursor.incomplete,
    )
