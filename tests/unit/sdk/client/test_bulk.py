"""Bulk actions by the client, on the real application on memory adapters, over a socket."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import opledger
from domain.operation.operation_error import ErrorCode
from opledger._client import bulk
from opledger._client.filters import filter_body, filter_query
from tests.support.http.api import Api
from tests.support.http.bulk import perform


async def collected(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


async def test_confirmation_acts_on_what_the_dry_run_found(client: Any, api: Api) -> None:
    """The dry run changes nothing. What matches later is not touched."""
    made = [(await client.submit("deploy", number, labels={"wave": "9"})).id for number in range(12)]
    found = await client.dry_run("cancel", type="deploy", labels={"wave": "9"}, status=["ACCEPTED", "RUNNING"])
    assert (found.matching, [one.id for one in found.sample]) == (12, made[:10])
    assert found.expires_at > datetime(2026, 1, 1, tzinfo=UTC)
    late = await client.submit("deploy", labels={"wave": "9"})
    assert (await client.counts()).by_status["ACCEPTED"] == 13
    action = await client.confirm(found, "wrong release")
    assert (action.type, action.input["reason"]) == ("opledger.cancel", "wrong release")
    assert (await client.confirm(found, "wrong release")).id == action.id
    with pytest.raises(opledger.InvalidRequest, match="was used with another reason or force"):
        await client.confirm(found, "wrong release", force=True)
    await perform(api, action.id)
    assert await client.result(action.id) == {"matching": 12, "done": 12, "skipped": 0, "failed": 0}
    targets = await collected(client.targets(action.id))
    assert [(one.operation_id, one.outcome) for one in targets] == [(one, "DONE") for one in made]
    assert (await client.get(made[0])).error.code == "CANCELED"
    assert not (await client.get(late.id)).done


async def test_targets_come_page_by_page(client: Any, api: Api) -> None:
    """More than one page of 200."""
    await client.batch([opledger.Submission("deploy", number) for number in range(201)])
    action = await client.confirm(await client.dry_run("cancel", all=True))
    assert len({one.operation_id for one in await collected(client.targets(action.id))}) == 201


async def test_targets_are_selected_by_outcome(client: Any, api: Api) -> None:
    """By one, or by several. An empty selection is an error, not everything."""
    made = [(await client.submit("deploy", number)).id for number in range(2)]
    action = await client.confirm(await client.dry_run("cancel", all=True))
    await api.complete(made[0], None)
    await perform(api, action.id)
    assert [one.operation_id for one in await collected(client.targets(action.id, outcome="SKIPPED"))] == [made[0]]
    assert await collected(client.targets(action.id, outcome=["PENDING", "FAILED"])) == []
    both = await collected(client.targets(action.id, outcome=iter(["DONE", "SKIPPED"])))
    assert {one.operation_id for one in both} == {*made}
    with pytest.raises(ValueError, match="outcome: a filter needs a value"):
        await collected(client.targets(action.id, outcome=[]))


async def test_every_verb(client: Any, api: Api) -> None:
    """Retry names the new operation; a target to which the verb no longer applies is skipped."""
    first, second = [await client.submit("deploy", number) for number in range(2)]
    await api.fail(first.id, ErrorCode.TIMED_OUT)
    await api.complete(second.id, None)
    retry = await client.confirm(await client.dry_run("retry", error_code="TIMED_OUT"))
    await perform(api, retry.id)
    [target] = await collected(client.targets(retry.id))
    assert (await client.get(target.new_operation_id)).retry_of == first.id
    delete = await client.dry_run("delete", status="COMPLETED", type="deploy")
    await client.delete(second.id)
    action = await client.confirm(delete)
    await perform(api, action.id)
    [skipped] = await collected(client.targets(action.id))
    assert (skipped.outcome, skipped.code) == ("SKIPPED", "NOT_FOUND")
    assert (await client.dry_run("acknowledge", attention=["STALLED", "NO_WORKER"])).matching == 0


async def test_filter_is_needed(client: Any) -> None:
    """So that an empty variable does not select everything."""
    with pytest.raises(opledger.InvalidRequest, match="/filter"):
        await client.dry_run("cancel")
    with pytest.raises(opledger.InvalidRequest, match="/filter/all"):
        await client.dry_run("cancel", all=True, type="deploy")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(opledger.InvalidRequest, match="/filter/accepted_before"):
        await client.dry_run("cancel", accepted_after=now, accepted_before=now - timedelta(hours=1))


async def test_expired_dry_run_is_refused(client: Any, api: Api) -> None:
    """After fifteen minutes."""
    found = await client.dry_run("cancel", all=True)
    api.clock.advance(timedelta(minutes=15))
    with pytest.raises(opledger.InvalidRequest, match="expired"):
        await client.confirm(found)


async def test_force_is_for_cancel(client: Any) -> None:
    """It terminates the workflows."""
    found = await client.dry_run("cancel", all=True)
    assert (await client.confirm(found, force=True)).input["force"] is True
    with pytest.raises(ValueError, match="force"):
        bulk.confirm(await client.dry_run("delete", all=True), None, force=True)


@pytest.mark.parametrize("filters", [{"parent": []}, {"type": None, "status": "FAILED"}, {"labels": 7}], ids=str)
def test_a_filter_without_a_value_is_refused(filters: Any) -> None:
    """Left out, it would select more."""
    with pytest.raises(ValueError, match="a filter needs a value"):
        filter_query(filters)
    with pytest.raises(ValueError, match="a filter needs a value"):
        filter_body(filters, everything=False)


async def test_filters_may_be_iterators(client: Any, api: Api) -> None:
    """Also over several pages."""
    made = [(await api.submit())["id"] for _ in range(3)]
    await api.complete((await api.submit())["id"], None)
    found = [one.id async for one in client.list(status=iter(["ACCEPTED"]), page_size=1, order="accepted_at")]
    assert found == made
