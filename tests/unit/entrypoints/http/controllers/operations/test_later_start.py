"""`start_at` and `delay` of a submission."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.http.api import Api, problem


@pytest.mark.parametrize(
    ("fields", "start_at"),
    [
        ({"delay": "90s"}, "2026-01-01T00:01:30Z"),
        ({"delay": "1h30m"}, "2026-01-01T01:30:00Z"),
        ({"delay": "0s"}, None),
        ({"start_at": "2026-01-02T01:00:00+01:00"}, "2026-01-02T00:00:00Z"),
        ({"start_at": "2025-12-31T00:00:00Z"}, None),
        ({"start_at": "0001-01-01T00:00:00+23:59"}, None),
        ({"start_at": None, "delay": None}, None),
    ],
)
async def test_a_submission_names_its_start(fields: dict[str, Any], start_at: str | None) -> None:
    """The operation shows the time, alone and in a batch; null: at once."""
    api = Api()
    made = await api.submit(**fields)
    assert (made["status"], made["start_at"]) == ("ACCEPTED", start_at)
    batch = await api.client.post("/v1/operations/batch", json={"operations": [{"type": "deploy", **fields}]})
    assert batch.json()["items"][0]["operation"]["start_at"] == start_at


@pytest.mark.parametrize(
    ("fields", "pointer", "rule"),
    [
        ({"delay": "36500d"}, "/delay", "must be at most 366d"),
        ({"delay": "soon"}, "/delay", "matching regex"),
        ({"delay": "-1s"}, "/delay", "matching regex"),
        ({"delay": 90}, "/delay", "expected a string"),
        ({"start_at": "2126-01-01T00:00:00Z"}, "/start_at", "must be at most 366 days ahead"),
        ({"start_at": "2026-01-02T00:00:00"}, "/start_at", "with a timezone component"),
        ({"start_at": "tomorrow"}, "/start_at", "invalid RFC3339"),
        ({"start_at": "9999-12-31T23:59:59-23:59"}, "/start_at", "must be at most 366 days ahead"),
        ({"start_at": "2026-01-02T00:00:00Z", "delay": "1s"}, "/delay", "not allowed beside start_at"),
    ],
)
async def test_an_invalid_start_is_refused(fields: dict[str, Any], pointer: str, rule: str) -> None:
    """With the field and the rule. Nothing is stored."""
    api = Api()
    answer = await api.client.post("/v1/operations", json={"type": "deploy", **fields})
    [error] = problem(answer, 422)["errors"]
    assert error["pointer"] == pointer
    assert rule in error["detail"]
    batch = await api.client.post("/v1/operations/batch", json={"operations": [{"type": "deploy", **fields}]})
    [item] = batch.json()["items"]
    assert [each["pointer"] for each in item["problem"]["errors"]] == [f"/operations/0{pointer}"]
    assert (await api.client.get("/v1/operations")).json()["items"] == []


async def test_the_version_stays_while_the_operation_waits() -> None:
    """Nothing happens until its time."""
    api = Api()
    made = await api.submit(delay="1h")
    api.clock.advance(timedelta(minutes=59))
    assert (await api.client.get(f"/v1/operations/{made['id']}")).json() == made
