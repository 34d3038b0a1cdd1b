"""A ledger with an operation in every state that pages show."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from domain.operation.attention import Attention, AttentionKind
from domain.operation.operation import Change, Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.report import Progress, Step, StepState
from tests.support.http.api import Api

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\"'`${7*7}{{7*7}}\u202egpj.exe\u0301"
"""Text that ends tags, starts scripts, and changes the direction of what follows."""


async def furnish(api: Api) -> dict[str, str]:
    """Makes the operations. Returns their ids by name."""
    made: dict[str, str] = {}

    async def make(name: str, kind: str, **body: Any) -> str:
        made[name] = (await api.submit(type=kind, **body))["id"]
        api.clock.advance(timedelta(seconds=41))
        return made[name]

    failed = await make("failed", "reboot", input={"machine": "m-0032", "seconds": 300}, labels={"team": "edge"})
    await api.fail(failed, ErrorCode.TERMINATED)
    done = await make("completed", "build", input={"ref": "main"}, labels={"team": "core"})
    await api.complete(done, {"state": "built", "artifacts": ["a.tar.gz", "b.tar.gz"], "seconds": 41.2})
    stuck = await make("stuck", "deploy", input={"machine": "m-0519"}, labels={"team": "core", "region": "eu-central"})
    await change(
        api,
        stuck,
        attention=Attention(AttentionKind.NO_WORKER, api.clock.now(), "no worker polls the task queue machines"),
    )
    running = await make("running", "deploy", input={"machine": "m-0417"}, labels={"team": "core"})
    await api.start(running)
    now = api.clock.now()
    steps = (
        Step("fetch", StepState.COMPLETED, now, now, 1.0),
        Step("copy", StepState.RUNNING, now, now, 0.5, "3 of 6 volumes"),
    )
    await change(api, running, progress=Progress(0.66, "copying the image", steps, now))
    await make("child", "build", parent_id=running, input=None)
    await make("accepted", "deploy")
    return made


async def change(api: Api, operation_id: str, **fields: Any) -> Operation:
    """Sets fields of an operation, as evidence would."""

    def changed(operation: Operation, _: Any) -> Change:
        return Change(replace(operation, **fields))

    return await api._change(operation_id, changed)


async def hostile(api: Api) -> str:
    """An operation whose texts attack the page. Returns its id."""
    made = await api.submit(input={HOSTILE: HOSTILE}, labels={"note": HOSTILE[:60]})
    await api.start(made["id"])
    now = api.clock.now()
    step = Step(HOSTILE, StepState.RUNNING, now, now, None, HOSTILE)
    await change(
        api,
        made["id"],
        progress=Progress(0.5, HOSTILE, (step,), now),
        attention=Attention(AttentionKind.STALLED, now, HOSTILE),
    )
    await api.client.post(f"/v1/operations/{UUID(made['id'])}/cancel", json={"reason": HOSTILE})
    return str(made["id"])
