"""Paths and header parameters of the operation routes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from litestar import Request

from entrypoints.http.requests.headers import header_values

PREFIX: Final = "/v1"
PATH: Final = "/operations"


@dataclass(frozen=True, slots=True)
class HeaderParameter:
    """A request header that a route declares as `header_parameters=`, for the OpenAPI document.

    The handler reads it from the request. As a parameter of the handler it would slow down every request."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema keywords besides the type, which is a string."""

    @property
    def lower_name(self) -> bytes:
        """The name in an ASGI scope."""
        return self.name.lower().encode()

    def values(self, request: Request[Any, Any, Any]) -> list[str]:
        """All values of the header in a request."""
        return header_values(request.scope, self.lower_name)


IDEMPOTENCY_KEY: Final = HeaderParameter(
    "Idempotency-Key",
    "Printable ASCII. For 24 hours, the same key with the same body returns the first response",
    {"minLength": 1, "maxLength": 255, "pattern": r"^[\x20-\x7e]+$"},
)
IF_NONE_MATCH: Final = HeaderParameter("If-None-Match", "Entity tags of the versions that the client has")
IF_MATCH: Final = HeaderParameter(
    "If-Match",
    "Entity tags of the versions that the request may change. `*`: any version",
    {"pattern": r'^(\*|[ \t,]*(W/)?"[^"]*"([ \t]*,[ \t,]*(W/)?"[^"]*")*[ \t,]*)$'},
)
