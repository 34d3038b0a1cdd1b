"""The calls of the HTTP API as data: what to send, and how to read the answer."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import UNSET, Struct

from opledger._client.filters import Filters, filter_query, time_text
from opledger._client.models import Counts, Durations, Operation, OperationType, Page, Throughput, Transition, Window
from opledger._submission import Submission, json_text

_T = TypeVar("_T")
_S = TypeVar("_S", bound=Struct)
OPERATIONS: Final = "/v1/operations"
_TYPES: Final = "/v1/operation-types"
_CREATED: Final = 201
_MAX_PAGE: Final = 200


@dataclass(frozen=True)
class Answer:
    """An answer that is no error."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Effect(Generic[_T]):
    """How to find out whether a request whose answer was lost has been carried out."""

    read: "Call[_T]"
    is_there: Callable[[_T], bool]
    """Whether what was read shows the effect of the request."""


@dataclass(frozen=True)
class Guard(Generic[_T]):
    """What a request acts on, read before the request and before each repeat. A repeat must not act on what came in
    between."""

    read: "Call[_T]"
    is_same: Callable[[_T, _T], bool]
    """Whether the repeat may be sent, from what was read before the request and what is read now. Otherwise what is
    read now is the answer."""


@dataclass(frozen=True)
class Call(Generic[_T]):
    """A request. Every call may be repeated: changes have a key, or a repeat changes nothing."""

    method: str
    path: str
    read: Callable[[Answer], _T]
    """Raises ValueError (msgspec.DecodeError) for a body that the API would not send."""
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hold: float = 0.0
    """Seconds for which the ledger may hold the answer back."""
    repeat: "Call[_T] | None" = None
    """The call that repeats this one after a failed attempt. None: the same call."""
    is_done_if_missing: bool = False
    """A repeat that gets 404 finds what the request before has done."""
    effect: Effect[_T] | None = None
    """Checked where a repeat gets 409: the state that forbids it may be what the request before has done."""
    guard: Guard[_T] | None = None
    """Without effect for a key that may not read."""


@dataclass(frozen=True)
class Adopted:
    """An execution that is an operation now. `is_new`: whether this call made it one; False also where the answer to an
    earlier attempt of the call was lost."""

    operation: Operation
    is_new: bool


def submit(submission: Submission) -> Call[Operation]:
    """Submits an operation."""
    key = submission.idempotency_key or secrets.token_hex(16)
    return Call(
        "POST",
        OPERATIONS,
        read_as(Operation),
        headers={"Idempotency-Key": key},
        body=json_body(submission_fields(submission)),
    )


def get(operation_id: str, hold: float = 0.0) -> Call[Operation]:
    """Reads an operation. With `hold` (seconds, at most 55), the answer comes when it is done or the time is over. A
    repeat is answered at once: the time that is left may be shorter."""
    at_once = Call("GET", operation_path(operation_id), read_as(Operation))
    if not hold:
        return at_once
    query = [("wait", f"{int(hold * 1000)}ms"), ("until", "done")]
    return replace(at_once, query=query, hold=hold, repeat=at_once)


def page(filters: Filters, order: str | None, size: int | None, token: str | None) -> Call[Page]:
    """Reads a page of a list."""
    query = filter_query(filters)
    query += [("order", order)] if order is not None else []
    query += [("page_size", str(size))] if size is not None else []
    query += [("page_token", token)] if token is not None else []
    return Call("GET", OPERATIONS, read_as(Page), query=query)


def under_own_ids(operation_ids: Sequence[str]) -> Call[Sequence[Operation]]:
    """Reads those of at most MAX_VALUES operations whose workflow id is their own id: the default, unless a type or
    another client names the workflow. The page may have fewer, if the operations are large."""
    query = [("page_size", str(_MAX_PAGE)), *filter_query({"workflow_id": operation_ids})]
    return Call("GET", OPERATIONS, lambda answer: read_as(Page)(answer).items, query=query)


def counts() -> Call[Counts]:
    """Counts the operations."""
    return Call("GET", f"{OPERATIONS}/counts", read_as(Counts))


def types() -> Call[Sequence[OperationType]]:
    """Reads the declared types."""
    return Call("GET", _TYPES, lambda answer: read_as(_Types)(answer).items)


def operation_type(name: str) -> Call[OperationType]:
    """Reads a declared type."""
    return Call("GET", f"{_TYPES}/{quote(name, safe='')}", read_as(OperationType))


def history(operation_id: str) -> Call[Sequence[Transition]]:
    """Reads the history of an operation."""
    return Call("GET", f"{operation_path(operation_id)}/transitions", lambda answer: read_as(_History)(answer).items)


def cancel(operation_id: str, reason: str | None, *, force: bool) -> Call[Operation]:
    """Requests the cancellation of an operation."""

    def is_requested(operation: Operation) -> bool:
        asked = operation.cancel_requested
        return asked is not None and (asked.reason, asked.force) == (reason, force)

    body = json_body({"reason": reason, "force": force})
    effect = Effect(get(operation_id), is_requested)
    return Call("POST", f"{operation_path(operation_id)}/cancel", read_as(Operation), body=body, effect=effect)


def retry(operation_id: str, changes: Mapping[str, Any]) -> Call[Operation]:
    """Submits a finished operation again. `changes`: `input`, `labels`, `start_at`, `delay`."""
    return Call("POST", f"{operation_path(operation_id)}/retry", read_as(Operation), body=json_body(_sent(changes)))


def delete(operation_id: str) -> Call[None]:
    """Deletes a finished operation."""
    return Call("DELETE", operation_path(operation_id), lambda _: None, is_done_if_missing=True)


def acknowledge(operation_id: str, reason: str | None) -> Call[Operation]:
    """Clears the attention of an operation. A retry does not clear a problem that occurred after the request."""

    def is_same(before: Operation, now: Operation) -> bool:
        return _problem(now) is not None and _problem(now) == _problem(before)

    path = f"{operation_path(operation_id)}/acknowledge"
    guard = Guard(get(operation_id), is_same)
    return Call("POST", path, read_as(Operation), body=json_body({"reason": reason}), guard=guard)


def _problem(operation: Operation) -> tuple[str, datetime] | None:
    found = operation.attention
    return None if found is None else (found.kind, found.since)


def keep(operation_id: str, *, keep: bool) -> Call[Operation]:
    """Makes retention spare an operation, or no longer."""
    path = f"{operation_path(operation_id)}/keep"
    return Call("POST", path, read_as(Operation), body=json_body({"keep": keep}))


def durations(type_name: str, after: datetime | None, before: datetime | None) -> Call[Durations]:
    """Reads the percentiles of a type's durations."""
    window = {"finished_after": after, "finished_before": before}
    times = [(name, time_text(time)) for name, time in window.items() if time is not None]
    return Call("GET", f"{OPERATIONS}/durations", read_as(Durations), query=[("type", type_name), *times])


def throughput(window: Window, type_name: str | None) -> Call[Throughput]:
    """Reads what started and ended in a window."""
    query = [("window", window), *([] if type_name is None else [("type", type_name)])]
    return Call("GET", f"{OPERATIONS}/throughput", read_as(Throughput), query=query)


def adopt(type_name: str, workflow_id: str, run_id: str | None) -> Call[Adopted]:
    """Makes an execution that others have started an operation."""
    body = {"type": type_name, "workflow_id": workflow_id} | ({} if run_id is None else {"run_id": run_id})

    def read(answer: Answer) -> Adopted:
        return Adopted(read_as(Operation)(answer), answer.status == _CREATED)

    return Call("POST", f"{OPERATIONS}:adopt", read, body=json_body(body))


def events_path(operation_id: str | None) -> str:
    """Path of the events of an operation, or of all."""
    return "/v1/events" if operation_id is None else f"{operation_path(operation_id)}/events"


def operation_path(operation_id: str) -> str:
    return f"{OPERATIONS}/{quote(str(operation_id), safe='')}"


def submission_fields(submission: Submission) -> dict[str, Any]:
    """The submission as the API takes it, without its key."""
    return _sent(
        {
            "type": submission.type,
            "input": submission.input,
            "labels": dict(submission.labels) or UNSET,
            "parent_id": UNSET if submission.parent_id is None else str(submission.parent_id),
            "start_at": submission.start_at,
            "delay": submission.delay,
            "keep": submission.keep or UNSET,
        }
    )


def _sent(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as the API takes them. Absent: what is UNSET, and times that are None."""
    sent = {name: value for name, value in fields.items() if value is not UNSET}
    for name, write in (("start_at", time_text), ("delay", _duration)):
        value = sent.pop(name, None)
        if value is not None:
            sent[name] = write(value)
    return sent


def _duration(delay: timedelta) -> str:
    return f"{max(0, delay // timedelta(milliseconds=1))}ms"


def json_body(value: Any) -> bytes:
    """The body of a request. Raises as `json_text`."""
    return json_text(value).encode()


def read_as(kind: type[_S]) -> Callable[[Answer], _S]:
    return lambda answer: msgspec.json.decode(answer.body, type=kind)


class _Types(Struct):
    items: list[OperationType]


class _History(Struct):
    items: list[Transition]
