"""Submitting many operations at once."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Controller, post
from litestar.params import JSONBody
from msgspec import UNSET

from application.submit.submit import Submitted
from application.tenant_ledger import Wanted
from domain.access.scope import Scope
from domain.errors import OpledgerError
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.problems.kinds import MAX_BODY, problem_of
from entrypoints.http.problems.problems import BodyTooLarge, FieldError, InvalidHeader, RequestError
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.batch_schemas import BatchBody, BatchItemBody
from entrypoints.http.requests.parameters import IDEMPOTENCY_KEY, PATH
from entrypoints.http.requests.schemas import wanted
from entrypoints.http.requests.submissions import InputCheck, read_submission
from entrypoints.http.requests.wait_preference import unless_gone
from entrypoints.http.responses.batch_schemas import BatchAnswerBody, SubmissionAnswerBody
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.http.responses.schemas import operation_body
from entrypoints.http.server.tracing import trace_to_carry

MAX_BATCH: Final = 4 * 1024 * 1024
"""Bytes: 500 submissions of 8 KiB, and what reads in a fraction of a second."""


READ_AT_ONCE: Final = 20
"""Submissions that are read before a client that has hung up is noticed."""


class SubmissionTooLarge(BodyTooLarge):
    """One submission of a batch is larger than a body of its own might be."""

    def __init__(self, pointer: str) -> None:
        detail = f"a submission has at most {MAX_BODY} bytes"
        RequestError.__init__(self, f"{pointer}: {detail}", FieldError(detail, pointer=pointer))


class BatchController(Controller):
    """Beside the calls that are about one operation."""

    path = f"{PATH}/batch"
    tags = ("operations",)

    @post(
        status_code=200,
        scope=Scope.SUBMIT,
        operation_id="submitBatch",
        summary="Submit up to 500 operations in one commit",
        operation_class=ContractOperation,
        request_max_body_size=MAX_BATCH,
        responses=problems(400, 413, 415, 422, words={413: "The body is over 4 MiB"}),
    )
    async def submit(self, request: ApiRequest, data: JSONBody[BatchBody]) -> JsonResponse[BatchAnswerBody]:
        """Every submission is checked by itself. Those that are good are stored together, and run; one that is wrong
        is answered with its problem in its place, and does not stop the others. `status` is what the submission would
        have been answered alone. The answer as a whole is 200, as soon as the batch could be read: it is neither
        accepted nor refused, and 207 would promise the XML of RFC 4918.

        After an answer that was lost, send the same batch again: each `idempotency_key` works as the header does for a
        single submission, in the same 24 hours and the same space of keys. Of several submissions under one key the
        first that is good makes the operation, and the others repeat it. A submission without a key is accepted again.
        A batch has no key of its own: the header `Idempotency-Key` is refused.

        A body has up to 4 MiB, and each submission up to 256 KiB of it."""
        if IDEMPOTENCY_KEY.values(request):
            raise InvalidHeader("Idempotency-Key", "a batch has none: give each submission its own idempotency_key")
        ledger = request.ledger
        read = await unless_gone(request, _read_all(data, ledger.refusal_of))
        good = [one for one in read if isinstance(one, Wanted)]
        refusals = await unless_gone(request, ledger.check_batch(good))
        answers = iter(await ledger.submit_batch(good, refusals, trace=trace_to_carry()))
        found = [next(answers) if isinstance(one, Wanted) else one for one in read]
        return JsonResponse(BatchAnswerBody([_answered(one, _pointer(place)) for place, one in enumerate(found)]))


def _pointer(place: int) -> str:
    return f"/operations/{place}"


async def _read_all(data: BatchBody, check: InputCheck) -> list[Wanted | RequestError]:
    """Runs in a thread, because explaining a refused input takes long. In parts, so that a cancellation ends it."""
    items = data.operations
    read: list[Wanted | RequestError] = []
    for start in range(0, len(items), READ_AT_ONCE):
        read += await asyncio.to_thread(_read_part, items[start : start + READ_AT_ONCE], start, check)
    return read


def _read_part(items: Sequence[Any], start: int, check: InputCheck) -> list[Wanted | RequestError]:
    return [_read(item, _pointer(place), check) for place, item in enumerate(items, start)]


def _read(item: Any, pointer: str, check: InputCheck) -> Wanted | RequestError:
    try:
        body = read_submission(item, BatchItemBody, check=check, at=pointer)
    except RequestError as error:
        return error
    if len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_BODY:
        return SubmissionTooLarge(pointer)
    return wanted(body, None if body.idempotency_key is UNSET else body.idempotency_key)


def _answered(answer: Submitted | OpledgerError, pointer: str) -> SubmissionAnswerBody:
    if isinstance(answer, Submitted):
        return SubmissionAnswerBody(202, operation_body(answer.operation), answer.replayed)
    problem = problem_of(answer)
    if not isinstance(answer, RequestError) and problem.errors is not UNSET:
        problem = msgspec.structs.replace(problem, errors=[_placed(error, pointer) for error in problem.errors])
    return SubmissionAnswerBody(problem.status, problem=problem)


def _placed(error: FieldError, pointer: str) -> FieldError:
    """What is wrong with a single submission, where it is in the batch."""
    inner = "/idempotency_key" if error.header is not UNSET else error.pointer
    return FieldError(error.detail, pointer=f"{pointer}{'' if inner is UNSET else inner}")
