"""A ledger with something to show on the pages with charts."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from adapters.memory.clock import MemoryClock
from domain.access.scope import ALL_SCOPES, Scope
from domain.json_value import JsonValue
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import complete, fail, start
from domain.operation.operation import Cause, Change
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.transition import Source
from tests.contract.storage.operations.test_operation_repository import accepted_change, dispatched_change
from tests.support.http.access import Guarded
from tests.support.http.api import Api
from tests.support.operations import T0

HOSTILE: Final = "</title><script>alert(1)</script>\"'<b>&"
START: Final = T0 + timedelta(days=3, hours=2, minutes=17)
"""The time of the ledger's clock."""


def types(other: str) -> OperationCatalogue:
    """Declared types, one of them with that name."""
    schema: dict[str, JsonValue] = {
        "type": "object",
        "properties": {"machine": {"type": "string", "description": other}, "seconds": {"type": "integer"}},
        "required": ["machine"],
    }
    declared = [
        OperationType("deploy", "Deploy", "machines", "Deploys a release to one machine", input_schema=schema),
        OperationType("commission", "Commission", "machines", "Prepares a new machine"),
        OperationType("order", "Order", "orders", execution_timeout=timedelta(hours=2)),
        OperationType(other, other, other, other),
    ]
    return OperationCatalogue({each.name: each for each in declared})


CODES: Final = [ErrorCode.WORKFLOW_FAILED] * 4 + [ErrorCode.TIMED_OUT] * 2 + [ErrorCode.TERMINATED]
ATTENTION: Final = (
    (AttentionKind.NO_WORKER, "no worker polls the task queue machines", "commission"),
    (AttentionKind.ACTIVITY_RETRYING, "charge_card, attempt 14: gateway timeout", "order"),
    (AttentionKind.STALLED, "workflow task failed 9 times: {other}", "{other}"),
)


async def fill(api: Api, other: str, operations: int = 400) -> None:
    """Adds two hours of operations of every status, three of which need attention."""
    choice, numbers, now = random.Random(7), count(1), api.clock.now()
    changes = [
        ended(next(numbers), choice, now - timedelta(minutes=choice.triangular(1, 120, 30)), other)
        for _ in range(operations)
    ]
    changes += [running(next(numbers), now - timedelta(minutes=each), "deploy") for each in range(1, 42)]
    for each, (kind, message, type_name) in enumerate(ATTENTION):
        change = running(next(numbers), now - timedelta(hours=1 + each), type_name.format(other=other))
        attention = Attention(kind, now - timedelta(minutes=9 + 30 * each), message.format(other=other))
        changes.append(replace(change, operation=replace(change.operation, attention=attention)))
    changes += [accepted_change(next(numbers), (now - T0).total_seconds() - 60 * each) for each in range(2, 9)]
    async with api.store.units() as unit:
        for change in changes:
            await unit.operations.add(change)
        await unit.commit()


class Busy(Guarded):
    """A ledger with access control. `secret`: an API key with all scopes."""

    secret: str


async def busy(other: str = HOSTILE) -> Busy:
    """A ledger with keys and a dashboard. `other`: names, types and messages."""
    api = Busy(with_dashboard=True, clock=MemoryClock(START), catalogue=types(other))
    api.key_clock.advance(START - api.key_clock.now())
    await fill(api, other)
    api.secret = (await api.manage.create("on-call", tenant="default", scopes=ALL_SCOPES, life=None)).text
    await api.manage.create(other, tenant="default", scopes=frozenset({Scope.READ}), life=timedelta(days=90))
    old = await api.manage.create("old-pipeline", tenant="default", scopes=frozenset({Scope.SUBMIT}), life=None)
    await api.manage.revoke(old.stored.prefix)
    return api


def running(number: int, at: datetime, type_name: str) -> Change:
    """An operation that has started at that time."""
    change = accepted_change(number, (at - T0).total_seconds(), type_name=type_name)
    cause = Cause(Source.WORKFLOW, "for a test", at)
    return change.then(start(dispatched_change(change.operation, seconds=(at - T0).total_seconds()).operation, cause))


def ended(number: int, choice: random.Random, at: datetime, other: str) -> Change:
    """An operation that ended soon after that time, most often completed."""
    type_name = choice.choice(["deploy", "deploy", "commission", "order", other])
    change = running(number, at, type_name)
    cause = Cause(Source.CALLBACK, "for a test", at + timedelta(seconds=choice.lognormvariate(3, 0.8)))
    if choice.random() < 0.85:
        return change.then(complete(change.operation, {"ok": True}, cause))
    return change.then(fail(change.operation, OperationError(choice.choice(CODES), other), cause))
