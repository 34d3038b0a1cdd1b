"""Commands that act on all operations that match filters."""

import asyncio
import json
import os

import pytest

from adapters.memory.engine.executions import StartFields
from domain.operation.operation_error import ErrorCode
from tests.support.eventually import eventually
from tests.support.http.api import Api
from tests.support.http.bulk import performing
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.cli.test_processes import COMMAND


async def statuses(api: Api) -> list[str]:
    """Of the operations that no command has made, oldest first."""
    listed = (await api.client.get("/v1/operations?order=accepted_at")).json()["items"]
    return [one["status"] for one in listed if not one["type"].startswith("opledger.")]


async def test_dry_run_shows_and_changes_nothing(run: Run, api: Api) -> None:
    """The number on standard error, the first ones on standard output."""
    made = [(await api.submit(labels={"wave": "9"}))["id"] for _ in range(11)]
    await api.submit()
    ended = await run("cancel", "-l", "wave=9", "--dry-run")
    assert (ended.code, ended.err) == (0, "11 operations to cancel, the first 10:\n")
    assert [line.split()[0] for line in ended.out.splitlines()] == ["ID", *made[:10]]
    assert (await run("cancel", "-l", "wave=9", "--dry-run", "-o", "id")).out.split() == made[:10]
    assert set(await statuses(api)) == {"ACCEPTED"}


async def test_action_is_waited_for(run: Run, api: Api) -> None:
    """With --yes. What it did is on standard output."""
    made = [(await api.submit(labels={"wave": "9"}))["id"] for _ in range(3)]
    await api.submit()
    async with performing(api):
        ended = await run("cancel", "-l", "wave=9", "--reason", "wrong", "--yes")
        assert (ended.code, ended.out) == (0, "3 done, 0 skipped, 0 failed\n")
        [action] = (await run("list", "-t", "opledger.cancel", "-o", "id")).out.split()
        assert ended.err == f"opledger: the action is operation {action}\n"
        assert await statuses(api) == ["FAILED"] * 3 + ["ACCEPTED"]
        retried = (await run("retry", "--error-code", "CANCELED", "-y", "-o", "id")).out.split()
        shown = [json.loads((await run("get", one, "-o", "json")).out) for one in retried]
        assert [one["retry_of"] for one in shown] == made
        lines = (await run("delete", "-s", "failed", "-y", "-o", "jsonl")).out.splitlines()
        assert [json.loads(line)["operation_id"] for line in lines] == made
        none = await run("acknowledge", "--all", "--yes")
        assert (none.code, none.out, none.err) == (0, "", "opledger: no operation matches\n")
        assert (await run("acknowledge", "--all", "--yes", "-o", "json")).out == "[]\n"
    assert len(await statuses(api)) == 4


async def test_refused_operations_are_shown(run: Run, api: Api) -> None:
    """A retry without the input that started the workflow. Exit code 1. `targets` shows all of them later."""
    api.world.start_from_outside("order-7", StartFields("Deploy", "queue", ({"seconds": 3},)))
    api.world.complete("order-7", None)
    body = {"type": "deploy", "workflow_id": "order-7"}
    adopted = (await api.client.post("/v1/operations:adopt", json=body)).json()["id"]
    async with performing(api):
        ended = await run("retry", "-t", "deploy", "--yes")
    numbers, _, row = ended.out.splitlines()
    assert (ended.code, numbers) == (1, "0 done, 0 skipped, 1 failed")
    assert row.split()[:3] == [adopted, "FAILED", "REFUSED"]
    [action] = (await run("list", "-t", "opledger.retry", "-o", "id")).out.split()
    assert (await run("targets", action)).out.splitlines()[1] == row
    assert (await run("targets", action, "-o", "id")).out == ""
    assert (await run("targets", action, "-o", "id", "--outcome", "failed")).out.split() == [adopted]
    assert (await run("targets", action, "--outcome", "DONE", "--outcome", "SKIPPED")).out == ""


async def test_action_that_fails_is_exit_code_3(run: Run, api: Api) -> None:
    """For example, because it was cancelled."""
    made = (await api.submit())["id"]
    running = asyncio.create_task(run("cancel", "--all", "--yes"))

    async def started() -> list[str]:
        listed = await api.client.get("/v1/operations?type=opledger.cancel")
        return [one["id"] for one in listed.json()["items"]]

    [action] = await eventually(started)
    await api.client.post(f"/v1/operations/{action}/cancel")
    ended = await running
    assert ended.code == 3
    assert ended.out.splitlines()[-1].split() == [made, "PENDING"]
    assert "CANCELED" in ended.err


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"\n", 1), (b"y\n", 0)], ids=["no", "default", "yes"])
async def test_terminal_is_asked(api: Api, url: str, answer: bytes, code: int) -> None:
    """After the dry run; both are on standard error. The answer that is given by Enter is no."""
    made = (await api.submit())["id"]
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "cancel", "--all", "-o", "id", stdin=theirs, stderr=theirs, stdout=asyncio.subprocess.PIPE
    )
    os.close(theirs)
    said = b""
    while b"Cancel 1 operation? [y/N]:" not in said:
        said += await asyncio.to_thread(os.read, ours, 10_000)
    assert f"{made[:13]}  deploy".encode() in said
    async with performing(api):
        os.write(ours, answer)
        assert process.stdout is not None
        printed = await process.stdout.read()
        assert await process.wait() == code
    os.close(ours)
    assert printed.decode().split() == ([] if code else [made])
    assert await statuses(api) == (["ACCEPTED"] if code else ["FAILED"])


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("--type", "", "--status", "COMPLETED"), "--type needs a value"),
        (("--workflow-id", ""), "--workflow-id needs a value"),
        (("-l", "wave=9", "-l", "wave=8"), "an operation has one value of each key"),
        (("--since", "999999999d"), "too long ago"),
    ],
)
async def test_filters_without_a_value_select_nothing(
    run: Run, api: Api, arguments: tuple[str, ...], rule: str
) -> None:
    """An empty variable of a script must not select more."""
    await api.submit(labels={"wave": "9"})
    ended = await run("cancel", *arguments, "--yes")
    assert (ended.code, ended.out) == (2, "")
    assert rule in ended.err
    assert await statuses(api) == ["ACCEPTED"]


async def test_reason_of_a_retry_and_of_a_deletion(run: Run, api: Api) -> None:
    """The input of the action has it, and the history of each retried operation."""
    made = (await api.submit())["id"]
    await api.fail(made, ErrorCode.TIMED_OUT)
    async with performing(api):
        assert (await run("retry", "-t", "deploy", "--yes", "--reason", "night", "-o", "id")).code == 0
        assert (await run("delete", "-s", "FAILED", "--yes", "--reason", "old")).code == 0
    for verb, reason in (("retry", "night"), ("delete", "old")):
        [action] = json.loads((await run("list", "-t", f"opledger.{verb}", "-o", "json")).out)
        assert action["input"]["reason"] == reason
