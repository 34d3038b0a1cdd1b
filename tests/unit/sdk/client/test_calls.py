"""Every call of the client against the real application on memory adapters, over a socket."""

import inspect
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

import opledger
from adapters.memory.engine.executions import StartFields
from domain.operation.operation_error import ErrorCode
from entrypoints.http.controllers.batch import MAX_BATCH_BYTES
from opledger import AsyncClient, Client, Operation, OperationStatus, Submission
from opledger._client.batch import batch_requests
from tests.support.http.api import Api


async def collected(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


@dataclass
class Machine:
    machine: str
    seconds: int


async def test_submitted_operation_is_read(client: Any) -> None:
    """With everything that was submitted."""
    made = await client.submit("reboot", Machine("m1", 3), labels={"team": "a"})
    assert isinstance(made, Operation)
    assert (made.status, made.done, made.input) == (OperationStatus.ACCEPTED, False, {"machine": "m1", "seconds": 3})
    assert await client.get(made.id) == made
    assert await client.get(UUID(made.id)) == made
    without = await client.submit("deploy")
    assert without.input is msgspec.UNSET
    assert (await client.submit("deploy", None)).input is None


async def test_same_key_gives_the_first_operation(client: Any) -> None:
    """Without a key, each submission is an operation of its own."""
    first = await client.submit("deploy", idempotency_key="k")
    assert (await client.submit("deploy", idempotency_key="k")).id == first.id
    assert (await client.submit("deploy")).id != (await client.submit("deploy")).id


async def test_refusal_names_the_field(client: Any) -> None:
    """The pointer, the ledger's reason and the problem type."""
    with pytest.raises(opledger.InvalidRequest) as refused:
        await client.submit("reboot", {"machine": "m1", "seconds": "soon"})
    assert refused.value.status == 422
    assert [error.pointer for error in refused.value.errors] == ["/input/seconds"]
    assert "/input/seconds" in str(refused.value)


async def test_other_refusals_have_a_type_each(client: Any, api: Api) -> None:
    """404, 409, and an unknown type."""
    with pytest.raises(opledger.OperationNotFound):
        await client.get(uuid4())
    with pytest.raises(opledger.OperationNotFound):
        await client.get("no such/id?")
    made = await client.submit("deploy")
    with pytest.raises(opledger.Conflict):
        await client.delete(made.id)
    with pytest.raises(opledger.InvalidRequest, match="/type"):
        await client.submit("unknown")


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), object(), {"a": {1, object()}}], ids=["nan", "inf", "object", "inside"]
)
async def test_input_that_is_no_json_is_refused_before_it_is_sent(client: Any, api: Api, value: object) -> None:
    """NaN would be a null."""
    with pytest.raises((ValueError, TypeError)):
        await client.submit("deploy", value)
    assert await collected(client.list()) == []


async def test_later_start(client: Any) -> None:
    """By a time or a delay; a time without a zone is refused."""
    at = datetime(2100, 1, 1, tzinfo=UTC)
    with pytest.raises(opledger.InvalidRequest, match="start_at"):
        await client.submit("deploy", start_at=at)
    assert (await client.submit("deploy", delay=timedelta(hours=1))).start_at is not None
    with pytest.raises(ValueError, match="time zone"):
        await client.submit("deploy", start_at=datetime(2026, 1, 1))  # noqa: DTZ001


async def test_submission_that_retention_spares(client: Any) -> None:
    """Alone, and in a batch."""
    assert (await client.submit("deploy", keep=True)).keep
    [kept, other] = await client.batch([Submission("deploy", keep=True), Submission("deploy")])
    assert (kept.operation.keep, other.operation.keep) == (True, False)


async def test_batch_of_more_than_a_request(client: Any) -> None:
    """One result for each, in order; a refused one has its reason."""
    several = [Submission("deploy", number) for number in range(501)]
    results = await client.batch([*several, Submission("unknown")])
    assert [result.operation.input for result in results[:-1]] == list(range(501))
    assert results[-1].operation is None
    assert isinstance(results[-1].error, opledger.InvalidRequest)


async def test_batch_sends_no_body_that_is_too_large(client: Any) -> None:
    """The ledger takes 4 MiB: the parts of a larger batch are as large as that allows."""
    size = 200_000
    several = [Submission("deploy", f"{number:03}".ljust(size, "x")) for number in range(45)]
    bodies = [len(part.body or b"") for part in batch_requests(several)]
    assert len(bodies) == 3
    assert all(MAX_BATCH_BYTES - size < one <= MAX_BATCH_BYTES for one in bodies[:2])
    results = await client.batch(several)
    assert [result.operation.input[:3] for result in results] == [f"{number:03}" for number in range(45)]


async def test_batch_with_a_submission_that_no_request_can_have_sends_nothing(client: Any) -> None:
    """The error names it. One above the ledger's 256 KiB is refused by itself."""
    large = Submission("deploy", "x" * MAX_BATCH_BYTES)
    with pytest.raises(ValueError, match=r"submissions\[1\]: has 4194385 bytes; a request has at most 4194304"):
        await client.batch([Submission("deploy"), large])
    assert await collected(client.list()) == []
    small, refused = await client.batch([Submission("deploy"), Submission("deploy", "x" * 300_000)])
    assert (small.error, refused.error.status) == (None, 413)


def test_part_of_a_batch_is_filled_to_the_last_byte() -> None:
    """Commas count."""
    one, two = Submission("deploy", "", idempotency_key="k" * 32), Submission("deploy", "", idempotency_key="l" * 32)
    [empty] = batch_requests([one, two])
    assert empty.body is not None
    room = MAX_BATCH_BYTES - len(empty.body)
    [full] = batch_requests([one, replace(two, input="x" * room)])
    assert len(full.body or b"") == MAX_BATCH_BYTES
    assert len([*batch_requests([one, replace(two, input="x" * (room + 1))])]) == 2


def test_batch_is_not_in_memory_as_a_whole() -> None:
    """Only the request that is sent: 80 MB of submissions that share their inputs need less than 20."""
    several = [Submission("deploy", {"text": ["x" * 10_000] * 40}) for _ in range(200)]
    tracemalloc.start()
    try:
        for part in batch_requests(several):
            assert len(part.body or b"") > MAX_BATCH_BYTES / 2
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MAX_BATCH_BYTES


async def test_list_goes_over_all_pages(client: Any) -> None:
    """Newest first; filters are keyword arguments."""
    for number in range(5):
        await client.submit("deploy" if number % 2 else "build", number, labels={"n": str(number)})
    assert [one.input for one in await collected(client.list(page_size=2))] == [4, 3, 2, 1, 0]
    assert [one.input for one in await collected(client.list(order="accepted_at", type="deploy"))] == [1, 3]
    assert [one.input for one in await collected(client.list(labels={"n": "2"}))] == [2]
    assert len(await collected(client.list(status=["ACCEPTED", "RUNNING"], page_size=3))) == 5
    assert await collected(client.list(status=OperationStatus.FAILED)) == []
    assert await collected(client.list(accepted_after=datetime(2200, 1, 1, tzinfo=UTC))) == []
    page = await client.page(page_size=2)
    assert len(page.items) == 2
    assert len((await client.page(page_size=2, page_token=page.next_page_token)).items) == 2
    with pytest.raises(opledger.InvalidRequest, match="error_code"):
        await client.page(error_code="BROKEN")


async def test_counts_and_history(client: Any) -> None:
    """As the API has them."""
    made = await client.submit("deploy")
    assert (await client.counts()).by_type["deploy"][OperationStatus.ACCEPTED] == 1
    [line] = await client.history(made.id)
    assert (line.from_status, line.to_status, line.sequence) == (None, OperationStatus.ACCEPTED, 1)


async def test_operation_types(client: Any) -> None:
    """All, and one by its name. One that is not declared is an error that names it."""
    build, deploy, reboot = await client.types()
    assert [build.name, deploy.name, reboot.name] == ["build", "deploy", "reboot"]
    assert await client.operation_type("reboot") == reboot
    assert reboot.input_schema["required"] == ["machine"]
    with pytest.raises(opledger.OperationNotFound, match="unknown") as refused:
        await client.operation_type("unknown")
    assert refused.value.problem == "urn:opledger:problem:type-not-declared"
    with pytest.raises(opledger.OperationNotFound):
        await client.operation_type("no such/type?")


async def test_cancel_retry_and_delete(client: Any) -> None:
    """The life of an operation."""
    made = await client.submit("deploy", 1, delay=timedelta(hours=1))
    with pytest.raises(opledger.Conflict):
        await client.retry(made.id)
    canceled = await client.cancel(made.id, "wrong machine")
    assert canceled.error.code == "CANCELED"
    again = await client.retry(made.id, input=2, labels={"try": "2"})
    assert (again.retry_of, again.input, again.labels) == (made.id, 2, {"try": "2"})
    assert (await client.retry(made.id, input=2, labels={"try": "2"})).id == again.id
    await client.delete(made.id)
    with pytest.raises(opledger.OperationNotFound):
        await client.get(made.id)


async def test_keep_and_acknowledge(client: Any, api: Api) -> None:
    """A repeat changes nothing."""
    made = await client.submit("deploy")
    kept = await client.keep(made.id)
    assert (kept.keep, await client.keep(made.id)) == (True, kept)
    assert not (await client.keep(made.id, keep=False)).keep
    await api.trouble(made.id)
    assert (await client.get(made.id)).attention.kind == "DISPATCH_RETRYING"
    assert (await client.acknowledge(made.id, "known")).attention is None
    assert (await client.history(made.id))[-1].reason.endswith("known")
    with pytest.raises(opledger.OperationNotFound):
        await client.acknowledge(uuid4())


async def test_durations(client: Any, api: Api) -> None:
    """By final status, of a day or of a window."""
    made = await client.submit("deploy")
    await api.complete(made.id, None)
    done = await client.get(made.id)
    window = {"finished_after": done.finished_at - timedelta(1), "finished_before": done.finished_at + timedelta(1)}
    found = await client.durations("deploy", **window)
    assert (found.type, found.finished_after) == ("deploy", window["finished_after"])
    assert found.by_status[OperationStatus.COMPLETED].count == 1
    assert found.by_status[OperationStatus.FAILED].p50 is None
    assert (await client.durations("build")).by_status[OperationStatus.COMPLETED].count == 0


async def test_throughput(client: Any, api: Api) -> None:
    """Of the last hour, of one type or of all."""
    made = await client.submit("deploy")
    await api.complete(made.id, None)
    for found in (await client.throughput(), await client.throughput("hour", type="deploy")):
        assert (found.window, len(found.buckets)) == ("hour", 60)
        assert sum(bucket.completed for bucket in found.buckets) == 1
    assert sum(bucket.completed for bucket in (await client.throughput("week", type="build")).buckets) == 0


async def test_adopt_makes_an_execution_an_operation(client: Any, api: Api) -> None:
    """Once: a repeat finds it."""
    with pytest.raises(opledger.OperationNotFound, match="order-7"):
        await client.adopt("deploy", "order-7")
    api.world.start_from_outside("order-7", StartFields("Deploy", "queue", ({"seconds": 3},)))
    first = await client.adopt("deploy", "order-7")
    again = await client.adopt("deploy", "order-7", api.world.latest_run("order-7").run_id)
    assert not again.is_new
    assert (first.operation.id, first.operation.execution.origin) == (again.operation.id, "ADOPTED")


async def test_adoption_says_whether_it_was_the_first(api: Api, url: str) -> None:
    """Where no answer is lost."""
    api.world.start_from_outside("order-7", StartFields("Deploy", "queue", ({"seconds": 3},)))
    async with AsyncClient(url) as client:
        assert (await client.adopt("deploy", "order-7")).is_new
        assert not (await client.adopt("deploy", "order-7")).is_new


async def test_result_is_returned_or_raised(client: Any, api: Api) -> None:
    """A failure has the exception of its code, and the operation."""
    made = await client.submit("deploy")
    await api.complete(made.id, {"ok": True})
    assert await client.result(made.id) == {"ok": True}
    for code in ErrorCode:
        broken = await client.submit("deploy")
        await api.fail(broken.id, code)
        with pytest.raises(opledger.OperationFailed, match=f"{code}: boom") as failed:
            await client.result(broken.id)
        assert failed.value.operation.id == broken.id
        assert (failed.value.operation.started_at is None) is (code is ErrorCode.START_REJECTED)
        assert type(failed.value).__name__.upper() == code.replace("_", "")


async def test_wait_ends_with_the_operation(client: Any, api: Api) -> None:
    """Or with the time, and then names the operation."""
    made = await client.submit("deploy")
    with pytest.raises(TimeoutError, match=made.id):
        await client.wait(made.id, timeout=0.05)
    await api.complete(made.id, 7)
    assert (await client.wait(made.id, timeout=5)).result == 7


def test_both_clients_have_the_same_calls() -> None:
    """The same names, arguments and defaults."""
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        if name.startswith("_"):
            continue
        other = inspect.signature(getattr(AsyncClient, name))
        assert inspect.signature(method).parameters == other.parameters, name
