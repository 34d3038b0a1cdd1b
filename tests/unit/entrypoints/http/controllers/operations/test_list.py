"""GET /v1/operations: filters, order, pages."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.memory.clock import MemoryClock
from adapters.memory.operations.operation_queries import MemoryOperationQueries
from adapters.memory.store import MemoryStore
from application.ports.storage.operation_queries import OperationFilter, Page
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.start.labels import MAX_LABELS
from tests.support.http.api import Api, problem


async def some(api: Api, count: int = 5) -> list[str]:
    """Adds operations a second apart, oldest first."""
    made = []
    for number in range(count):
        made.append((await api.submit(labels={"n": str(number)}))["id"])
        api.clock.advance(timedelta(seconds=1))
    return made


async def listed(api: Api, query: str = "", **params: Any) -> list[str]:
    """Returns the ids of one page."""
    answer = await api.client.get(f"/v1/operations{query}", params=params or None)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_the_newest_come_first_by_default() -> None:
    """The default is order=-accepted_at."""
    api = Api()
    made = await some(api)
    assert await listed(api) == made[::-1]
    assert await listed(api, order="-accepted_at") == made[::-1]
    assert await listed(api, order="accepted_at") == made


async def test_filters_restrict_together() -> None:
    """One of the statuses, and the type, and every label, and the times, which are exclusive."""
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


async def test_an_operation_is_found_by_the_beginning_of_its_id() -> None:
    """With and without hyphens. Fewer than 4 digits, capitals and other characters are a 400."""
    api = Api()
    made = await some(api)
    assert await listed(api, id_prefix=made[1]) == await listed(api, id_prefix=made[1].replace("-", "")) == [made[1]]
    beginning = made[1][:20]
    expected = [one for one in made[::-1] if one.startswith(beginning)]
    assert await listed(api, id_prefix=beginning) == await listed(api, id_prefix=beginning.rstrip("-")) == expected
    assert set(await listed(api, id_prefix=made[0][:4])) == {one for one in made if one.startswith(made[0][:4])}
    for wrong in ("", made[0][:3], "ABCD", "abcd\n", "abcd--", "%000", "0" * 33, f"{made[0]}0"):
        problem(await api.client.get("/v1/operations", params={"id_prefix": wrong}), 400)


async def test_a_filter_may_have_as_many_labels_as_an_operation() -> None:
    """It finds the operation with all of them."""
    api = Api()
    labels = {f"l{n}": "x" for n in range(MAX_LABELS)}
    made = await api.submit(labels=labels)
    assert await listed(api, **{f"label.{key}": value for key, value in labels.items()}) == [made["id"]]


class RecordedFilters(MemoryStore):
    """Records the filters of queries."""

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
async def test_operations_are_found_by_attention(kind: AttentionKind) -> None:
    """So that an operator sees all that have diverged."""
    store = RecordedFilters()
    await listed(Api(store=store), attention=kind)
    assert store.criteria == [OperationFilter(attentions=frozenset({kind}))]


async def test_pages_are_gapless_while_operations_are_added() -> None:
    """Keyset paging: new operations shift no page, and the page size may change between pages."""
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
        {"finished_after": "2020-01-01T00:00:00Z"},
        {"finished_before": "2030-01-01T00:00:00Z"},
        {"order": "-finished_at"},
        {"error_code": "CANCELED"},
        {"parent": "019b76da-a800-7000-8000-000000000001"},
        {"workflow_id": "a"},
        {"origin": "LEDGER"},
    ],
)
async def test_a_token_belongs_to_its_query(change: dict[str, str]) -> None:
    """Hazard 27: a page token with another query is 400."""
    api = Api()
    await some(api)
    token = (await api.client.get("/v1/operations", params={"page_size": 1})).json()["next_page_token"]
    answer = await api.client.get("/v1/operations", params=change | {"page_token": token})
    assert problem(answer, 400)["type"] == "urn:opledger:problem:invalid-page-token"


async def test_a_token_belongs_to_its_tenant() -> None:
    """P8: another tenant's page token is 400."""
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
        ("attention=STALLED&attention=LATE", "attention"),
        ("error_code=BOOM", "error_code"),
        ("error_code=", "error_code"),
        ("&".join(["error_code=CANCELED"] * 21), "error_code"),
        ("&".join(["status=RUNNING"] * 21), "status"),
        ("parent=a", "parent"),
        ("&".join(f"parent=019b76da-a800-7000-8000-0000000000{n}" for n in range(10, 31)), "parent"),
        ("workflow_id=", "workflow_id"),
        ("workflow_id=a&workflow_id=" + "x" * 1001, "workflow_id"),
        ("workflow_id=a%00b", "workflow_id"),
        ("&".join(f"workflow_id={n}" for n in range(21)), "workflow_id"),
        ("origin=ELSEWHERE", "origin"),
        ("finished_after=2026-01-01T00:00:00", "finished_after"),
        ("finished_before=soon", "finished_before"),
        ("finished_after=2026-01-01T00:00:00Z&finished_before=2026-01-01T01:00:00%2B01:00", "finished_before"),
        ("accepted_after=2026-01-02T00:00:00Z&accepted_before=2026-01-01T00:00:00Z", "accepted_before"),
        ("finished_after=2026-01-01T00:00:00Z&order=accepted_at", "order"),
        ("finished_before=2026-01-01T00:00:00Z&order=-accepted_at", "order"),
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
async def test_an_invalid_parameter_is_400(query: str, parameter: str) -> None:
    """Hazards 27 and 28: limits, unknown and repeated parameters, invalid Unicode, times without a zone."""
    errors = problem(await Api().client.get(f"/v1/operations?{query}"), 400)["errors"]
    assert [error["parameter"] for error in errors] == [parameter]


async def test_the_error_of_a_time_without_zone_says_so() -> None:
    """Hazard 28: the zone is not guessed."""
    answer = await Api().client.get("/v1/operations?accepted_after=2026-01-01T00:00:00")
    assert "has no UTC offset" in problem(answer, 400)["errors"][0]["detail"]


async def test_every_invalid_parameter_is_reported() -> None:
    """In one response."""
    errors = problem(await Api().client.get("/v1/operations?page_size=0&order=x"), 400)["errors"]
    assert {error["parameter"] for error in errors} == {"page_size", "order"}


@pytest.mark.parametrize("path", ["/v1/operations/counts", "/v1/operations/019b76da-a800-7000-8000-000000000001"])
async def test_parameters_of_another_route_are_unknown(path: str) -> None:
    """400."""
    assert (
        problem(await Api().client.get(path, params={"status": "RUNNING"}), 400)["errors"][0]["parameter"] == "status"
    )


@pytest.mark.parametrize("query", ["attention=null", "attention=NULL", "status=null", "order=null", "page_size=null"])
async def test_a_parameter_null_is_refused(query: str) -> None:
    """It could be read as a filter that is not set."""
    answer = await Api().client.get(f"/v1/operations?{query}")
    assert problem(answer, 400)["errors"][0]["parameter"] == query.split("=")[0]


async def test_a_parameter_for_any_text_may_be_null() -> None:
    """It filters by the text "null"."""
    assert (await Api().client.get("/v1/operations?type=null&label.a=null")).json()["items"] == []


async def test_a_page_of_large_operations_ends_early() -> None:
    """It has fewer than page_size operations; its token continues after them."""
    api = Api()
    made = [(await api.submit(input="x" * 200_000))["id"] for _ in range(8)]
    first = (await api.client.get("/v1/operations?order=accepted_at&page_size=200")).json()
    assert [item["id"] for item in first["items"]] == made[:6]
    query = f"/v1/operations?order=accepted_at&page_size=200&page_token={first['next_page_token']}"
    rest = (await api.client.get(query)).json()
    assert [item["id"] for item in rest["items"]] == made[6:]
    assert rest["next_page_token"] is None


async def failed(api: Api, codes: list[ErrorCode]) -> list[str]:
    """Adds operations that failed a second apart, with these codes. Returns their ids."""
    made = await some(api, len(codes))
    for operation_id, code in zip(made, codes, strict=True):
        await api.fail(operation_id, code)
        api.clock.advance(timedelta(seconds=1))
    return made


async def test_several_values_of_a_filter_are_alternatives() -> None:
    """Several filters hold together."""
    api = Api()
    first, second, third = await failed(api, [ErrorCode.TIMED_OUT, ErrorCode.WORKFLOW_FAILED, ErrorCode.EXECUTION_LOST])
    assert await listed(api, "?error_code=TIMED_OUT&error_code=EXECUTION_LOST") == [third, first]
    assert await listed(api, f"?workflow_id={first}&workflow_id={second}") == [second, first]
    assert await listed(api, f"?workflow_id={first}&workflow_id={second}&error_code=TIMED_OUT") == [first]
    assert await listed(api, f"?parent={first}&parent={second}") == []
    assert await listed(api, "?origin=ADOPTED&origin=CLIENT") == []
    assert await listed(api, "?error_code=TIMED_OUT&status=RUNNING") == []


async def test_finish_times_sort_by_finish_time() -> None:
    """The newest first by default. Operations that are not done are left out."""
    api = Api()
    first, second, _ = await some(api, 3)
    for operation_id in (second, first):
        await api.complete(operation_id, 1)
        api.clock.advance(timedelta(seconds=1))
    assert await listed(api, finished_after="2026-01-01T00:00:00Z") == [first, second]
    assert await listed(api, order="finished_at") == [second, first]
    assert await listed(api, finished_after="2026-01-01T00:00:03Z") == [first]
    assert await listed(api, finished_before="2026-01-01T00:00:04Z") == [second]
    query = {"finished_after": "2026-01-01T00:00:00Z", "page_size": "1"}
    page = (await api.client.get("/v1/operations", params=query)).json()
    rest = (await api.client.get("/v1/operations", params=query | {"page_token": page["next_page_token"]})).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == [first, second]
    assert rest["next_page_token"] is None


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ("error_code=BOOM", "must be one of WORKFLOW_FAILED, CANCELED, TERMINATED"),
        ("&".join(f"workflow_id={n}" for n in range(21)), "must have at most 20 values"),
        ("&".join(["error_code=CANCELED"] * 21), "must have at most 20 values"),
        ("finished_after=2026-01-01T00:00:00", "has no UTC offset"),
        (
            "finished_after=2026-01-02T00:00:00Z&finished_before=2026-01-01T00:00:00Z",
            "must be later than finished_after: the range is empty",
        ),
        (
            "finished_after=2026-01-02T00:00:00Z&order=accepted_at",
            "must be finished_at or -finished_at with finished_after or finished_before",
        ),
    ],
)
async def test_an_invalid_filter_names_its_rule(query: str, rule: str) -> None:
    """The client need not look it up."""
    [error] = problem(await Api().client.get(f"/v1/operations?{query}"), 400)["errors"]
    assert rule in error["detail"]


async def test_all_invalid_times_are_reported() -> None:
    """In one response."""
    errors = problem(await Api().client.get("/v1/operations?accepted_after=a&finished_after=b&label.=c"), 400)["errors"]
    assert [error["parameter"] for error in errors] == ["label.", "accepted_after", "finished_after"]
