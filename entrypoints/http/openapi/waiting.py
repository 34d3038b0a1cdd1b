"""What the OpenAPI document says of waits and streams for which there is no place."""

from typing import Any, Final

from application.watch.waiter_limit import TooManyWaiting, WaitingRoomFull
from entrypoints.http.openapi.access import example
from entrypoints.http.problems.kinds import KINDS
from entrypoints.http.problems.problems import MEDIA_TYPE

_OPERATIONS: Final = {"getOperation", "streamOperation", "streamEvents"}
_WORDS: Final = {
    "429": "Too many requests, or too many waits and streams, with these credentials",
    "503": "The database cannot be reached, or all places to wait are taken",
}
_ERRORS: Final[dict[str, type[Exception]]] = {"429": TooManyWaiting, "503": WaitingRoomFull}


def with_places(schema: dict[str, Any]) -> dict[str, Any]:
    """The document with these errors, where they can happen; 429 where credentials are asked for."""
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
