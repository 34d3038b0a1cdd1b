"""Errors of waits and streams beyond the limits in the OpenAPI document."""

from typing import Any, Final

from application.watch.waiter_limit import ClientWaiterLimitReached, WaiterLimitReached
from entrypoints.http.openapi.access import example
from entrypoints.http.problems.kinds import KINDS
from entrypoints.http.problems.problems import MEDIA_TYPE

_OPERATIONS: Final = {"getOperation", "streamOperation", "streamEvents"}
_WORDS: Final = {
    "429": "Rate limit of these credentials exceeded, or too many of their waits and streams are open",
    "503": "The database is unavailable, or no capacity is left for waits and streams",
}
_ERRORS: Final[dict[str, type[Exception]]] = {"429": ClientWaiterLimitReached, "503": WaiterLimitReached}


def with_waiter_limits(schema: dict[str, Any]) -> dict[str, Any]:
    """The document with these errors for waits and streams; 429 with access control only."""
    for item in schema["paths"].values():
        for operation in item.values():
            if operation["operationId"] in _OPERATIONS:
                for status in _ERRORS.keys() & operation["responses"].keys():
                    _add(operation["responses"][status], status)
    return schema


def _add(response: dict[str, Any], status: str) -> None:
    error = _ERRORS[status]
    response["description"] = _WORDS[status]
    response["content"][MEDIA_TYPE]["examples"][KINDS[error].slug] = example(error)
