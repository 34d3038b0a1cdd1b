"""A ledger in which every text that a page shows is hostile."""

from dataclasses import dataclass
from typing import Any, Final

from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import complete, fail
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.report import Progress, Step, StepState
from domain.operation.start.labels import MAX_VALUE
from domain.operation.transition import Source
from tests.support.http.api import Api
from tests.support.http.bulk import perform
from tests.support.ui.scenes import change

MARKUP: Final = "</title></pre></textarea><x-evil><script>alert(1)</script><img src=x data-evil onerror=alert(2)>"
CONTROL: Final = "\x01\x07\x1b\x7f\x85\r\n\t"
TEXT: Final = f"{MARKUP}\"'`${{7*7}}{{{{7*7}}}} data-evil=1{CONTROL}\u2028\u200f\u202egpj.exe{'W' * 300}"
"""Ends tags, attributes and scripts, has control characters, changes the direction, and does not break."""


def text(name: str) -> str:
    """The hostile text of a field, as long as the shortest field may be."""
    return f"{name}:{TEXT}"[:255]


def _printable(value: str) -> str:
    """The text as labels and names of types may have it."""
    return "".join(each for each in value if each not in CONTROL)[:MAX_VALUE]


@dataclass(frozen=True)
class HostileLedger:
    """The application, and ids of operations."""

    api: Api
    running: str
    failed: str
    completed: str
    bulk: str
    """A bulk retry with a target that was refused."""


async def hostile_ledger() -> HostileLedger:
    """Every field, where the domain takes it, has a text of its own."""
    other, gone = _printable(text("type")), _printable(text("gone"))  # as all names of types
    types = {name: OperationType(name, text("workflow"), text("queue"), text("about")) for name in (other, gone)}
    api = Api(
        with_dashboard=True,
        actor=text("actor"),
        tenant=text("tenant"),
        catalogue=OperationCatalogue(types),
    )
    made = [(await api.submit(type=name, input={text("input"): text("value")}))["id"] for name in (other, other, gone)]
    for each in made:
        await change(api, each, labels={"note": _printable(text("content"))}, workflow_id=text("id") + each)
        await api.start(each)
    running, completed, failed = made
    await api.client.post(f"/v1/operations/{running}/cancel", json={"reason": text("reason")})
    now = api.clock.now()
    step = Step(text("step"), StepState.RUNNING, now, now, None, text("part"))
    attention = Attention(AttentionKind.STALLED, now, text("attention"))
    await change(api, running, progress=Progress(0.5, text("progress"), (step,), now), attention=attention)
    error = OperationError(ErrorCode.WORKFLOW_FAILED, text("error"), {text("key"): text("detail")})
    await _end(api, completed, lambda row, cause: complete(row, {text("name"): text("result")}, cause))
    await _end(api, failed, lambda row, cause: fail(row, error, cause))
    del types[gone]
    return HostileLedger(api, running, failed, completed, await _retry(api))


async def _end(api: Api, operation_id: str, end: Any) -> None:
    def changed(row: Operation, cause: Cause) -> Change:
        made: Change = end(row, Cause(Source.WORKFLOW, text("line"), cause.now, text("author")))
        return made

    await api._change(operation_id, changed)


async def _retry(api: Api) -> str:
    """Retries what has failed, whose type is no longer declared. Returns the id of the bulk action."""
    body = {"filter": {"status": ["FAILED"]}}
    dry = (await api.client.post("/v1/operations:retry", json={**body, "dry_run": True})).json()
    confirmed = {**body, "confirm": dry["confirm"], "reason": text("why")}
    made = str((await api.client.post("/v1/operations:retry", json=confirmed)).json()["id"])
    await perform(api, made)
    return made
