"""GET /v1/operations: filters, order, pages."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.memory.clock import MemoryClock
from adapters.memory.operations.operation_queries import MemoryOperationQueries
from adapters.memory.store import MemoryStore
from application.ports.operation_queries import OperationFilter, Page
from domain.operation.attention import AttentionKind
from domain.operation.labels import MAX_LABELS
from tests.support.http_api import Api, problem


async def some(api: Api, count: int = 5) -> list[str]:
    """Operations a second apart, oldest first."""
    made = []
    for number in range(count):
        made.append((await api.submit(labels={"n": str(number)}))["id"])
        api.clock.advance(timedelta(seconds=1))
    return made


async def listed(api: Api, query: str = "", **params: Any) -> list[str]:
    """The ids of one page."""
    answer = await api.client.get(f"/v1/operations{query}", params=params or None)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_the_newest_come_first_unless_asked_otherwise() -> None:
    """order=-accepted_at is the default."""
    api = Api()
    made = await some(api)
    assert await listed(api) == made[::-1]
    assert await listed(api, order="-accepted_at") == made[::-1]
    assert await listed(api, order="accepted_at") == made


async def test_filters_restrict_together() -> None:
    """Any of the statuses, and the type, and every label, and the times, which are exclusive."""
    api = Api()
    made = await some(api)
    await api.start(made[0])
    await api.complete(made[1], 1)
    other = (await api.submit(type="build", labels={"n": "9", "team.x/y": "a'b\"c %"}))["id"]
    assert await listed(api, "?status=RUNNING&status=COMPLETED") == [made[1], made[0]]
    assert await listed(api, type="build") == [other]
    assert await listed(api, type="'; drop table operations") == []
    assert await listed(api, **{"label.team.x/y": "a'b\"c %"}) == [other]
    assert await listed(api, **{"label.n": "9", "label.team.x/y": "b"}) == []
    assert await listed(api, accepted_after="2026-01-01T00:00:03Z") == [other, made[4]]
    assert await listed(api, accepted_before="2026-01-01T02:00:01+02:00") == [made[0]]
    assert await listed(api, status="RUNNING", **{"label.n": "0"}) == [made[0]]


async def test_as_many_labels_as_there_can_be() -> None:
    """An operation with the most labels is found by all of them."""
    api = Api()
    labels = {f"l{n}": "x" for n in range(MAX_LABELS)}
    made = await api.submit(labels=labels)
    assert await listed(api, **{f"label.{key}": value for key, value in labels.items()}) == [made["id"]]


class Asked(MemoryStore):
    """Keeps what was asked for."""

    def __init__(self) -> None:
        super().__init__(MemoryClock())
        self.criteria: list[OperationFilter] = []

    def queries(self, tenant: str) -> MemoryOperationQueries:
        queries = super().queries(tenant)
        page = queries.page

        async def asked(criteria: OperationFilter, **rest: Any) -> Page:
            self.criteria.append(criteria)
            return await page(criteria, **rest)

        queries.page = asked  # type: ignore[method-assign]
        return queries


@pytest.mark.parametrize("kind", AttentionKind)
async def test_what_needs_attention_is_found(kind: AttentionKind) -> None:
    """How an operator sees all that has diverged."""
    store = Asked()
    await listed(Api(store=store), attention=kind)
    assert store.criteria == [OperationFilter(attention=kind)]


async def test_pages_are_gapless_while_operations_are_added() -> None:
    """Keyset paging: what comes meanwhile shifts nothing; the page size may change on the way."""
    api = Api()
    made = await some(api, 7)
    first = (await api.client.get("/v1/operations", params={"page_size": 3})).json()
    await some(api, 2)
    second = (
        await api.client.get("/v1/operations", params={"page_size": 2, "page_token": first["next_page_token"]})
    ).json()
    third = (await api.client.get("/v1/operations", params={"page_token": second["next_page_token"]})).json()
    assert [item["id"] for page in (first, second, third) for item in page["items"]] == made[::-1]
    assert third["next_page_token"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"order": "accepted_at"},
        {"type": "deploy"},
        {"status": "RUNNING"},
        {"label.n": "1"},
        {"attention": "STALLED"},
        {"accepted_after": "2020-01-01T00:00:00Z"},
        {"accepted_before": "2020-01-01T00:00:00Z"},
    ],
)
async def test_a_token_belongs_to_its_query(change: dict[str, str]) -> None:
    """Hazard 27: another query's token is 400."""
    api = Api()
    await some(api)
    token = (await api.client.get("/v1/operations", params={"page_size": 1})).json()["next_page_token"]
    answer = await api.client.get("/v1/operations", params=change | {"page_token": token})
    assert problem(answer, 400)["type"] == "urn:opledger:problem:invalid-page-token"


async def test_a_token_belongs_to_its_tenant() -> None:
    """P8 holds for tokens too."""
    api = Api()
    await some(api)
    token = (await api.client.get("/v1/operations", params={"page_size": 1})).json()["next_page_token"]
    api.tenant = "other"
    problem(await api.client.get("/v1/operations", params={"page_token": token}), 400)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("page_size=0", "page_size"),
        ("page_size=-1", "page_size"),
        ("page_size=201", "page_size"),
        ("page_size=1000000000", "page_size"),
        ("page_size=1.5", "page_size"),
        ("page_size=" + "9" * 5000, "page_size"),
        ("page_size=", "page_size"),
        ("page_size=1&page_size=2", "page_size"),
        ("limit=1", "limit"),
        ("status=DONE", "status"),
        ("status=RUNNING&status=", "status"),
        ("attention=LATE", "attention"),
        ("attention=", "attention"),
        ("attention=STALLED&attention=DIVERGED", "attention"),
        ("order=id", "order"),
        ("type=", "type"),
        ("type=" + "x" * 256, "type"),
        ("type=a%00b", "type"),
        ("type=a&type=b", "type"),
        ("type=%ED%A0%80", "query"),
        ("type=%FF", "query"),
        ("%00=1", "\x00"),
        ("label.=a", "label."),
        ("label.a%20b=a", "label.a b"),
        ("label.a=" + "x" * 256, "label.a"),
        ("label.a=x&label.a=y", "label.a"),
        ("&".join(f"label.l{n}=" for n in range(33)), "label.l32"),
        ("label." + "x" * 64 + "=", "label." + "x" * 64),
        ("label=a", "label"),
        ("accepted_after=2026-01-01T00:00:00", "accepted_after"),
        ("accepted_before=2026-01-01T00:00:00", "accepted_before"),
        ("accepted_after=2026-01-01", "accepted_after"),
        ("accepted_after=1767225600", "accepted_after"),
        ("accepted_after=2026-02-30T00:00:00Z", "accepted_after"),
        ("accepted_after=0001-01-01T00:00:00%2B12:00", "accepted_after"),
        ("accepted_after=0000-01-01T00:00:00Z", "accepted_after"),
        ("accepted_after=2026-01-01T00:00:00+02:00", "accepted_after"),
        ("accepted_after=", "accepted_after"),
        ("page_token=", "page_token"),
        ("page_token=a", "page_token"),
        ("page_token=%C3%A4", "page_token"),
        ("page_token=" + "A" * 5000, "page_token"),
        ("&".join(f"label.a{n}=1" for n in range(101)), "query"),
    ],
)
async def test_a_wrong_parameter_is_named(query: str, parameter: str) -> None:
    """Hazards 27 and 28: bounds, unknown and repeated parameters, texts that are none, times without a zone: 400."""
    errors = problem(await Api().client.get(f"/v1/operations?{query}"), 400)["errors"]
    assert [error["parameter"] for error in errors] == [parameter]


async def test_a_time_without_a_zone_is_told_so() -> None:
    """Hazard 28: it is not guessed."""
    answer = await Api().client.get("/v1/operations?accepted_after=2026-01-01T00:00:00")
    assert "has no UTC offset" in problem(answer, 400)["errors"][0]["detail"]


async def test_every_wrong_parameter_is_reported_at_once() -> None:
    """One round trip is enough to learn of them all."""
    errors = problem(await Api().client.get("/v1/operations?page_size=0&order=x"), 400)["errors"]
    assert {error["parameter"] for error in errors} == {"page_size", "order"}


@pytest.mark.parametrize("path", ["/v1/operations/counts", "/v1/operations/019b76da-a800-7000-8000-000000000001"])
async def test_parameters_of_another_route_are_unknown(path: str) -> None:
    """Each route has its own."""
    assert (
        problem(await Api().client.get(path, params={"status": "RUNNING"}), 400)["errors"][0]["parameter"] == "status"
    )


@pytest.mark.parametrize("query", ["attention=null", "attention=NULL", "status=null", "order=null", "page_size=null"])
async def test_null_is_no_value(query: str) -> None:
    """It would be taken for a filter that was not given, and the answer for what was asked for."""
    answer = await Api().client.get(f"/v1/operations?{query}")
    assert problem(answer, 400)["errors"][0]["parameter"] == query.split("=")[0]


async def test_a_type_of_that_name_is_looked_for() -> None:
    """Where any text may be given, null is one."""
    assert (await Api().client.get("/v1/operations?type=null&label.a=null")).json()["items"] == []


async def test_a_page_of_large_operations_ends_early() -> None:
    """It holds fewer than asked for, and the token goes on behind them."""
    api = Api()
    made = [(await api.submit(input="x" * 200_000))["id"] for _ in range(8)]
    first = (await api.client.get("/v1/operations?order=accepted_at&page_size=200")).json()
    assert [item["id"] for item in first["items"]] == made[:6]
    query = f"/v1/operations?order=accepted_at&page_size=200&page_token={first['next_page_token']}"
    rest = (await api.client.get(query)).json()
    assert [item["id"] for item in rest["items"]] == made[6:]
    assert rest["next_page_token"] is None
