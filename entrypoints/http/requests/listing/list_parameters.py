"""Query parameters of the list of operations."""

from typing import Annotated, Final, Literal
from uuid import UUID

from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import QueryParameter
from msgspec import Meta

from domain.operation.attention import AttentionKind
from domain.operation.chain import MAX_WORKFLOW_ID
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.start.labels import VALUE
from domain.operation.status import OperationStatus
from entrypoints.http.requests.schemas import MAX_TYPE_LENGTH

MAX_VALUES: Final = 20
"""Values of one filter. Each is a part of the statement."""
_TIME: Final = {"format": "date-time"}
ID_PREFIX: Final = r"^[0-9a-f]{4}([0-9a-f]-?){0,28}$(?!\n)"
"""The first digits of an id, with or without its hyphens. Python's $ also matches before a last newline."""


def _time(name: str, description: str) -> QueryParameter:
    return QueryParameter(name=name, description=description, schema_extra=_TIME)


def _several(name: str, description: str) -> QueryParameter:
    return QueryParameter(name=name, description=f"{description}. At most {MAX_VALUES} values", max_items=MAX_VALUES)


Order = Literal["-accepted_at", "accepted_at", "-finished_at", "finished_at"]
WorkflowIdText = Annotated[str, Meta(min_length=1, max_length=MAX_WORKFLOW_ID, pattern=f"^{VALUE}$")]
Statuses = Annotated[list[OperationStatus] | None, _several("status", "Operations with any of these statuses")]
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
ErrorCodes = Annotated[
    list[ErrorCode] | None, _several("error_code", "Operations that failed with any of these error codes")
]
Attentions = Annotated[
    list[AttentionKind] | None, _several("attention", "Operations with any of these kinds of attention")
]
Parents = Annotated[list[UUID] | None, _several("parent", "Children of any of the operations with these ids")]
WorkflowIds = Annotated[
    list[WorkflowIdText] | None,
    QueryParameter(
        name="workflow_id",
        description="Operations with any of these workflow ids. By default the workflow id is the id of the operation. "
        f"At most {MAX_VALUES} values",
        max_items=MAX_VALUES,
        # Litestar omits the limits of items.
        schema_extra={
            "items": Schema(type=OpenAPIType.STRING, min_length=1, max_length=MAX_WORKFLOW_ID, pattern=f"^{VALUE}$")
        },
    ),
]
Origins = Annotated[list[Origin] | None, _several("origin", "Operations with any of these origins")]
IdPrefix = Annotated[
    str | None,
    QueryParameter(
        name="id_prefix",
        pattern=ID_PREFIX,
        description="Operations whose id begins with these hexadecimal digits, at least 4; hyphens are ignored",
    ),
]
AcceptedAfter = Annotated[str | None, _time("accepted_after", "Operations accepted after this time")]
AcceptedBefore = Annotated[str | None, _time("accepted_before", "Operations accepted before this time")]
FinishedAfter = Annotated[
    str | None, _time("finished_after", "Operations that finished after this time, sorted by the time they finished")
]
FinishedBefore = Annotated[
    str | None, _time("finished_before", "Operations that finished before this time, sorted by the time they finished")
]
OrderBy = Annotated[
    Order | None,
    QueryParameter(
        name="order",
        description="The time to sort by. `-`: newest first. By default `-finished_at` with `finished_after` or "
        "`finished_before`, which allow no order by `accepted_at`; else `-accepted_at`. Ordered by `finished_at`, the "
        "list has only operations that are done",
    ),
]
PageSize = Annotated[
    int, QueryParameter(name="page_size", ge=1, le=200, description="Maximum number of operations in the page")
]
PageToken = Annotated[
    str | None,
    QueryParameter(
        name="page_token", description="`next_page_token` of the previous page. Keep the same filters and order"
    ),
]
