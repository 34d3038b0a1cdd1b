"""Executions, parents and children in responses, entity tags and filters."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from domain.operation.operation import Cause
from domain.operation.start.creation import adopt
from domain.operation.transition import Source
from tests.support.http.api import Api, problem
from tests.unit.entrypoints.http.requests.test_wait_preference import asking


async def found(api: Api, number: int, parent: str | None = None, workflow_id: str = "order-1") -> str:
    """Adopts an execution, and returns the id of the operation."""
    now = api.clock.now()
    change = adopt(
        UUID(int=number),
        tenant="default",
        type_name="order",
        value=None,
        labels={},
        workflow_id=workflow_id,
        first_run_id=f"run-{number}",
        started_at=now,
        follow_up_at=now + timedelta(seconds=2),
        cause=Cause(Source.ADOPTION, "found", now),
        parent_id=None if parent is None else UUID(parent),
    )
    async with api.store.units() as unit:
        await unit.operations.add(change)
        await unit.commit()
    return str(UUID(int=number))


async def test_an_operation_shows_its_execution() -> None:
    """By default the workflow id is the operation's id. Without children there is no field for them."""
    api = Api()
    made = await api.submit()
    assert made["execution"] == {"workflow_id": made["id"], "origin": "LEDGER"}
    assert made["parent_id"] is None
    assert "children" not in made
    child = await found(api, 1, made["id"])
    read = (await api.client.get(f"/v1/operations/{child}")).json()
    assert (read["execution"], read["parent_id"]) == ({"workflow_id": "order-1", "origin": "ADOPTED"}, made["id"])


async def test_a_submission_names_its_parent() -> None:
    """Alone and in a batch. What is no operation of the tenant, or no UUID, is a 422 at the field."""
    api = Api()
    parent = (await api.submit())["id"]
    child = await api.submit(parent_id=parent)
    assert child["parent_id"] == parent
    assert (await api.client.get(f"/v1/operations/{parent}")).json()["children"] == {"ACCEPTED": 1}
    submissions = [{"type": "deploy", "parent_id": named} for named in (parent, str(UUID(int=7)), "x")]
    for submission in submissions[1:]:
        answer = await api.client.post("/v1/operations", json=submission)
        assert problem(answer, 422)["errors"][0]["pointer"] == "/parent_id"
    batch = await api.client.post("/v1/operations/batch", json={"operations": submissions})
    first, *refused = batch.json()["items"]
    assert first["operation"]["parent_id"] == parent
    assert [item["status"] for item in refused] == [422, 422]
    pointers = [item["problem"]["errors"][0]["pointer"] for item in refused]
    assert pointers == ["/operations/1/parent_id", "/operations/2/parent_id"]


async def test_the_entity_tag_of_a_parent_changes_with_its_children() -> None:
    """The version does not: no new version of the parent was stored. A strong tag names one representation."""
    api = Api()
    parent = (await api.submit())["id"]
    url = f"/v1/operations/{parent}"
    await found(api, 1, parent)
    running = await found(api, 2, parent)
    await api.start(running)
    first = await api.client.get(url)
    assert first.json()["children"] == {"ACCEPTED": 1, "RUNNING": 1}
    assert (first.json()["version"], first.headers["etag"]) == (1, '"1.1.1.0.0"')
    assert (await api.client.get(url, headers={"If-None-Match": first.headers["etag"]})).status_code == 304
    assert (await api.client.get(url, headers={"If-None-Match": '"1"'})).status_code == 200
    await api.complete_started(running, None)
    second = await api.client.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.json()["children"]) == (200, {"ACCEPTED": 1, "COMPLETED": 1})
    waited = await api.client.get(f"{url}?wait=0s")
    assert (waited.json(), waited.headers["etag"]) == (second.json(), second.headers["etag"])


async def test_a_precondition_compares_the_version_alone() -> None:
    """A change of a child does not refuse the cancellation of its parent."""
    api = Api()
    parent = (await api.submit())["id"]
    child = await found(api, 1, parent)
    tag = (await api.client.get(f"/v1/operations/{parent}")).headers["etag"]
    await api.start(child)
    cancel = f"/v1/operations/{parent}/cancel"
    problem(await api.client.post(cancel, headers={"If-Match": '"2.1.0.0.0"'}), 412)
    answer = await api.client.post(cancel, headers={"If-Match": tag})
    assert answer.status_code == 202
    assert "children" not in answer.json()


async def test_a_wait_ends_with_a_change_of_the_parent_and_shows_its_children() -> None:
    """Whether the client has the tag with children or without."""
    api = Api()
    made = await api.submit()
    await found(api, 1, made["id"])
    waits = [
        await asking(api, made, params={"wait": "20s"}, headers={"If-None-Match": tag})
        for tag in ('"1.1.0.0.0"', '"1"')
    ]
    await api.start(made["id"])
    for wait in waits:
        answer = await wait
        assert (answer.json()["status"], answer.json()["children"]) == ("RUNNING", {"ACCEPTED": 1})
        assert answer.headers["etag"] == '"2.1.0.0.0"'


async def test_filters_by_parent_workflow_id_and_origin() -> None:
    """Each with the others; a token of one filter is refused with another."""
    api = Api()
    parent = (await api.submit())["id"]
    api.clock.advance(timedelta(seconds=1))
    children = [await found(api, number, parent, f"order-{number % 2}") for number in (1, 2, 3)]

    async def listed(**params: Any) -> Any:
        answer = await api.client.get("/v1/operations", params={"order": "accepted_at", **params})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ids(**params: Any) -> list[str]:
        return [item["id"] for item in (await listed(**params))["items"]]

    assert await ids(parent=parent) == children
    assert await ids(parent=children[0]) == []
    assert await ids(workflow_id="order-1") == [children[0], children[2]]
    assert await ids(workflow_id="order-1", parent=parent, origin="LEDGER") == []
    assert await ids(workflow_id=parent) == await ids(origin="LEDGER") == [parent]
    assert await ids(origin="ADOPTED") == children
    assert all("children" not in item for item in (await listed())["items"])
    first = await listed(parent=parent, page_size=2)
    token = first["next_page_token"]
    assert await ids(parent=parent, page_token=token) == children[2:]
    for other in ({"parent": children[0]}, {"parent": parent, "workflow_id": "order-1"}, {"origin": "ADOPTED"}):
        answer = await api.client.get("/v1/operations", params={"order": "accepted_at", "page_token": token, **other})
        problem(answer, 400)
    for wrong in ({"parent": "x"}, {"origin": "MOON"}, {"workflow_id": ""}, {"workflow_id": "x" * 1001}):
        problem(await api.client.get("/v1/operations", params=wrong), 400)
