"""Paths, header parameters and query parameters of the operation routes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from litestar import Request
from litestar.params import QueryParameter

from domain.operation.attention import AttentionKind
from domain.operation.labels import VALUE
from domain.operation.status import OperationStatus
from entrypoints.http.requests.headers import header_values
from entrypoints.http.requests.schemas import MAX_TYPE_LENGTH

PREFIX: Final = "/v1"
PATH: Final = "/operations"
_TIME = {"format": "date-time"}


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


Order = Literal["-accepted_at", "accepted_at"]
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
Statuses = Annotated[
    list[OperationStatus] | None, QueryParameter(name="status", description="Operations with any of these statuses")
]
TypeName = Annotated[
    str | None,
    QueryParameter(
        name="type",
        min_length=1,
        max_length=MAX_TYPE_LENGTH,
        pattern=f"^{VALUE}$",
        description="Operations of this type",
    ),
]
Attention = Annotated[
    AttentionKind | None, QueryParameter(name="attention", description="Operations with this kind of attention")
]
After = Annotated[
    str | None,
    QueryParameter(name="accepted_after", description="Operations accepted after this time", schema_extra=_TIME),
]
Before = Annotated[
    str | None,
    QueryParameter(name="accepted_before", description="Operations accepted before this time", schema_extra=_TIME),
]
OrderBy = Annotated[Order, QueryParameter(name="order", description="Sort by acceptance time. `-`: newest first")]
PageSize = Annotated[
    int, QueryParameter(name="page_size", ge=1, le=200, description="Maximum number of operations in the page")
]
PageToken = Annotated[
    str | None,
    QueryParameter(
        name="page_token", description="`next_page_token` of the previous page. Keep the same filters and order"
    ),
]
