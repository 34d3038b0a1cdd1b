"""How long a client wants to wait, and for what: in the query, or as a preference (RFC 7240)."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

from litestar.datastructures import ResponseHeader
from litestar.params import QueryParameter

from application.ports.operation_view import OperationView
from application.watch.wait import Wish
from entrypoints.http.problems.problems import ClientGone, InvalidParameter
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.conditional import entity_tag, entity_tags, matches
from entrypoints.http.requests.headers import preferences
from entrypoints.http.requests.parameters import IF_NONE_MATCH, HeaderParameter
from entrypoints.settings.durations import parse_duration

LONGEST: Final = 55
"""Seconds. Below 60, the default read timeout of nginx and of AWS load balancers: a wait that lasts as long as that
is answered 504 by the proxy."""
_T = TypeVar("_T")
_SECONDS = re.compile(r"[0-9]{1,9}")
_RULE = f"it is a duration of at most {LONGEST}s, such as 20s or 500ms"


class End(StrEnum):
    """What ends a wait, where not any change does."""

    DONE = "done"


Wait = Annotated[
    str | None,
    QueryParameter(
        name="wait",
        description=f"Answer at the next change, or after this time (at most {LONGEST}s)",
        schema_extra={"pattern": "^((5[0-5]|[1-4]?[0-9])s|[0-9]{1,4}ms)$", "examples": ["20s"]},
    ),
]
Until = Annotated[
    End | None,
    QueryParameter(name="until", description="With a wait: only the end of the operation counts as a change"),
]
PREFER: Final = HeaderParameter("Prefer", f"`wait=SECONDS` (RFC 7240), {LONGEST} at most; `wait` goes before it")
APPLIED: Final = ResponseHeader(
    name="Preference-Applied", documentation_only=True, description="The wait that was preferred, as it was understood"
)


def wish(request: ApiRequest, wait: str | None, until: End | None) -> tuple[Wish | None, dict[str, str]]:
    """What the client waits for, if it does, and the headers that say so. Raises InvalidParameter.

    With If-None-Match a change is one against the versions that the client has; else, against the current one.
    """
    preferred = None if wait is not None else _preferred(PREFER.values(request))
    if wait is None and preferred is None:
        if until is not None:
            raise InvalidParameter("until", "it goes together with wait")
        return None, {}
    seconds = _seconds(wait) if wait is not None else float(preferred or 0)
    applied = {} if preferred is None else {"Preference-Applied": f"wait={preferred}"}
    return Wish(seconds, until_done=until is End.DONE, known=_known(request)), applied


async def unless_gone(request: ApiRequest, waiting: Coroutine[Any, Any, _T]) -> _T:
    """What it comes to, or, as soon as the client hangs up, ClientGone: a wait is not to go on for nobody."""
    try:
        async with asyncio.timeout(None) as patience:
            leaving = asyncio.create_task(_end_when_gone(request, patience))
            try:
                return await waiting
            finally:
                leaving.cancel()
    except TimeoutError:
        if not patience.expired():
            raise
        raise ClientGone("the client has hung up") from None


async def _end_when_gone(request: ApiRequest, patience: asyncio.Timeout) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    patience.reschedule(asyncio.get_running_loop().time())


def _known(request: ApiRequest) -> Callable[[OperationView], bool] | None:
    headers = IF_NONE_MATCH.values(request)
    if entity_tags(headers) in (None, ["*"]):
        return None
    return lambda operation: matches(headers, entity_tag(operation))


def _seconds(wait: str) -> float:
    try:
        seconds = parse_duration(wait).total_seconds()
    except ValueError:
        raise InvalidParameter("wait", _RULE) from None
    if seconds > LONGEST:
        raise InvalidParameter("wait", _RULE)
    return seconds


def _preferred(headers: list[str]) -> int | None:
    """The `wait` of the preferences. One that is not a number of seconds is ignored, as RFC 7240 has it."""
    seconds = preferences(headers).get("wait", "")
    return min(int(seconds), LONGEST) if _SECONDS.fullmatch(seconds) else None
