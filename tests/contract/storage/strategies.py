"""Hypothesis strategies for operations that satisfy the ledger's rules, with their histories."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from domain.json_value import JsonValue, strict_json
from domain.operation.attention import Attention, AttentionKind
from domain.operation.cancel_request import CancelRequest
from domain.operation.operation import MISSING, Change, Input, Operation
from domain.operation.operation_error import BEFORE_START, ErrorCode, OperationError
from domain.operation.origin import Origin
from domain.operation.report import Progress, Report, ReportKind, Step, StepState
from domain.operation.status import OperationStatus
from domain.operation.transition import Source, Transition
from domain.scheduling.schedule import Dispatch, FollowUp, Verification

A, R, C, F = OperationStatus
any_text = st.text(st.characters(exclude_categories=()), max_size=20)
"""Includes NUL and lone surrogates."""
clean = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
names = clean.filter(bool)
scalars = st.none() | st.booleans() | st.integers() | st.integers(-(10**400), 10**400) | st.floats() | any_text
json_values: st.SearchStrategy[JsonValue] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=8,
)
json_objects = st.dictionaries(any_text, json_values, max_size=3)
zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-3))])
times = st.datetimes(datetime(1971, 1, 1), datetime(2300, 1, 1), timezones=zones)  # noqa: DTZ001
spans = st.timedeltas(timedelta(), timedelta(days=400))
counts = st.integers(0, 2**31 - 2)
fractions = st.none() | st.floats(0, 1)
steps = st.builds(Step, clean, st.sampled_from(StepState), times, times, fractions, st.none() | clean)
progresses = st.builds(
    Progress,
    fractions,
    st.none() | clean,
    st.lists(steps, max_size=3).map(tuple),
    st.none() | times,
    st.integers(1, 2**31 - 1),
)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of the strategy, or None."""
    return st.none() | strategy


def errors(codes: Iterable[ErrorCode]) -> st.SearchStrategy[OperationError]:
    """Errors with these codes."""
    return st.builds(OperationError, st.sampled_from(sorted(codes)), clean, json_objects)


reports = st.builds(
    Report,
    kind=st.sampled_from(ReportKind),
    at=times,
    attempt=st.integers(1, 10**6),
    result=json_values,
    error=optional(errors(ErrorCode)),
    progress=optional(progresses),
    provisional=st.booleans(),
)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Operations in any possible state, with all lines of their history."""
    path = draw(st.sampled_from([[A], [A, R], [A, R, C], [A, R, F], [A, F]]))
    status = path[-1]
    accepted_at = draw(times)
    started_at = accepted_at + draw(spans) if R in path else None
    finished_at = (started_at or accepted_at) + draw(spans) if status.done else None
    lines = draw(_history(path))
    codes = set(ErrorCode) if R in path else BEFORE_START
    value: Input = draw(st.just(MISSING) | json_values)
    due = status is A and draw(st.booleans())
    dispatched_at = None if due else draw(times if status is A else optional(times))
    unfinished = dispatched_at is not None and not status.done
    operation_id = draw(st.uuids())
    operation = Operation(
        id=operation_id,
        tenant=draw(names),
        type=draw(names),
        input=value,
        accepted_at=accepted_at,
        updated_at=accepted_at + draw(spans),
        dispatch=Dispatch(
            due_at=draw(times) if due else None,
            attempts=draw(counts),
            done_at=dispatched_at,
        ),
        labels=draw(st.dictionaries(clean, clean, max_size=3)),
        workflow_id=draw(st.just("") | clean.map(lambda text: f"{text}{operation_id}")),
        origin=draw(st.sampled_from(Origin)),
        parent_id=draw(optional(st.uuids())),
        start_at=draw(optional(spans.map(lambda span: accepted_at + span + timedelta(microseconds=1)))),
        retry_of=draw(optional(st.uuids())),
        retried_by=draw(optional(st.uuids())) if status.done else None,
        keep=draw(st.booleans()),
        superseded_by=draw(optional(st.uuids())),
        unchecked=draw(st.booleans()),
        trace=draw(st.dictionaries(st.sampled_from(["traceparent", "tracestate"]), clean)),
        status=status,
        result=draw(json_values) if status is C else None,
        error=draw(errors(codes)) if status is F else None,
        progress=draw(optional(progresses)),
        started_at=started_at,
        finished_at=finished_at,
        cancel_request=draw(
            optional(st.builds(CancelRequest, times, optional(clean), optional(clean), st.booleans(), optional(times)))
        ),
        attention=draw(optional(st.builds(Attention, st.sampled_from(AttentionKind), times, clean))),
        acknowledged=draw(optional(st.builds(Attention, st.sampled_from(AttentionKind), times, clean))),
        reported=draw(optional(reports)),
        follow_up=FollowUp(None if status.done else draw(optional(times)), draw(counts)),
        verification=Verification(draw(optional(times)), draw(times) if unfinished else None),
        revision=draw(st.integers(1, 2**31 - 2)),
        version=draw(st.integers(1, 2**31 - 2)),
        history_length=len(lines),
    )
    return Change(operation, tuple(lines))


@st.composite
def _history(draw: st.DrawFn, path: list[OperationStatus]) -> list[Transition]:
    """The path, with events between that change no status."""
    statuses = [status for status in path for _ in range(draw(st.integers(1, 2)))]
    return [
        Transition(
            sequence=number,
            from_status=statuses[number - 2] if number > 1 else None,
            to_status=status,
            source=draw(st.sampled_from(Source)),
            reason=draw(clean),
            at=draw(times),
            actor=draw(optional(clean)),
            details=draw(json_objects),
        )
        for number, status in enumerate(statuses, 1)
    ]


def as_json(value: JsonValue) -> JsonValue:
    """Returns the value after a round trip through strict JSON, which is all that a store guarantees."""
    found: JsonValue = json.loads(json.dumps(strict_json(value)))
    return found
