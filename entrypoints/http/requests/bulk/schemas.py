"""Request bodies of bulk actions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from application.ports.storage.operation_queries import OperationFilter
from domain.json_value import MAX_TEXT, JsonValue
from domain.operation.attention import AttentionKind
from domain.operation.chain import MAX_WORKFLOW_ID
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.start.labels import MAX_LABELS, VALUE, label_violations
from domain.operation.status import OperationStatus
from entrypoints.http.problems.problems import FieldError, InvalidBody
from entrypoints.http.requests.listing.list_parameters import ID_PREFIX, MAX_VALUES
from entrypoints.http.requests.listing.list_query import digits
from entrypoints.http.requests.schemas import MAX_TYPE_LENGTH

_END: Final = r"$(?!\n)"  # Python's $ also matches before a last newline
_SEVERAL: Final = Meta(min_length=1, max_length=MAX_VALUES)
_Time = Annotated[datetime, Meta(tz=True)]
_WorkflowId = Annotated[str, Meta(min_length=1, max_length=MAX_WORKFLOW_ID, pattern=f"^{VALUE}{_END}")]
WORKFLOW_ID_RULES: Final = {"minLength": 1, "maxLength": MAX_WORKFLOW_ID, "pattern": f"^{VALUE}$"}
"""JSON Schema of a workflow id, for the OpenAPI document: Litestar omits the rules of a list's items."""


class BulkFilterBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The filters of the list, by the same names. An operation matches if it has one of the values of each. One filter
    at least, or `all`."""

    status: Annotated[list[OperationStatus], _SEVERAL] | None = None
    type: Annotated[str, Meta(min_length=1, max_length=MAX_TYPE_LENGTH, pattern=f"^{VALUE}{_END}")] | None = None
    label: (
        Annotated[dict[str, str], Meta(min_length=1, max_length=MAX_LABELS, description="All of these labels")] | None
    ) = None
    error_code: Annotated[list[ErrorCode], _SEVERAL] | None = None
    attention: Annotated[list[AttentionKind], _SEVERAL] | None = None
    parent: Annotated[list[UUID], _SEVERAL] | None = None
    workflow_id: Annotated[list[_WorkflowId], _SEVERAL] | None = None
    origin: Annotated[list[Origin], _SEVERAL] | None = None
    id_prefix: Annotated[str, Meta(pattern=ID_PREFIX)] | None = None
    accepted_after: _Time | None = None
    accepted_before: _Time | None = None
    finished_after: _Time | None = None
    finished_before: _Time | None = None
    all: Annotated[bool, Meta(description="Every operation of the tenant. Not beside other filters")] | UnsetType = (
        UNSET
    )


class BulkBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bulk action: a dry run, or its confirmation."""

    filter: BulkFilterBody
    dry_run: Annotated[bool, Meta(description="Find and count the operations, and change none")] | UnsetType = UNSET
    confirm: Annotated[str, Meta(description="`confirm` of the dry run. Required without `dry_run`")] | None = None
    reason: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None


class BulkCancelBody(BulkBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Many cancellation requests."""

    force: Annotated[bool, Meta(description="Terminate the workflows. They cannot clean up")] | UnsetType = UNSET


def checked_filter(body: BulkBody) -> OperationFilter:
    """The filter of a body. Raises InvalidBody with every error of its values, and of `confirm`."""
    given = body.filter
    errors = [*_filter_errors(given), *_confirm_errors(body)]
    if errors:
        raise InvalidBody(*errors)
    return OperationFilter(
        statuses=frozenset(given.status or ()),
        type=given.type,
        labels=given.label or {},
        error_codes=frozenset(given.error_code or ()),
        attentions=frozenset(given.attention or ()),
        parents=frozenset(given.parent or ()),
        workflow_ids=frozenset(given.workflow_id or ()),
        origins=frozenset(given.origin or ()),
        id_prefix=digits(given.id_prefix),
        accepted_after=_utc(given.accepted_after),
        accepted_before=_utc(given.accepted_before),
        finished_after=_utc(given.finished_after),
        finished_before=_utc(given.finished_before),
    )


def filter_body(criteria: OperationFilter) -> BulkFilterBody:
    """The body of a filter: `checked_filter` returns the filter again. Without a condition it is every operation."""
    return BulkFilterBody(
        status=sorted(criteria.statuses) or None,
        type=criteria.type,
        label=dict(criteria.labels) or None,
        error_code=sorted(criteria.error_codes) or None,
        attention=sorted(criteria.attentions) or None,
        parent=sorted(criteria.parents) or None,
        workflow_id=sorted(criteria.workflow_ids) or None,
        origin=sorted(criteria.origins) or None,
        id_prefix=criteria.id_prefix,
        accepted_after=criteria.accepted_after,
        accepted_before=criteria.accepted_before,
        finished_after=criteria.finished_after,
        finished_before=criteria.finished_before,
        all=True if criteria == OperationFilter() else UNSET,
    )


def shown(body: BulkBody) -> dict[str, JsonValue]:
    """Returns the input of a bulk action's operation."""
    fields: dict[str, Any] = msgspec.to_builtins(body)
    return {name: value for name, value in fields.items() if name not in ("dry_run", "confirm")}


def _filter_errors(given: BulkFilterBody) -> Iterator[FieldError]:
    values = msgspec.structs.asdict(given)
    others = [name for name, value in values.items() if name != "all" and value is not None]
    if given.all is True and others:
        yield FieldError("not beside other filters", pointer="/filter/all")
    if given.all is not True and not others:
        yield FieldError("has no filter; to select every operation, set `all` to true", pointer="/filter")
    for violation in label_violations(given.label or {}):
        yield FieldError(violation.message, pointer=f"/filter{violation.pointer.replace('/labels', '/label', 1)}")
    for name in ("accepted", "finished"):
        after, before = values[f"{name}_after"], values[f"{name}_before"]
        if after is not None and before is not None and after >= before:
            words = f"must be later than {name}_after: the range is empty"
            yield FieldError(words, pointer=f"/filter/{name}_before")


def _confirm_errors(body: BulkBody) -> Iterator[FieldError]:
    if body.dry_run is True and body.confirm is not None:
        yield FieldError("not beside dry_run", pointer="/confirm")
    if body.dry_run is not True and body.confirm is None:
        yield FieldError("is required: make a dry run first, and send its `confirm`", pointer="/confirm")


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC)
