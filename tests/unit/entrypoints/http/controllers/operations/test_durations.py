"""`GET /v1/operations/durations`."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.http.api import Api, problem

NONE = {"count": 0, "sampled": False, **dict.fromkeys(("p50", "p90", "p95", "p99", "max"))}


async def read(api: Api, **parameters: str) -> dict[str, Any]:
    """Returns the answer."""
    answer = await api.client.get("/v1/operations/durations", params={"type": "deploy", **parameters})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def completed(api: Api, seconds: float) -> None:
    """An operation that ran so long, and ends now."""
    made = await api.submit()
    await api.start(made["id"])
    api.clock.advance(timedelta(seconds=seconds))
    await api.complete_started(made["id"], 1)


async def test_durations_of_the_last_day_are_the_default() -> None:
    """From `started_at` to `finished_at`, in seconds, by status."""
    api = Api()
    await completed(api, 100)
    api.clock.advance(timedelta(days=2))
    await completed(api, 10)
    await completed(api, 30)
    api.clock.advance(timedelta(seconds=1))
    body = await read(api)
    one = {"count": 2, "sampled": False, "p50": 10.0, "p90": 30.0, "p95": 30.0, "p99": 30.0, "max": 30.0}
    assert body["by_status"] == {"COMPLETED": one, "FAILED": NONE}
    now = api.clock.now()
    shown = [(now - timedelta(days=1)).isoformat(), now.isoformat()]
    assert [body["finished_after"], body["finished_before"]] == [time.replace("+00:00", "Z") for time in shown]
    assert (await read(api, finished_after="2020-01-01T00:00:00Z"))["by_status"]["COMPLETED"]["count"] == 3
    early = await read(api, finished_before="2026-01-01T12:00:00Z")
    assert early["finished_after"] == "2025-12-31T12:00:00Z"
    assert early["by_status"]["COMPLETED"]["max"] == 100.0


async def test_another_tenant_sees_none() -> None:
    """P8: as of a type without operations."""
    api = Api()
    await completed(api, 10)
    api.clock.advance(timedelta(seconds=1))
    api.tenant = "other"
    assert (await read(api))["by_status"] == {"COMPLETED": NONE, "FAILED": NONE}
    api.tenant = "default"
    assert (await read(api, type="nobody's"))["by_status"] == {"COMPLETED": NONE, "FAILED": NONE}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "type"),
        ("?type=", "type"),
        ("?type=a&finished_after=yesterday", "finished_after"),
        ("?type=a&finished_after=2026-01-02T00:00:00Z&finished_before=2026-01-01T00:00:00Z", "finished_before"),
        ("?type=a&status=FAILED", "status"),
        ("?type=a&type=b", "type"),
    ],
)
async def test_an_invalid_query_is_400(query: str, parameter: str) -> None:
    """With the parameter."""
    refused = problem(await Api().client.get(f"/v1/operations/durations{query}"), 400)
    assert [error["parameter"] for error in refused["errors"]] == [parameter]
