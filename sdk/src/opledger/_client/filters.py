"""Filters of lists and bulk actions, as query parameters and as JSON."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypedDict, cast

MAX_VALUES: Final = 20
"""Values of one filter."""
_SINGLE: Final = frozenset({"type", "id_prefix"})
"""Filters of one text."""


class Filters(TypedDict, total=False):
    """Filters of lists. Those of several values take up to 20, of which an operation has one."""

    status: str | Iterable[str]
    error_code: str | Iterable[str]
    attention: str | Iterable[str]
    origin: str | Iterable[str]
    parent: str | Iterable[str]
    workflow_id: str | Iterable[str]
    type: str
    id_prefix: str
    labels: Mapping[str, str]
    accepted_after: datetime
    accepted_before: datetime
    finished_after: datetime
    finished_before: datetime


def checked(filters: Filters) -> Filters:
    """The filters, with values that can be read again. Raises ValueError for one without a value: it would select
    more, not nothing."""
    found: dict[str, Any] = {}
    for name, value in filters.items():
        several = isinstance(value, Iterable) and not isinstance(value, str | Mapping)
        found[name] = tuple(map(str, value)) if several else value  # type: ignore[call-overload]
        if found[name] is None or found[name] == () or not isinstance(found[name], str | tuple | datetime | Mapping):
            raise ValueError(f"{name}: a filter needs a value; leave it out to select without it")
    return cast(Filters, found)


def filter_query(filters: Filters) -> list[tuple[str, str]]:
    """The query parameters of filters. Raises ValueError for one without a value."""
    query: list[tuple[str, str]] = []
    for name, value in checked(filters).items():
        if isinstance(value, str):
            query.append((name, value))
        elif isinstance(value, datetime):
            query.append((name, time_text(value)))
        elif isinstance(value, Mapping):
            query += [(f"label.{key}", text) for key, text in value.items()]
        elif isinstance(value, tuple):
            query += [(name, one) for one in value]
    return query


def filter_body(filters: Filters, *, everything: bool) -> dict[str, Any]:
    """The filters as the body of a bulk action has them. `everything`: selects every operation. Raises ValueError for
    one without a value."""
    body: dict[str, Any] = {"all": True} if everything else {}
    for name, value in checked(filters).items():
        if isinstance(value, datetime):
            body[name] = time_text(value)
        elif isinstance(value, Mapping):
            body["label"] = dict(value)
        elif isinstance(value, str):
            body[name] = value if name in _SINGLE else [value]
        elif isinstance(value, tuple):
            body[name] = [*value]
    return body


def time_text(time: datetime) -> str:
    """The time as the API takes it. Raises ValueError for one without a zone."""
    if time.tzinfo is None:
        raise ValueError(f"{time.isoformat()}: the time has no time zone; use datetime.now(timezone.utc), for example")
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
