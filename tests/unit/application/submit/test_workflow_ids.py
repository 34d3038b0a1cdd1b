"""Submissions whose type has a workflow id template, by all policies."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from application.submit.retry import Retry
from application.submit.submission import Submission, Submitted
from domain.errors import IdempotencyKeyReused, InvalidInput, WorkflowIdInUse, WorkflowIdUsed
from domain.operation.operation import Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.start.workflow_id_policy import OnClosed, OnRunning
from domain.operation.start.workflow_id_template import WorkflowIdTemplate
from domain.operation.status import OperationStatus
from tests.support.ledger.in_memory import FakeLedger

FAILED = OperationStatus.FAILED


def declared(name: str, on_running: OnRunning, on_closed: OnClosed = OnClosed.ALLOW) -> OperationType:
    template = WorkflowIdTemplate.parse("deploy-{input.machine}")
    return OperationType(name, "Work", "workers", workflow_id=template, on_running=on_running, on_closed=on_closed)


TYPES = [
    declared("reject", OnRunning.REJECT),
    declared("use", OnRunning.USE_EXISTING),
    declared("use-once", OnRunning.USE_EXISTING, OnClosed.REJECT),
    declared("terminate", OnRunning.TERMINATE),
    declared("once", OnRunning.REJECT, OnClosed.REJECT),
    declared("until-done", OnRunning.REJECT, OnClosed.ALLOW_FAILED),
    OperationType("work", "Work", "workers"),
]
CATALOGUE = OperationCatalogue({kind.name: kind for kind in TYPES})


def ledger() -> FakeLedger:
    return FakeLedger(catalogue=CATALOGUE)


def request(kind: str, machine: Any = "m", tenant: str = "default", **fields: Any) -> Submission:
    return Submission(tenant, kind, {"machine": machine}, **fields)


async def submitted(fake: FakeLedger, kind: str, machine: str = "m", **fields: Any) -> Operation:
    return (await fake.submitter.submit(request(kind, machine, **fields))).operation


async def test_workflow_id_is_filled() -> None:
    """The execution is started under it, with the operation's id as search attribute."""
    fake = ledger()
    row = await submitted(fake, "reject")
    assert row.workflow_id == "deploy-m"
    await fake.dispatch(1)
    [start] = fake.world.starts
    assert (start.workflow_id, start.operation_id, start.on_closed) == ("deploy-m", row.id, OnClosed.ALLOW)


@pytest.mark.parametrize("value", [{}, {"machine": None}, {"machine": 1.5}, {"machine": "x" * 300}, None])
async def test_value_that_fills_no_workflow_id_is_invalid(value: Any) -> None:
    """Hazard 1: nothing is stored. The violation names the place in the body."""
    fake = ledger()
    with pytest.raises(InvalidInput) as refusal:
        await fake.submitter.submit(Submission("default", "reject", value))
    assert refusal.value.pointer == "/input/machine"
    [answer] = await fake.submitter.submit_batch([Submission("default", "reject", value)])
    assert isinstance(answer, InvalidInput)
    assert not fake.rows()


async def test_reject_names_the_open_operation() -> None:
    """At most one open operation has the workflow id. Others are free, and so is this one after the end."""
    fake = ledger()
    first = await submitted(fake, "reject")
    with pytest.raises(WorkflowIdInUse) as refusal:
        await submitted(fake, "reject")
    assert refusal.value.operation_id == first.id
    assert (await submitted(fake, "reject", "another")).workflow_id == "deploy-another"
    await fake.cancel(first.id)
    assert (await submitted(fake, "reject")).id != first.id


async def test_use_existing_returns_the_open_operation() -> None:
    """The answer shows its current state, as replayed."""
    fake = ledger()
    first = await submitted(fake, "reject")
    await fake.dispatch(1)
    again = await fake.submitter.submit(request("use"))
    assert (again.operation, again.replayed) == (fake.row(first.id), True)
    assert list(fake.rows()) == [first.id]


async def test_terminate_before_the_first_attempt() -> None:
    """The former operation is final in the same commit, and is never started."""
    fake = ledger()
    first = await submitted(fake, "terminate")
    second = await submitted(fake, "terminate", actor="alice")
    row = fake.row(first.id)
    assert row.error is not None
    assert (row.status, row.error.code, row.error.details) == (
        FAILED,
        ErrorCode.TERMINATED,
        {"superseded_by": str(second.id)},
    )
    assert fake.history(first.id)[-1].actor == "alice"
    await fake.dispatch(10)
    assert [start.operation_id for start in fake.world.starts] == [second.id]


async def test_terminate_after_the_start() -> None:
    """The former operation stays open, and its follow-up is due."""
    fake = ledger()
    first = await submitted(fake, "terminate")
    await fake.dispatch(1)
    second = await submitted(fake, "terminate")
    row = fake.row(first.id)
    assert (row.status, row.superseded_by, row.follow_up.due_at) == (
        OperationStatus.ACCEPTED,
        second.id,
        fake.clock.now(),
    )


@pytest.mark.parametrize("kind", ["reject", "use", "terminate"])
async def test_template_gives_two_tenants_one_workflow_id(kind: str) -> None:
    """P8: the second tenant is refused, and learns nothing of the first one's operation, which goes on."""
    fake = ledger()
    first = await submitted(fake, "reject", tenant="another")
    with pytest.raises(WorkflowIdInUse) as refusal:
        await submitted(fake, kind)
    assert refusal.value.operation_id is None
    assert fake.rows() == {first.id: first}


@pytest.mark.parametrize(
    ("kind", "completes", "free"),
    [
        ("reject", True, True),
        ("until-done", True, False),
        ("until-done", False, True),
        ("once", True, False),
        ("once", False, False),
    ],
)
async def test_closed_operation_is_refused_by_policy(kind: str, completes: bool, free: bool) -> None:
    """The policy refuses the submission, and names the tenant's own operation. An operation that was never started
    does not count."""
    fake = ledger()
    await fake.cancel((await submitted(fake, kind)).id)
    first = await submitted(fake, kind)
    await fake.dispatch(1)
    if completes:
        fake.world.complete("deploy-m", 1)
    else:
        fake.world.fail("deploy-m", "no")
    fake.pass_time(minutes=1)
    await fake.follow_up(1)
    assert fake.row(first.id).done
    if free:
        assert (await submitted(fake, kind)).id != first.id
        return
    for tenant, named in (("default", first.id), ("another", None)):
        with pytest.raises(WorkflowIdUsed) as refusal:
            await submitted(fake, kind, tenant=tenant)
        assert refusal.value.operation_id == named


async def test_batch_sees_its_own_operations() -> None:
    """Later submissions follow earlier ones, as if they were sent one by one."""
    fake = ledger()
    kinds = ["reject", "reject", "use", "terminate", "terminate", "work", "use"]
    answers = await fake.submitter.submit_batch([request(kind) for kind in kinds])
    first, second, third, fourth, fifth, other, last = answers
    assert isinstance(second, WorkflowIdInUse)
    made = [answer for answer in answers if isinstance(answer, Submitted) and not answer.replayed]
    assert made == [first, fourth, fifth, other]
    assert isinstance(first, Submitted)
    assert isinstance(fifth, Submitted)
    assert second.operation_id == first.operation.id
    assert isinstance(third, Submitted)
    assert isinstance(last, Submitted)
    assert (third.operation.id, third.replayed) == (first.operation.id, True)
    assert (last.operation.id, last.replayed) == (fifth.operation.id, True)
    open_ones = {row.id for row in fake.rows().values() if not row.done and row.workflow_id == "deploy-m"}
    assert open_ones == {fifth.operation.id}
    for answer in made:
        assert [line.sequence for line in fake.history(answer.operation.id)] == list(
            range(1, fake.row(answer.operation.id).history_length + 1)
        )


@pytest.mark.parametrize("kind", ["use", "use-once"])
async def test_a_retry_is_not_answered_with_the_operation_that_has_its_workflow_id(kind: str) -> None:
    """That one retries nothing. The conflict names it; once it is done, the operation can be retried under the same
    key."""
    fake = ledger()
    first = await submitted(fake, kind)
    await fake.cancel(first.id)
    holder = await submitted(fake, kind)
    again = Retry(idempotency_key="k")
    for _ in range(2):
        with pytest.raises(WorkflowIdInUse) as refused:
            await fake.api.retry().retry("default", first.id, again, actor=None, trace={})
        assert refused.value.operation_id == holder.id
    assert (fake.row(first.id).retried_by, fake.row(holder.id).retry_of) == (None, None)
    await fake.cancel(holder.id)
    made = (await fake.api.retry().retry("default", first.id, again, actor=None, trace={})).operation
    assert (fake.row(made.id).retry_of, fake.row(first.id).retried_by) == (first.id, made.id)


async def test_the_same_retry_twice_in_a_batch_is_refused_twice() -> None:
    """The second one repeats the first, whose workflow id another operation has."""
    fake = ledger()
    first = await submitted(fake, "use")
    await fake.cancel(first.id)
    await submitted(fake, "use")
    same = request("use", retry_of=first.id)
    answers = await fake.submitter.submit_batch([same, same])
    assert [isinstance(answer, WorkflowIdInUse) for answer in answers] == [True, True]


async def test_refused_submission_leaves_its_key_free() -> None:
    """Hazard 6: the same request succeeds later, under the same key."""
    fake = ledger()
    first = await submitted(fake, "reject")
    for _ in range(2):
        with pytest.raises(WorkflowIdInUse):
            await submitted(fake, "reject", idempotency_key="k")
    await fake.cancel(first.id)
    made = await fake.submitter.submit(request("reject", idempotency_key="k"))
    again = await fake.submitter.submit(request("reject", idempotency_key="k"))
    assert (made.replayed, again.replayed, again.operation.id) == (False, True, made.operation.id)


async def test_key_of_a_submission_that_uses_an_operation_stays_with_it() -> None:
    """Hazard 6: a repeat gives the same operation, also after its end; another request under the key is refused."""
    fake = ledger()
    first = await submitted(fake, "use")
    again = await fake.submitter.submit(request("use", idempotency_key="k"))
    await fake.cancel(first.id)
    repeated = await fake.submitter.submit(request("use", idempotency_key="k"))
    assert {again.operation.id, repeated.operation.id} == {first.id}
    assert repeated.operation.workflow_id == "deploy-m"
    with pytest.raises(IdempotencyKeyReused):
        await submitted(fake, "use", "another", idempotency_key="k")


async def test_repeat_of_the_first_submission_is_no_conflict() -> None:
    """Hazard 6: the key comes before the policies."""
    fake = ledger()
    first = await submitted(fake, "reject", idempotency_key="k")
    again = await fake.submitter.submit(request("reject", idempotency_key="k"))
    assert (again.operation, again.replayed) == (first, True)


async def test_same_key_twice_in_a_batch() -> None:
    """Both are refused alike, or both get the open operation."""
    fake = ledger()
    first = await submitted(fake, "reject")
    refused = await fake.submitter.submit_batch([request("reject", idempotency_key="k")] * 2)
    assert [isinstance(answer, WorkflowIdInUse) for answer in refused] == [True, True]
    used = await fake.submitter.submit_batch([request("use", idempotency_key="u")] * 2)
    assert [isinstance(answer, Submitted) and answer.operation.id for answer in used] == [first.id] * 2


@pytest.mark.parametrize("kind", ["reject", "use", "terminate"])
async def test_concurrent_submissions_of_several_processes(kind: str) -> None:
    """Each process has a transaction of its own. One operation is open in the end, and every caller knows about it or
    about its own."""
    fake = ledger()
    answers = await asyncio.gather(
        *(fake.new_submitter().submit(request(kind)) for _ in range(12)), return_exceptions=True
    )
    [winner] = [row for row in fake.rows().values() if not row.done]
    made = [answer for answer in answers if isinstance(answer, Submitted) and not answer.replayed]
    assert winner.superseded_by is None
    if kind == "terminate":
        assert len(made) == len(answers) == len(fake.rows())
        for row in fake.rows().values():
            assert row.id == winner.id or (row.error is not None and row.error.code is ErrorCode.TERMINATED)
        return
    assert [answer.operation.id for answer in made] == [winner.id]
    for answer in answers:
        named: UUID | None = None
        if isinstance(answer, WorkflowIdInUse):
            named = answer.operation_id
        elif isinstance(answer, Submitted):
            named = answer.operation.id
        assert named == winner.id


@pytest.mark.parametrize("step", range(10))
async def test_crash_while_an_operation_is_superseded(step: int) -> None:
    """P1: both operations change in one commit, or neither does."""
    fake = ledger()
    first = await submitted(fake, "terminate")
    await fake.dispatch(1)
    assert await fake.killed(submitted(fake, "terminate"), step)
    successor = fake.row(first.id).superseded_by
    assert set(fake.rows()) == {first.id} | ({successor} if successor else set())
