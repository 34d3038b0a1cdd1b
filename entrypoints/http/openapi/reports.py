"""The request body of `POST /v1/reports` in the OpenAPI document."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from litestar.openapi.spec import OpenAPIMediaType, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from domain.evidence.progress import MAX_STEPS
from entrypoints.http.openapi.routes import ContractOperation
from entrypoints.reports.execution import MAX_ID
from entrypoints.reports.start_report import START_KINDS
from opledger.wire import MAX_STEP_NAME, StepState, UpdateKind

_TEXT: Final = Schema(type=OpenAPIType.STRING)
_NAME: Final = Schema(type=OpenAPIType.STRING, min_length=1, max_length=MAX_ID)
_UUID: Final = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID)
_TIME: Final = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME)
_FLAG: Final = Schema(type=OpenAPIType.BOOLEAN)
_REQUIRED_IN_EXECUTION: Final = ("namespace", "workflow_id", "run_id", "first_run_id", "workflow_type", "task_queue")


def _or_null(schema: Schema) -> Schema:
    return Schema(any_of=[schema, Schema(type=OpenAPIType.NULL)])


def _object(properties: dict[str, Schema], required: Sequence[str], optional: bool = True) -> Schema:
    schema = Schema(type=OpenAPIType.OBJECT, properties=dict(properties), required=list(required) or None)
    return _or_null(schema) if optional else schema


_PARENT: Final = _object(
    {"workflow_id": _NAME, "first_run_id": _or_null(_NAME), "operation_id": _or_null(_UUID)}, ["workflow_id"]
)
_EXECUTION: Final = _object(
    {**dict.fromkeys(_REQUIRED_IN_EXECUTION, _NAME), "started_at": _TIME, "parent": _PARENT},
    [*_REQUIRED_IN_EXECUTION, "started_at"],
)
_ERROR: Final = _object(
    {
        "message": _TEXT,
        "type": _or_null(_TEXT),
        "non_retryable": _or_null(_FLAG),
        "details": _or_null(Schema(type=OpenAPIType.ARRAY, items=Schema())),
    },
    ["message"],
)
_STATED: Final = {"fraction": _or_null(Schema(type=OpenAPIType.NUMBER)), "message": _or_null(_TEXT)}
_STEP: Final = _object(
    {
        "name": Schema(type=OpenAPIType.STRING, min_length=1, max_length=MAX_STEP_NAME),
        "state": _or_null(Schema(type=OpenAPIType.STRING, enum=[*StepState])),
        **dict.fromkeys(("started_at", "updated_at"), _or_null(_TIME)),
        **_STATED,
    },
    ["name"],
    optional=False,
)
_STEPS: Final = Schema(type=OpenAPIType.ARRAY, items=_STEP, max_items=MAX_STEPS)
_PROGRESS: Final = _object({**_STATED, "steps": _or_null(_STEPS)}, [])
REPORT: Final = _object(
    {
        "operation_id": _or_null(_UUID),
        "kind": Schema(type=OpenAPIType.STRING, enum=[*UpdateKind, *START_KINDS]),
        "occurred_at": _TIME,
        "attempt": _or_null(Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=2**31 - 1)),
        "may_retry": _or_null(_FLAG),
        "result": Schema(description="Any JSON value"),
        "result_omitted": _or_null(_FLAG),
        "error": _ERROR,
        "progress": _PROGRESS,
        "execution": _EXECUTION,
    },
    ["kind", "occurred_at"],
    optional=False,
)


@dataclass
class ReportOperation(ContractOperation):
    """An operation whose body is a report."""

    def __post_init__(self) -> None:
        super().__post_init__()
        media = OpenAPIMediaType(schema=REPORT)
        self.request_body = RequestBody(content={"application/json": media}, required=True)
