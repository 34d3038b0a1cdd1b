"""An operation to submit, over HTTP or in the caller's transaction, and its values as JSON."""

import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType


@dataclass(frozen=True, slots=True)
class Submission:
    """An operation to submit.

    Attributes:
        type: Name of a declared operation type.
        input: Any JSON value, dataclass, msgspec struct or pydantic model. Without it, the workflow starts without an
            argument.
        labels: Key-value pairs to filter by.
        idempotency_key: For 24 hours, the same key and submission return the first operation. Default: the client
            makes a random one, so that its own retries make no second operation; `opledger.sql` sends none.
        parent_id: The operation on whose behalf this one is submitted.
        start_at: The workflow starts not before this time; at most 366 days ahead.
        delay: The workflow starts after this time. Not beside `start_at`.
        keep: Retention does not delete the operation. Not supported by `opledger.sql`.
    """

    type: str
    input: Any | UnsetType = UNSET
    labels: Mapping[str, str] = field(default_factory=dict)
    _: KW_ONLY
    idempotency_key: str | None = None
    parent_id: str | UUID | None = None
    start_at: datetime | None = None
    delay: timedelta | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for a time without a time zone."""
        if self.start_at is not None and self.start_at.tzinfo is None:
            raise ValueError("start_at has no time zone; use datetime.now(timezone.utc), for example")


def json_text(value: Any) -> str:
    """The value as JSON. Raises ValueError for NaN and infinity, TypeError for what is no JSON value."""
    plain = msgspec.to_builtins(value, enc_hook=_from_model)
    return json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _from_model(value: Any) -> Any:
    """The JSON value of a pydantic model."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is no JSON value")
