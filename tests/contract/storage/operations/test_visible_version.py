"""The contract of `version` and `updated_at`: they change with what clients see, and with nothing else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.ports.storage.change_feed import STATE
from application.ports.storage.operation_view import OperationView
from domain.errors import InvalidTransition, OperationAlreadyDone
from domain.evidence.finality import Finality
from domain.evidence.observation import ExecutionProblem, ExecutionState
from domain.evidence.reconciliation import ReconcilePolicy, reconcile
from domain.evidence.reporting import apply_report
from domain.operation.attention import AttentionKind
from domain.operation.follow_up import cancel_delivered, dispatched, postpone_start, schedule_follow_up, start_failed
from domain.operation.lifecycle import note, request_cancel
from domain.operation.operation import Cause, Change, Operation
from domain.operation.report import Progress, ReportKind
from domain.operation.start.creation import accept
from domain.operation.transition import Source
from entrypoints.response_bodies import operation_body
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, save, stored
from tests.support.operations import T0, cause, observed, reported

_NEW: dict[str, Any] = {"tenant": "default", "type_name": "deploy", "value": {"a": 1}, "labels": {}, "cause": cause()}
SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
Move = Callable[[Operation, datetime], Change | None]


def _cause(now: datetime, reason: str = "why") -> Cause:
    return Cause(Source.RECONCILIATION, reason, now)


def _report(kind: ReportKind, **fields: Any) -> Move:
    return lambda operation, now: apply_report(operation, reported(kind, **fields), Finality.ENGINE, now)


def _observation(state: ExecutionState, **fields: Any) -> Move:
    def move(operation: Operation, now: datetime) -> Change | None:
        observation = replace(observed(state), asked_at=now, **fields)
        return reconcile(operation, observation, now, ReconcilePolicy(grace=timedelta(seconds=1))).change

    return move


def _when_due(move: Move) -> Move:
    return lambda operation, now: move(operation, now) if operation.dispatch.due_at is not None else None


MOVES: dict[str, Move] = {
    "dispatched": lambda operation, now: dispatched(operation, follow_up_at=now, now=now),
    "start failed": _when_due(lambda operation, now: start_failed(operation, "boom", _cause(now), retry_at=now)),
    "withheld": _when_due(lambda operation, now: postpone_start(operation, until=now)),
    "noted": lambda operation, now: note(operation, _cause(now)),
    "asked soon": lambda operation, now: schedule_follow_up(operation, at=now),
    "cancelled": lambda operation, now: request_cancel(operation, reason="r", force=False, cause=_cause(now)),
    "cancelled by force": lambda operation, now: request_cancel(operation, reason=None, force=True, cause=_cause(now)),
    "cancellation delivered": lambda operation, now: cancel_delivered(operation, follow_up_at=now, now=now),
    "reports its start": _report(ReportKind.STARTED),
    "reports its start again": _report(ReportKind.STARTED, attempt=2),
    "reports half": _report(ReportKind.PROGRESS, progress=Progress(0.5, None)),
    "reports more": _report(ReportKind.PROGRESS, progress=Progress(0.9, "soon")),
    "reports its end": _report(ReportKind.COMPLETED, result=1),
    "runs": _observation(ExecutionState.RUNNING),
    "stalls": _observation(ExecutionState.RUNNING, problem=ExecutionProblem(AttentionKind.STALLED, "task failed")),
    "stalls otherwise": _observation(
        ExecutionState.RUNNING, problem=ExecutionProblem(AttentionKind.STALLED, "it failed again")
    ),
    "is missing": _observation(ExecutionState.NOT_FOUND),
    "is unknown": _observation(ExecutionState.UNKNOWN),
    "completes": _observation(ExecutionState.COMPLETED),
    "fails": _observation(ExecutionState.FAILED),
}


def body(view: OperationView) -> dict[str, Any]:
    """The operation as clients receive it."""
    shown: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(operation_body(view)))
    return shown


async def read(store: Store, operation_id: UUID) -> dict[str, Any]:
    """Returns the body of a GET."""
    view = await store.queries("default").get(operation_id)
    assert view is not None
    return body(view)


def _apply(move: Move, operation: Operation, now: datetime) -> Change | None:
    try:
        change = move(operation, now)
    except (InvalidTransition, OperationAlreadyDone):
        return None
    return None if change is None or change.operation == operation else change


class VisibleVersion:
    """The contract."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    @settings(deadline=None, max_examples=40, suppress_health_check=SHARED)
    @given(st.uuids(), st.lists(st.sampled_from([*MOVES, "claimed"]), min_size=1, max_size=12), st.booleans())
    async def test_version_updated_at_and_feed_follow_visible_changes(
        self, store: Store, operation_id: UUID, names: list[str], together: bool
    ) -> None:
        """A visible change raises the version by one, moves `updated_at` and is in the feed. No other change does any
        of these."""
        async with store.units() as unit:
            if await unit.operations.get(operation_id):
                return
            await unit.operations.add(accept(operation_id, **_NEW))
            await unit.commit()
        for number, name in enumerate(names, 1):
            before, now = await read(store, operation_id), T0 + timedelta(minutes=number)
            head = await store.feed.head()
            await self._make(store, name, await stored(store, operation_id), now, together=together)
            after = await read(store, operation_id)
            same = _without_counters(before) == _without_counters(after)
            assert after["version"] == before["version"] + (not same), name
            assert (after["updated_at"] == before["updated_at"]) == same, name
            marks = (await store.feed.read(head, 100)).marks
            changed = [mark.position.operation_id for mark in marks if mark.position.sequence == STATE]
            assert (operation_id in changed) != same, name

    async def _make(self, store: Store, name: str, operation: Operation, now: datetime, *, together: bool) -> None:
        if name == "claimed":
            async with store.units() as unit:
                for row in await unit.operations.claim_due_dispatches(now, timedelta(0), 1000):
                    assert (row.id != operation.id) or row.revision == operation.revision + 1
                await unit.commit()
        elif (change := _apply(MOVES[name], operation, now)) is not None:
            if together:
                async with store.units() as unit:
                    [saved] = (await unit.operations.save_all([change])).values()
                    await unit.commit()
            else:
                saved = await save(store, change)
            assert saved == await stored(store, operation.id)
            assert saved.revision == operation.revision + 1


class TestMemory(OnMemory, VisibleVersion):
    """The store in memory."""


class TestPostgres(OnPostgres, VisibleVersion):
    """The store in PostgreSQL."""


def _without_counters(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name not in ("version", "updated_at")}
