"""Route: submit a batch of operations."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Controller, post
from litestar.params import JSONBody
from msgspec import UNSET

from application.submit.requests import SubmissionRequest
from application.submit.submission import Submitted
from domain.access.scope import Scope
from domain.errors import OpledgerError
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.problems.kinds import MAX_BODY, problem_of
from entrypoints.http.problems.problems import BodyTooLarge, FieldError, InvalidHeader, RequestError
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.batch_schemas import BatchBody, BatchItemBody
from entrypoints.http.requests.parameters import IDEMPOTENCY_KEY, PATH
from entrypoints.http.requests.schemas import submission_request
from entrypoints.http.requests.submissions import InputCheck, read_submission
from entrypoints.http.responses.batch_schemas import BatchAnswerBody, SubmissionAnswerBody
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.http.server.tracing import trace_to_carry
from entrypoints.response_bodies import operation_body

MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
"""500 submissions of 8 KiB, parsed within a fraction of a second."""
CHUNK: Final = 20
"""Submissions that are decoded between two checks for a client that has disconnected."""


class SubmissionTooLarge(BodyTooLarge):
    """One submission of a batch exceeds the limit of a single submission."""

    def __init__(self, pointer: str) -> None:
        detail = f"exceeds {MAX_BODY} bytes, the limit of one submission"
        RequestError.__init__(self, f"{pointer}: {detail}", FieldError(detail, pointer=pointer))


class BatchController(Controller):
    """Routes under /v1/operations/batch."""

    path = f"{PATH}/batch"
    tags = ("operations",)

    @post(
        status_code=200,
        scope=Scope.SUBMIT,
        operation_id="submitBatch",
        summary="Submit up to 500 operations in one commit",
        operation_class=ContractOperation,
        request_max_body_size=MAX_BATCH_BYTES,
        responses=problems(
            400,
            413,
            415,
            422,
            words={413: "The body exceeds 4 MiB", 422: "The body is not a list of 1 to 500 submissions"},
        ),
    )
    async def submit(self, request: ApiRequest, data: JSONBody[BatchBody]) -> JsonResponse[BatchAnswerBody]:
        """Each submission is validated by itself. The valid ones are stored in one transaction and run. An invalid one
        gets its problem at its position and does not affect the others. `status` of an item is the status that a single
        submission would get. The response itself is 200 whenever the batch could be parsed; 207 would imply the XML of
        RFC 4918.

        If the response is lost, send the same batch again. Each `idempotency_key` works as the header of a single
        submission: valid for 24 hours, in the same key space. Of several submissions with one key, the first valid one
        creates the operation and the others repeat it. A submission without a key is accepted again. A batch has no key
        of its own: the header `Idempotency-Key` is refused.

        A body has at most 4 MiB, and each submission at most 256 KiB."""
        if IDEMPOTENCY_KEY.values(request):
            raise InvalidHeader("Idempotency-Key", "not supported for a batch; set idempotency_key in each submission")
        ledger = request.ledger
        decoded = await request.cancel_on_disconnect(_decode_all(data, ledger.refusal_of))
        valid = [item for item in decoded if isinstance(item, SubmissionRequest)]
        refusals = await request.cancel_on_disconnect(ledger.check_batch(valid))
        submitted = iter(await ledger.submit_batch(valid, refusals, trace=trace_to_carry()))
        results = [next(submitted) if isinstance(item, SubmissionRequest) else item for item in decoded]
        items = [_result_body(result, _pointer(index)) for index, result in enumerate(results)]
        return JsonResponse(BatchAnswerBody(items))


def _pointer(index: int) -> str:
    return f"/operations/{index}"


async def _decode_all(data: BatchBody, check: InputCheck) -> list[SubmissionRequest | RequestError]:
    """Decodes in a thread, because explaining a refused input is slow; in chunks, so that a cancellation stops it."""
    items = data.operations
    decoded: list[SubmissionRequest | RequestError] = []
    for start in range(0, len(items), CHUNK):
        decoded += await asyncio.to_thread(_decode_chunk, items[start : start + CHUNK], start, check)
    return decoded


def _decode_chunk(items: Sequence[Any], start: int, check: InputCheck) -> list[SubmissionRequest | RequestError]:
    return [_decode(item, _pointer(index), check) for index, item in enumerate(items, start)]


def _decode(item: Any, pointer: str, check: InputCheck) -> SubmissionRequest | RequestError:
    try:
        body = read_submission(item, BatchItemBody, check=check, at=pointer)
    except RequestError as error:
        return error
    if len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_BODY:
        return SubmissionTooLarge(pointer)
    return submission_request(body, None if body.idempotency_key is UNSET else body.idempotency_key)


def _result_body(result: Submitted | OpledgerError, pointer: str) -> SubmissionAnswerBody:
    if isinstance(result, Submitted):
        return SubmissionAnswerBody(202, operation_body(result.operation), result.replayed)
    problem = problem_of(result)
    if not isinstance(result, RequestError) and problem.errors is not UNSET:
        problem = msgspec.structs.replace(problem, errors=[_located(error, pointer) for error in problem.errors])
    return SubmissionAnswerBody(problem.status, problem=problem)


def _located(error: FieldError, pointer: str) -> FieldError:
    """An error of a single submission, located in the batch."""
    inner = "/idempotency_key" if error.header is not UNSET else error.pointer
    return FieldError(error.detail, pointer=f"{pointer}{'' if inner is UNSET else inner}")
