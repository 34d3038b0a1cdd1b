"""Route: reports of workflows and their clients, which the plugin sends."""

from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, post
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from application.track.record import Recorded
from domain.access.scope import Scope
from entrypoints.http.openapi.reports import ReportOperation
from entrypoints.http.openapi.routes import problems
from entrypoints.http.problems.problems import FieldError, ForeignReport, InvalidBody
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.reports.object_decoder import InvalidArgument
from entrypoints.reports.start_report import StartReportRead, decode_report
from opledger.wire import UpdateOutcome

MAX_REPORT: Final = 512 * 1024
"""Bytes: a result of 256 KiB, and the rest."""
_OUTCOMES: Final = {
    Recorded.RECORDED: UpdateOutcome.RECORDED,
    Recorded.IGNORED: UpdateOutcome.IGNORED,
    Recorded.UNKNOWN_OPERATION: UpdateOutcome.UNKNOWN_OPERATION,
}
_DESCRIPTIONS: Final = {
    409: "The named execution is not the operation's, or it is another tenant's. Do not retry",
    413: "The body exceeds 512 KiB",
    422: "A field is invalid. Do not retry",
    503: "The database or Temporal is unavailable. Retry",
}


class ReportAnswerBody(Struct, frozen=True):
    """Outcome of a report."""

    outcome: UpdateOutcome
    operation_id: (
        Annotated[UUID, Meta(description="After `dispatched`: that of the named execution, if you may see it")]
        | UnsetType
    ) = UNSET


class ReportController(Controller):
    """Routes under /v1/reports."""

    path = "/reports"
    tags = ("reports",)

    @post(
        status_code=200,
        operation_id="sendReport",
        scope=Scope.REPORT,
        summary="Report about a workflow",
        operation_class=ReportOperation,
        request_max_body_size=MAX_REPORT,
        responses=problems(400, 409, 413, 415, 422, words=_DESCRIPTIONS, also=("foreign-report", "engine-unavailable")),
    )
    async def send(self, request: ApiRequest, data: JSONBody[Any]) -> JsonResponse[ReportAnswerBody]:
        """Takes the status update of a workflow, or what a client says of the start of a workflow. The ledger asks
        Temporal whether the named execution is the operation's.

        If Temporal answered a client's start with an execution that existed already, `dispatched` makes that one an
        operation, and the recorded one FAILED with START_REJECTED.

        The first report of an execution that is not an operation yet makes it one, if `operation_id` is the id that
        follows from its chain. Unknown fields are ignored. A 200 means that the report is stored or says nothing new;
        `unknown_operation`: the operation was deleted, or belongs to another ledger."""
        try:
            decoded = decode_report(data)
        except InvalidArgument as error:
            raise InvalidBody(*map(_field_error, error.violations)) from None
        named: UUID | None = None
        if isinstance(decoded, StartReportRead):
            start = await request.ledger.report_start(decoded.operation_id, decoded.report)
            recorded, named = start.outcome, start.operation_id
        elif decoded.execution is None:
            raise InvalidBody(FieldError("an object that names the sending run; it is missing", pointer="/execution"))
        else:
            recorded = await request.ledger.report(decoded.operation_id, decoded.report, decoded.execution)
        if recorded not in _OUTCOMES:
            raise ForeignReport(f"the execution is not that of operation {decoded.operation_id}")
        return JsonResponse(ReportAnswerBody(_OUTCOMES[recorded], UNSET if named is None else named))


def _field_error(violation: str) -> FieldError:
    """The violation with the place of its field as a JSON pointer."""
    name, separator, rule = violation.partition(": ")
    if not separator:
        return FieldError(violation, pointer="")
    return FieldError(rule, pointer=f"/{name.replace('.', '/')}")
