"""The calls of the contract that wait, stream, batch and remove, on the running service."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.support.http.api import problem
from tests.support.stack.ledger import Ledger

INPUT = {"machine": "m1", "seconds": 0, "outcome": "success"}


async def events(ledger: Ledger, path: str, **headers: str) -> AsyncIterator[tuple[str, str | None, Any]]:
    """Kind, id and data of each, until the stream ends."""
    async with ledger.http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line and not line.startswith(":"):
                name, value = line.split(": ", 1)
                fields[name] = value
            elif not line and fields:
                yield fields["event"], fields.get("id"), json.loads(fields["data"])
                fields = {}


async def test_a_wait_ends_with_the_operation(ledger: Ledger) -> None:
    """`until=done` answers when it is done, whatever happens before; with the version that is known it is 304."""
    operation_id = await ledger.submit(seconds=1)
    path = f"/v1/operations/{operation_id}"
    answer = await ledger.http.get(f"{path}?wait=55s&until=done", timeout=90)
    assert answer.json()["status"] == "COMPLETED"
    assert "retry-after" not in answer.headers
    known = {"If-None-Match": answer.headers["etag"], "Prefer": "wait=1"}
    again = await ledger.http.get(path, headers=known)
    assert (again.status_code, again.headers["preference-applied"]) == (304, "wait=1")
    problem(await ledger.http.get(f"{path}?wait=56s"), 400)


async def test_a_wait_ends_with_the_next_change(ledger: Ledger) -> None:
    """Against the version that the client has."""
    operation_id = await ledger.submit("elsewhere")
    first = await ledger.http.get(f"/v1/operations/{operation_id}")
    known = {"If-None-Match": first.headers["etag"]}
    url = f"/v1/operations/{operation_id}?wait=55s"
    waiting = asyncio.create_task(ledger.http.get(url, headers=known, timeout=90))
    await ledger.cancel(operation_id, reason="no longer needed", force=True)
    assert (await waiting).json()["version"] > first.json()["version"]
    await ledger.until_done(operation_id)


async def test_the_stream_of_an_operation(ledger: Ledger) -> None:
    """It ends when the operation is done; resumed in the middle it has what follows, resumed at its end nothing."""
    operation_id = await ledger.submit(seconds=1)
    path = f"/v1/operations/{operation_id}/events"
    seen = [event async for event in events(ledger, path)]
    lines = [data["to"] for kind, _, data in seen if kind == "transition"]
    assert lines[-1] == "COMPLETED"
    assert (seen[0][0], seen[-1][0], seen[-1][2]["status"]) == ("operation", "operation", "COMPLETED")
    first_id, last_id = str(seen[0][1]), str(seen[-1][1])
    resumed = [event async for event in events(ledger, path, **{"Last-Event-ID": first_id})]
    assert [data["to"] for kind, _, data in resumed if kind == "transition"] == lines
    assert resumed[-1][2] == seen[-1][2]
    end = await ledger.http.get(path, headers={"Last-Event-ID": last_id})
    assert end.status_code == 204


async def test_the_stream_of_all(ledger: Ledger) -> None:
    """What is submitted after it began arrives, in the order of its history and once."""
    stream = events(ledger, "/v1/events")
    assert (await anext(stream))[0] == "position"
    operation_id = await ledger.submit()
    lines: list[str] = []
    async for kind, _, data in stream:
        if kind == "transition" and data["operation_id"] == operation_id:
            lines.append(data["to"])
            if data["to"] == "COMPLETED":
                break
    await stream.aclose()  # type: ignore[attr-defined]
    assert lines == [line["to"] for line in await ledger.history(operation_id)]


async def test_a_batch_is_stored_and_run(ledger: Ledger) -> None:
    """Each submission has its answer in its place, and its key is that of a single one."""
    good = {"type": "deploy", "input": INPUT, "idempotency_key": "test_contract batch"}
    answer = await ledger.http.post("/v1/operations/batch", json={"operations": [good, {"type": "unheard-of"}, good]})
    first, wrong, repeat = answer.json()["items"]
    assert (first["status"], wrong["status"], repeat["status"]) == (202, 422, 202)
    assert [error["pointer"] for error in wrong["problem"]["errors"]] == ["/operations/1/type"]
    assert (repeat["operation"]["id"], repeat["replayed"]) == (first["operation"]["id"], True)
    [done] = await ledger.until_done(first["operation"]["id"])
    assert done["status"] == "COMPLETED"


async def test_what_is_done_is_removed(ledger: Ledger) -> None:
    """409 before, 412 for another version, 204, and then there is none."""
    operation_id = await ledger.submit("elsewhere")
    path = f"/v1/operations/{operation_id}"
    problem(await ledger.http.delete(path), 409)
    await ledger.cancel(operation_id, force=True)
    [done] = await ledger.until_done(operation_id)
    problem(await ledger.http.delete(path, headers={"If-Match": f'"{done["version"] - 1}"'}), 412)
    assert (await ledger.http.delete(path, headers={"If-Match": f'"{done["version"]}"'})).status_code == 204
    for gone in (path, f"{path}/transitions", f"{path}/events"):
        problem(await ledger.http.get(gone), 404)
