"""Page: start an operation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.params import QueryParameter

from application.ports.storage.unit_of_work import DatabaseUnavailable
from application.submit.requests import SubmissionRequest
from domain.access.scope import Scope, check_scope
from domain.errors import Conflict, IdempotencyKeyReused, InvalidInput, OpledgerError, UnknownOperationType, Violation
from domain.operation.operation import MISSING
from domain.operation.operation_type import MAX_TYPE, OperationType
from entrypoints.http.problems.kinds import MAX_BODY, problem_body, problem_headers
from entrypoints.http.requests.json_body import in_thread_if_large
from entrypoints.http.responses.errors import classified
from entrypoints.http.server.tracing import trace_to_carry
from entrypoints.ui.rendering.json_text import parsed_json
from entrypoints.ui.rendering.page import redirect, render
from entrypoints.ui.request import UiRequest
from entrypoints.ui.start.draft import INPUT, KEY, Draft, again, empty, submission, switched, typed
from entrypoints.ui.views.example_input import example_input

TypeName = Annotated[str | None, QueryParameter(name="type", min_length=1, max_length=MAX_TYPE)]
Original = Annotated[UUID | None, QueryParameter(name="from")]
As = Annotated[str | None, QueryParameter(name="as")]
MAX_FORM: Final = 4 * MAX_BODY
"""Bytes of a form: browsers send each quotation mark of JSON as three bytes."""
_NOTHING: Final = "Nothing was started"
_OUT_OF_DATE: Final = "The schema of the type has changed since this page was loaded. Check the input, then start."
_UNSURE: Final = "The database did not answer. Send the form again: with the same key the operation starts once."
_KEY_USED: Final = (
    "This page has already started an operation, with other values. The form has a new key now: send it again to start "
    "another operation."
)


class StartController(Controller):
    """Lists the types, and shows the form of one. A form that is sent twice starts one operation."""

    path = "/start"
    opt = {"scope": Scope.SUBMIT}  # noqa: RUF012

    @get()
    async def form(
        self, request: UiRequest, type_name: TypeName = None, original: Original = None, form: As = None
    ) -> Response[str]:
        """The types; or the form of one, with the input and the labels of an operation if one is given."""
        check_scope(request.user.scopes, Scope.READ)
        key = request.parts.new_key()
        if original is not None:
            operation = await request.ledger.get(original)
            declared = _declared(request, operation.type)
            if declared is None:
                return _types(request, operation.type)
            value = MISSING if operation.input is MISSING else parsed_json(operation.input)
            return _page(request, again(declared, key, value, operation.labels), original=original)
        declared = None if type_name is None else _declared(request, type_name)
        if declared is None:
            return _types(request, type_name)
        return _page(request, empty(declared, key, as_json=form == "json"))

    @post(status_code=303, request_max_body_size=MAX_FORM)
    async def start(self, request: UiRequest, type_name: TypeName = None) -> Response[Any]:
        """Starts the operation and redirects to its page, or shows the form again with the errors."""
        check_scope(request.user.scopes, Scope.READ)
        declared = None if type_name is None else _declared(request, type_name)
        if declared is None:
            return _types(request, type_name)
        draft = typed(declared, request.fields)
        size = sum(map(len, request.fields.values()))
        if not draft.as_json and request.fields.get("schema") != draft.schema_id:
            return _page(request, draft, status=409, notice=_OUT_OF_DATE)
        if "switch" in request.fields:
            shown, wrong = await in_thread_if_large(lambda: switched(draft), size=size)
            return _page(request, shown, wrong, status=422 if wrong else 200)
        wanted, wrong = await in_thread_if_large(lambda: submission(draft, request.ledger.refusal_of), size=size)
        return _page(request, draft, wrong, status=422) if wrong else await _submit(request, draft, wanted)


async def _submit(request: UiRequest, draft: Draft, wanted: SubmissionRequest) -> Response[Any]:
    try:
        submitted = await request.ledger.submit(wanted, trace=trace_to_carry())
    except InvalidInput as error:
        return _page(request, draft, error.violations, status=422)
    except IdempotencyKeyReused:
        return _page(request, replace(draft, key=request.parts.new_key()), status=409, notice=_KEY_USED)
    except OpledgerError as error:
        return _failed(request, draft, error)
    return redirect(request, f"/operations/{submitted.operation.id}")


def _failed(request: UiRequest, draft: Draft, error: OpledgerError) -> Response[str]:
    """The page again, with the same key. Where the database did not answer, the commit may have succeeded."""
    kind, _ = classified(request, error)
    problem = problem_body(kind, error)
    unsure = isinstance(error, DatabaseUnavailable)
    page = _page(
        request,
        draft,
        status=kind.status,
        heading="The operation may have been started" if unsure else _NOTHING,
        notice=_UNSURE if unsure else f"{problem.title}. {problem.detail}",
        other=error.operation_id if isinstance(error, Conflict) else None,
    )
    page.headers.update(problem_headers(kind, error))
    return page


def _declared(request: UiRequest, name: str) -> OperationType | None:
    try:
        return request.ledger.type(name)
    except UnknownOperationType:
        return None


def _types(request: UiRequest, unknown: str | None) -> Response[str]:
    """The list of types. `unknown`: the requested name, which is not declared."""
    status = 200 if unknown is None else 404
    return render(request, "pages/start_types.html", status=status, types=request.ledger.types(), unknown=unknown)


def _page(
    request: UiRequest, draft: Draft, wrong: Sequence[Violation] = (), *, status: int = 200, **more: Any
) -> Response[str]:
    """The form. `heading`, `notice`: why nothing was started, other than violations. `other`: the conflicting
    operation. `original`: the operation whose input the form shows."""
    schema = draft.type.input_schema
    return render(
        request,
        "pages/start.html",
        status=status,
        draft=draft,
        wrong=wrong,
        beside=_beside(draft, wrong),
        places=_places(draft),
        schema=schema,
        example=example_input(schema) if schema is not None else "",
        **{"heading": _NOTHING, "notice": None, "other": None, "original": None, **more},
    )


def _places(draft: Draft) -> Mapping[str, str]:
    """The places of the page that show violations, in their order: the id of the element by the pointer."""
    fields = () if draft.as_json else draft.fields or ()
    return {
        INPUT: "json" if draft.as_json else "input",
        **{field.pointer: f"field-{number}" for number, field in enumerate(fields, 1)},
        "/labels": "labels",
        "/delay": "delay",
        "/start_at": "start_at",
        KEY: "key",
    }


def _beside(draft: Draft, wrong: Sequence[Violation]) -> Mapping[str, list[Violation]]:
    """The violations by the place that shows them: the nearest one, or else the input."""
    found: dict[str, list[Violation]] = {place: [] for place in _places(draft)}
    for each in wrong:
        found[max((place for place in found if _is_at(each, place)), key=len, default=INPUT)].append(each)
    return found


def _is_at(violation: Violation, place: str) -> bool:
    return violation.pointer == place or violation.pointer.startswith(f"{place}/")
