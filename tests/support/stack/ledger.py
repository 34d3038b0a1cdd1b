"""A client of the HTTP API that tests watch operations with, and the rules that every history obeys."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import pairwise
from typing import Any

import httpx
from temporalio.client import Client
from temporalio.common import SearchAttributeKey

from tests.support.eventually import TIMEOUT, eventually

OPERATION_UUID = SearchAttributeKey.for_keyword("OperationUUID")
MOVES = {("ACCEPTED", "RUNNING"), ("RUNNING", "COMPLETED"), ("RUNNING", "FAILED"), ("ACCEPTED", "FAILED")}
ENGINES_WORD = ("CALLBACK", "CONFIRMATION", "RECONCILIATION", "VERIFICATION")
Shown = dict[str, Any]
"""An operation as the API shows it."""


class Ledger:
    """One API process's address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.AsyncClient(base_url=url, timeout=30, trust_env=False)

    async def close(self) -> None:
        await self.http.aclose()

    async def submit(
        self,
        kind: str = "deploy",
        seconds: float = 0,
        outcome: str = "success",
        *,
        machine: str = "m1",
        labels: dict[str, str] | None = None,
    ) -> str:
        """Submit one of the shipped types or their like; its id."""
        body = {"type": kind, "input": {"machine": machine, "seconds": seconds, "outcome": outcome}}
        answer = await self.http.post("/v1/operations", json={**body, "labels": labels or {}})
        assert answer.status_code == 202, answer.text
        operation_id: str = answer.json()["id"]
        return operation_id

    async def submit_surely(self, key: str, body: dict[str, Any]) -> tuple[str, list[int]]:
        """As a careful client does: repeat under the same key until there is a 202. Its id, and all statuses seen;
        0 is a connection that failed."""
        deadline = time.monotonic() + TIMEOUT
        seen: list[int] = []
        while True:
            try:
                answer = await self.http.post("/v1/operations", json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                seen.append(0)
            else:
                seen.append(answer.status_code)
                if answer.status_code == 202:
                    return answer.json()["id"], seen
            assert time.monotonic() < deadline, seen
            await asyncio.sleep(0.1)

    async def get(self, operation_id: str) -> Shown:
        """Returns the operation."""
        answer = await self.http.get(f"/v1/operations/{operation_id}")
        assert answer.status_code == 200, answer.text
        shown: Shown = answer.json()
        return shown

    async def history(self, operation_id: str) -> list[dict[str, Any]]:
        """Its transitions, after a look at the rules that every history obeys."""
        answer = await self.http.get(f"/v1/operations/{operation_id}/transitions")
        assert answer.status_code == 200, answer.text
        lines: list[dict[str, Any]] = answer.json()["items"]
        check_history(lines)
        return lines

    async def path(self, operation_id: str) -> list[str]:
        """The statuses that it went through."""
        return [line["to"] for line in await self.history(operation_id) if line["from"] != line["to"]]

    async def cancel(self, operation_id: str, **body: Any) -> Shown:
        """Ask for its end."""
        answer = await self.http.post(f"/v1/operations/{operation_id}/cancel", json=body)
        assert answer.status_code == 202, answer.text
        shown: Shown = answer.json()
        return shown

    async def labelled(self, **labels: str) -> list[Shown]:
        """All operations with the labels."""
        found: list[Shown] = []
        token: str | None = None
        while True:
            parameters = {f"label.{key}": value for key, value in labels.items()} | {"page_size": "200"}
            answer = await self.http.get("/v1/operations", params=parameters | ({"page_token": token} if token else {}))
            assert answer.status_code == 200, answer.text
            found += answer.json()["items"]
            token = answer.json()["next_page_token"]
            if token is None:
                return found

    async def until(self, what: str, operation_ids: Iterable[str], condition: Callable[[Shown], bool]) -> list[Shown]:
        """Until the condition holds for every one. Outages on the way are waited out; a 500 never is right."""
        found: dict[str, Shown] = {}
        missing = list(operation_ids)

        async def check() -> bool:
            for operation_id in [one for one in missing if one not in found]:
                try:
                    answer = await self.http.get(f"/v1/operations/{operation_id}")
                except httpx.TransportError:
                    return False
                assert answer.status_code in (200, 503), answer.text
                if answer.status_code == 503 or not condition(answer.json()):
                    return False
                found[operation_id] = answer.json()
            return True

        await eventually(check, f"{what}: {missing}")
        return [found[operation_id] for operation_id in missing]

    async def until_running(self, *operation_ids: str) -> list[Shown]:
        """Until all have been seen RUNNING. AssertionError if one is done: it was too short to be seen."""

        def runs(shown: Shown) -> bool:
            assert not shown["done"], f"ended before it was seen RUNNING: {shown}"
            return bool(shown["status"] == "RUNNING")

        return await self.until("RUNNING", operation_ids, runs)

    async def until_done(self, *operation_ids: str) -> list[Shown]:
        return await self.until("the end", operation_ids, lambda shown: bool(shown["done"]))

    async def readiness(self) -> tuple[int, Shown]:
        """What readyz answers; status 0 where nothing answers."""
        try:
            answer = await self.http.get("/readyz")
        except httpx.TransportError:
            return 0, {}
        return answer.status_code, answer.json()

    async def until_ready(self, status: int = 200, word: str = "ready") -> Shown:
        """Until readyz answers so."""

        async def check() -> Shown | None:
            code, body = await self.readiness()
            return body if code == status and (code != 200 or body["status"] == word) else None

        found = await eventually(check, f"readyz to be {status} {word} at {self.url}")
        assert found
        return found


def check_history(lines: list[dict[str, Any]]) -> None:
    """P2 and P6: a history has no gap, moves along the state machine only, and tells in order when, why and through
    which channel. Behind the end there is only what the engine says: a divergence, no move."""
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1)), lines
    assert (lines[0]["from"], lines[0]["to"]) == (None, "ACCEPTED"), lines
    for before, line in pairwise(lines):
        assert line["from"] == before["to"], lines
        assert line["from"] == line["to"] or (line["from"], line["to"]) in MOVES, lines
        assert before["to"] not in ("COMPLETED", "FAILED") or line["source"] in ENGINES_WORD, lines
        assert datetime.fromisoformat(before["at"]) <= datetime.fromisoformat(line["at"]), lines
    assert all(line["reason"] and line["source"] and line["at"].endswith("Z") for line in lines), lines


async def executions(client: Client, operation_ids: Iterable[str]) -> dict[str, int]:
    """How many executions Temporal's index has of each operation, once it has one of each."""
    wanted = set(operation_ids)

    async def look() -> Counter[str] | None:
        found: Counter[str] = Counter()
        async for execution in client.list_workflows("OperationUUID IS NOT NULL"):
            found[execution.typed_search_attributes.get(OPERATION_UUID) or ""] += 1
        return found if wanted <= found.keys() else None

    counts = await eventually(look, "every operation in Temporal's index")
    assert counts
    return {operation_id: counts[operation_id] for operation_id in wanted}


async def each_ran_once(client: Client, operation_ids: Iterable[str]) -> None:
    """P1: exactly one execution for every operation, none lost and none doubled."""
    counts = await executions(client, operation_ids)
    assert {operation_id: count for operation_id, count in counts.items() if count != 1} == {}
