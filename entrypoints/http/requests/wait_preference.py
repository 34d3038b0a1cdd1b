"""Wait options of a request: the query parameters `wait` and `until`, or `Prefer: wait` (RFC 7240)."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Final

from litestar import Request
from litestar.datastructures import ResponseHeader
from litestar.params import QueryParameter

from application.ports.storage.operation_view import OperationView
from application.watch.wait import WaitOptions
from entrypoints.http.problems.problems import InvalidParameter
from entrypoints.http.requests.conditional import entity_tags, has_version
from entrypoints.http.requests.headers import preferences
from entrypoints.http.requests.parameters import IF_NONE_MATCH, HeaderParameter
from entrypoints.settings.durations import parse_duration

MAX_WAIT: Final = 55
"""Seconds. Less than 60, the default read timeout of nginx and of AWS load balancers, which answer 504 after it."""
_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_RULE: Final = f"must be a duration of at most {MAX_WAIT}s, such as 20s or 500ms"


class End(StrEnum):
    """What ends a wait. Without it, any change does."""

    DONE = "done"


Wait = Annotated[
    str | None,
    QueryParameter(
        name="wait",
        description=f"Wait up to this long for the next change. At most {MAX_WAIT}s",
        schema_extra={"pattern": "^((5[0-5]|[1-4]?[0-9])s|[0-9]{1,4}ms)$", "examples": ["20s"]},
    ),
]
Until = Annotated[
    End | None,
    QueryParameter(name="until", description="With `wait`: wait until the operation is done, not for any change"),
]
PREFER: Final = HeaderParameter(
    "Prefer", f"`wait=SECONDS` (RFC 7240), at most {MAX_WAIT}. The query parameter `wait` takes precedence"
)
APPLIED: Final = ResponseHeader(
    name="Preference-Applied", documentation_only=True, description="The wait that was applied from `Prefer`"
)


def wait_options(
    request: Request[Any, Any, Any], wait: str | None, until: End | None
) -> tuple[WaitOptions | None, dict[str, str]]:
    """The wait options (None: do not wait) and the response headers that confirm them. Raises InvalidParameter.

    A change is relative to the versions in If-None-Match, else to the current version.
    """
    preferred = None if wait is not None else _preferred(PREFER.values(request))
    if wait is None and preferred is None:
        if until is not None:
            raise InvalidParameter("until", "requires the parameter wait")
        return None, {}
    seconds = _seconds(wait) if wait is not None else float(preferred or 0)
    applied = {} if preferred is None else {"Preference-Applied": f"wait={preferred}"}
    return WaitOptions(seconds, until_done=until is End.DONE, known=_known(request)), applied


def _known(request: Request[Any, Any, Any]) -> Callable[[OperationView], bool] | None:
    tags = entity_tags(IF_NONE_MATCH.values(request))
    if tags is None or tags == ["*"]:
        return None
    return lambda operation: has_version(tags, operation)


def _seconds(wait: str) -> float:
    try:
        seconds = parse_duration(wait).total_seconds()
    except ValueError:
        raise InvalidParameter("wait", _RULE) from None
    if seconds > MAX_WAIT:
        raise InvalidParameter("wait", _RULE)
    return seconds


def _preferred(headers: list[str]) -> int | None:
    """The `wait` of the preferences. A value that is not a number of seconds is ignored, as RFC 7240 requires."""
    seconds = preferences(headers).get("wait", "")
    return min(int(seconds), MAX_WAIT) if _SECONDS.fullmatch(seconds) else None
