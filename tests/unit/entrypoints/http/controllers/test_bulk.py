"""POST /v1/operations:cancel and the other bulk actions, and what they did."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from application.bulk.bulk_operations import BulkOperations
from domain.access.scope import Scope
from domain.bulk.bulk_action import MAX_UNCONFIRMED
from domain.operation.operation_error import ErrorCode
from tests.support.http.access import Guarded
from tests.support.http.api import Api, problem

DEPLOYS = {"type": "deploy"}
VERBS = ["cancel", "retry", "delete", "acknowledge"]


async def post(api: Api, verb: str = "cancel", **body: Any) -> httpx.Response:
    """A request for a bulk action."""
    return await api.client.post(f"/v1/operations:{verb}", json={"filter": DEPLOYS, **body})


async def dry_run(api: Api, verb: str = "cancel", **body: Any) -> dict[str, Any]:
    """The answer to a dry run."""
    answer = await post(api, verb, dry_run=True, **body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def targets(api: Api, operation_id: str, **query: Any) -> list[tuple[str, str]]:
    """Each target and its outcome."""
    answer = await api.client.get(f"/v1/operations/{operation_id}/targets", params=query)
    assert answer.status_code == 200, answer.text
    return [(target["operation_id"], target["outcome"]) for target in answer.json()["items"]]


def detail(answer: httpx.Response, pointer: str) -> str:
    """The words about this field, the only wrong one."""
    [error] = problem(answer, 422)["errors"]
    assert error["pointer"] == pointer
    words: str = error["detail"]
    return words


async def test_dry_run_counts_and_changes_nothing() -> None:
    """It shows up to ten operations, the oldest first."""
    api = Api()
    made = [(await api.submit())["id"] for _ in range(12)]
    await api.submit(type="build")
    found = await dry_run(api)
    assert found["matching"] == 12
    assert [shown["id"] for shown in found["sample"]] == sorted(made)[:10]
    assert found["expires_at"] == "2026-01-01T00:15:00Z"
    counts = (await api.client.get("/v1/operations/counts")).json()
    assert counts["by_status"] == {"ACCEPTED": 13, "RUNNING": 0, "COMPLETED": 0, "FAILED": 0}


async def test_confirmation_is_an_operation() -> None:
    """202, of a type of the ledger, with the filter as its input. Its targets are those of the dry run."""
    api = Api(actor="alice")
    first = (await api.submit())["id"]
    found = await dry_run(api)
    await api.submit()
    answer = await post(api, confirm=found["confirm"], reason="no need", force=True)
    assert answer.status_code == 202
    made = answer.json()
    assert answer.headers["location"] == f"/v1/operations/{made['id']}"
    assert (made["type"], made["status"]) == ("opledger.cancel", "ACCEPTED")
    assert made["input"] == {"filter": {"type": "deploy"}, "reason": "no need", "force": True, "matching": 1}
    assert await targets(api, made["id"]) == [(first, "PENDING")]
    listed = (await api.client.get("/v1/operations", params={"type": "opledger.cancel"})).json()["items"]
    assert [one["id"] for one in listed] == [made["id"]]


async def test_a_token_used_twice_gives_the_same_operation() -> None:
    """Also after its time."""
    api = Api()
    found = await dry_run(api)
    first = await post(api, confirm=found["confirm"], reason="a reason", force=True)
    api.clock.advance(timedelta(hours=2))
    again = await post(api, confirm=found["confirm"], reason="a reason", force=True)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("other", [{"reason": "no need"}, {"reason": "other", "force": True}, {"force": True}])
async def test_a_token_used_with_another_reason_or_force_is_422(other: dict[str, Any]) -> None:
    """The client would think that it has forced what is only requested. The first confirmation stays."""
    api = Api()
    await api.submit()
    found = await dry_run(api)
    body = {"confirm": found["confirm"], "reason": "no need", "force": True}
    first = (await post(api, **body)).json()
    words = detail(await post(api, confirm=found["confirm"], **other), "/confirm")
    assert words == f"was used with another reason or force, for operation {first['id']}: make a new dry run"
    assert (await post(api, **body)).json() == first


async def test_an_expired_token_is_422() -> None:
    """After fifteen minutes."""
    api = Api()
    found = await dry_run(api)
    api.clock.advance(timedelta(minutes=15))
    assert "expired" in detail(await post(api, confirm=found["confirm"]), "/confirm")


async def test_the_token_of_a_deleted_operation_is_422() -> None:
    """The bulk action does not run again."""
    api = Api()
    found = await dry_run(api)
    made = (await post(api, confirm=found["confirm"])).json()["id"]
    await api.client.post(f"/v1/operations/{made}/cancel")
    assert (await api.client.delete(f"/v1/operations/{made}")).status_code == 204
    assert "deleted" in detail(await post(api, confirm=found["confirm"]), "/confirm")


async def test_a_token_belongs_to_its_request() -> None:
    """To the verb, the filter, and the tenant; a modified one is refused."""
    api = Api()
    await api.submit()
    token = (await dry_run(api))["confirm"]
    others = [
        await post(api, "retry", confirm=token),
        await post(api, filter={"type": "build"}, confirm=token),
        await post(api, filter={"type": "deploy", "status": ["RUNNING"]}, confirm=token),
        await post(api, confirm="A" + token[1:] if token[0] != "A" else "B" + token[1:]),
        await post(api, confirm=token[:-1]),
        await post(api, confirm=""),
        await post(api, confirm="ä"),
        await post(api, confirm="AAAA"),
    ]
    api.tenant = "other"
    others.append(await post(api, confirm=token))
    for answer in others:
        assert "does not match this request" in detail(answer, "/confirm")
    api.tenant = "default"
    assert (await post(api, filter={"status": ["RUNNING"], "type": "deploy"}, confirm=token)).status_code == 422
    assert (await post(api, confirm=token)).status_code == 202


@pytest.mark.parametrize("verb", VERBS)
async def test_without_dry_run_a_confirmation_is_required(verb: str) -> None:
    """And beside one, it is refused."""
    api = Api()
    assert "is required" in detail(await post(api, verb), "/confirm")
    assert "not beside dry_run" in detail(await post(api, verb, dry_run=True, confirm="x"), "/confirm")


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({}, "/filter"),
        ({"all": False}, "/filter"),
        ({"all": True, "type": "deploy"}, "/filter/all"),
        ({"status": ["PAUSED"]}, "/filter/status"),
        ({"status": []}, "/filter/status"),
        ({"status": "RUNNING"}, "/filter/status"),
        ({"type": ""}, "/filter/type"),
        ({"nothing": 1}, "/filter/nothing"),
        ({"label": {"-": "a"}}, "/filter/label/-"),
        ({"label": {}}, "/filter/label"),
        ({"parent": ["7"]}, "/filter/parent"),
        ({"workflow_id": ["a\n"]}, "/filter/workflow_id"),
        ({"id_prefix": "abcd\n"}, "/filter/id_prefix"),
        ({"id_prefix": "abc"}, "/filter/id_prefix"),
        ({"accepted_after": "2026-01-01T00:00:00"}, "/filter/accepted_after"),
        (
            {"finished_after": "2026-01-01T00:00:00Z", "finished_before": "2026-01-01T01:00:00+01:00"},
            "/filter/finished_before",
        ),
        (7, "/filter"),
        (None, "/filter"),
    ],
)
async def test_an_invalid_filter_is_422(given: Any, pointer: str) -> None:
    """The problem names the field. A filter without a condition selects nothing by mistake."""
    detail(await post(Api(), filter=given, dry_run=True), pointer)


async def test_filters_are_those_of_the_list() -> None:
    """And each verb counts those to which it applies."""
    api = Api()
    open_one = (await api.submit(labels={"team": "a"}))["id"]
    failed, done = (await api.submit())["id"], (await api.submit())["id"]
    await api.fail(failed, ErrorCode.WORKFLOW_FAILED)
    await api.complete(done, 1)

    async def matching(verb: str, **given: Any) -> set[str]:
        return {shown["id"] for shown in (await dry_run(api, verb, filter=given))["sample"]}

    assert await matching("cancel", all=True) == {open_one}
    assert await matching("cancel", status=["FAILED"]) == set()
    assert await matching("retry", all=True) == {failed, done}
    assert await matching("retry", status=["FAILED", "RUNNING"]) == {failed}
    assert await matching("delete", error_code=["WORKFLOW_FAILED", "CANCELED"]) == {failed}
    assert await matching("delete", workflow_id=[done, open_one]) == {done}
    assert await matching("cancel", label={"team": "a"}) == {open_one}
    assert await matching("cancel", label={"team": "b"}) == set()
    assert await matching("cancel", accepted_after="2026-01-01T00:00:00+00:00") == set()
    assert await matching("delete", origin=["LEDGER"], finished_before="2027-01-01T00:00:00Z") == {failed, done}


async def test_another_tenant_has_other_operations() -> None:
    """P8: not to count, not to see."""
    api = Api()
    await api.submit()
    made = (await post(api, confirm=(await dry_run(api))["confirm"])).json()["id"]
    api.tenant = "other"
    assert (await dry_run(api, filter={"all": True}))["matching"] == 0
    problem(await api.client.get(f"/v1/operations/{made}/targets"), 404)


async def test_too_many_operations_are_422() -> None:
    """Nothing is stored."""
    api = Api()
    for _ in range(3):
        await api.submit()
    few: BulkOperations = api.services.ledger.bulk
    few._limit = 2
    assert "more than 2 operations" in detail(await post(api, dry_run=True), "/filter")


@pytest.mark.parametrize("name", ["opledger.cancel", "opledger.other"])
async def test_reserved_types_cannot_be_submitted(name: str) -> None:
    """Neither alone, nor in a batch, nor as a retry, nor recorded."""
    api = Api()
    assert "reserved" in detail(await api.client.post("/v1/operations", json={"type": name}), "/type")
    batch = await api.client.post("/v1/operations/batch", json={"operations": [{"type": name}]})
    assert batch.json()["items"][0]["status"] == 422
    recorded = {"type": name, "workflow_id": "order-1"}
    assert "reserved" in detail(await api.client.post("/v1/operations:record", json=recorded), "/type")
    made = (await post(api, confirm=(await dry_run(api))["confirm"])).json()["id"]
    await api.client.post(f"/v1/operations/{made}/cancel")
    problem(await api.client.post(f"/v1/operations/{made}/retry"), 422)
    declared = (await api.client.get("/v1/operation-types")).json()["items"]
    assert name not in {one["name"] for one in declared}


async def test_targets_are_paged() -> None:
    """A token is that of its operation."""
    api = Api()
    made = sorted([(await api.submit())["id"] for _ in range(5)])
    operation = (await post(api, confirm=(await dry_run(api))["confirm"])).json()["id"]
    url = f"/v1/operations/{operation}/targets"
    first = (await api.client.get(url, params={"page_size": 3})).json()
    token = first["next_page_token"]
    second = (await api.client.get(url, params={"page_size": 2, "page_token": token})).json()
    assert [one["operation_id"] for one in first["items"] + second["items"]] == made
    assert second["next_page_token"] is None
    other = f"/v1/operations/{made[0]}/targets"
    assert (await api.client.get(other)).json() == {"items": [], "next_page_token": None}
    problem(await api.client.get(other, params={"page_token": token}), 400)
    problem(await api.client.get("/v1/operations", params={"page_token": token}), 400)


async def test_targets_are_filtered_by_outcome() -> None:
    """A token is that of its filter."""
    api = Api()
    made = sorted([(await api.submit())["id"] for _ in range(3)])
    operation = (await post(api, confirm=(await dry_run(api))["confirm"])).json()["id"]
    assert await targets(api, operation, outcome="PENDING") == [(each, "PENDING") for each in made]
    assert await targets(api, operation, outcome=["DONE", "FAILED"]) == []
    url = f"/v1/operations/{operation}/targets"
    query: dict[str, Any] = {"outcome": ["PENDING", "DONE"], "page_size": 2}
    token = (await api.client.get(url, params=query)).json()["next_page_token"]
    assert await targets(api, operation, **query, page_token=token) == [(made[2], "PENDING")]
    problem(await api.client.get(url, params={"page_token": token}), 400)
    problem(await api.client.get(url, params={"outcome": "pending"}), 400)


async def test_the_newest_dry_runs_of_a_tenant_are_kept() -> None:
    """The token of an older one says that it was deleted."""
    api = Api()
    tokens = [(await dry_run(api))["confirm"]]
    for _ in range(MAX_UNCONFIRMED - 1):
        api.clock.advance(timedelta(milliseconds=1))
        tokens.append((await dry_run(api))["confirm"])
    assert (await post(api, confirm=tokens[0])).status_code == 202
    for _ in range(2):
        api.clock.advance(timedelta(milliseconds=1))
        tokens.append((await dry_run(api))["confirm"])
    assert "deleted" in detail(await post(api, confirm=tokens[1]), "/confirm")
    for token in (tokens[0], tokens[2], tokens[-1]):
        assert (await post(api, confirm=token)).status_code == 202


async def test_the_sample_needs_the_scope_read() -> None:
    """A key that may only cancel sees the number."""
    guarded = Guarded()
    submitter = await guarded.key("a", Scope.SUBMIT)
    body = {"type": "deploy", "input": "secret"}
    assert (await guarded.client.post("/v1/operations", json=body, headers=submitter)).status_code == 202
    for scopes, size in (((Scope.CANCEL,), 0), ((Scope.CANCEL, Scope.READ), 1), ((Scope.ADMIN,), 1)):
        headers = await guarded.key("a", *scopes)
        dry = {"filter": {"all": True}, "dry_run": True}
        answer = (await guarded.client.post("/v1/operations:cancel", json=dry, headers=headers)).json()
        assert (answer["matching"], len(answer["sample"])) == (1, size)
