"""What requests about operations are made of: paths, headers and queries, as the contract declares them."""

from typing import Annotated, Final, Literal

from litestar.params import HeaderParameter, QueryParameter

from domain.operation.attention import AttentionKind
from domain.operation.labels import VALUE
from domain.operation.status import OperationStatus
from entrypoints.http.requests.schemas import LONGEST_TYPE

PREFIX: Final = "/v1"
PATH: Final = "/operations"
_TIME = {"format": "date-time"}
Order = Literal["-accepted_at", "accepted_at"]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        schema_extra={"min_length": 1, "max_length": 255, "pattern": r"^[\x20-\x7e]+$"},
        description="Printable ASCII. For 24 hours the same key and body give the first answer again",
    ),
]
IfNoneMatch = Annotated[str | None, HeaderParameter(name="If-None-Match", description="Entity tags the client has")]
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        schema_extra={"pattern": r'^(\*|[ \t,]*(W/)?"[^"]*"([ \t]*,[ \t,]*(W/)?"[^"]*")*[ \t,]*)$'},
        description="Entity tags of the versions that this is meant for, or `*`: any",
    ),
]
Statuses = Annotated[
    list[OperationStatus] | None, QueryParameter(name="status", description="Operations in any of these statuses")
]
TypeName = Annotated[
    str | None,
    QueryParameter(
        name="type",
        min_length=1,
        max_length=LONGEST_TYPE,
        pattern=f"^{VALUE}$",
        description="Operations of this type",
    ),
]
Attention = Annotated[
    AttentionKind | None, QueryParameter(name="attention", description="Operations that need attention of this kind")
]
After = Annotated[
    str | None,
    QueryParameter(name="accepted_after", description="Operations accepted after this time", schema_extra=_TIME),
]
Before = Annotated[
    str | None,
    QueryParameter(name="accepted_before", description="Operations accepted before this time", schema_extra=_TIME),
]
OrderBy = Annotated[Order, QueryParameter(name="order", description="By time of acceptance; with `-` the newest first")]
PageSize = Annotated[int, QueryParameter(name="page_size", ge=1, le=200, description="Most operations of a page")]
PageToken = Annotated[
    str | None,
    QueryParameter(name="page_token", description="`next_page_token` of an answer to the same filters and order"),
]
