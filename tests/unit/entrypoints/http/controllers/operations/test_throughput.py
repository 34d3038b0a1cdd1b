"""`GET /v1/operations/throughput`."""

from datetime import timedelta
from typing import Any

import pytest

from domain.operation.operation_error import ErrorCode
from tests.support.http.api import Api, problem


async def read(api: Api, **parameters: str) -> dict[str, Any]:
    """Returns the answer."""
    answer = await api.client.get("/v1/operations/throughput", params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_the_last_hour_is_the_default() -> None:
    """By minute, with the failures by code and type."""
    api = Api()
    await api.complete((await api.submit())["id"], 1)
    api.clock.advance(timedelta(minutes=59))
    await api.fail((await api.submit(type="build"))["id"], ErrorCode.TIMED_OUT)
    body = await read(api)
    begin = api.clock.now() - timedelta(minutes=59)
    assert body["window"] == "hour"
    assert body["buckets"][0] == {
        "at": begin.isoformat().replace("+00:00", "Z"),
        "started": 1,
        "completed": 1,
        "failed": 0,
    }
    assert {**body["buckets"][-1], "at": None} == {"at": None, "started": 1, "completed": 0, "failed": 1}
    assert body["failures"] == {"TIMED_OUT": {"build": 1}}
    api.clock.advance(timedelta(minutes=1))
    assert sum(each["completed"] for each in (await read(api))["buckets"]) == 0


@pytest.mark.parametrize(("window", "buckets"), [("hour", 60), ("day", 96), ("week", 84)])
async def test_each_window_has_its_buckets(window: str, buckets: int) -> None:
    """Of one type, if it is given."""
    api = Api()
    await api.complete((await api.submit())["id"], 1)
    await api.complete((await api.submit(type="build"))["id"], 1)
    body = await read(api, window=window, type="build")
    assert len(body["buckets"]) == buckets
    assert sum(each["completed"] for each in body["buckets"]) == 1
    assert body["failures"] == {}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("?window=year", "window"), ("?type=", "type"), ("?since=1", "since"), ("?window=", "window")],
)
async def test_an_invalid_query_is_400(query: str, parameter: str) -> None:
    """With the parameter."""
    refused = problem(await Api().client.get(f"/v1/operations/throughput{query}"), 400)
    assert [error["parameter"] for error in refused["errors"]] == [parameter]
