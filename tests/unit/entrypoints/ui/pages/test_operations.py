"""The list of operations: filters in the URL, rows, pages, and what it says when it is empty."""

import re
from uuid import UUID

import pytest

from entrypoints.ui.pages.operations import PAGE_SIZE
from entrypoints.ui.views.example_input import example_input
from entrypoints.ui.views.filters import searched
from tests.support.http.access import Guarded
from tests.support.http.api import Api
from tests.support.operations import T0
from tests.support.ui.scenes import HOSTILE, furnish, hostile
from tests.support.ui.visitor import Visitor


def ids(page: str) -> list[str]:
    """The operations of a page, in their order."""
    return re.findall(r'<tr id="op-([0-9a-f-]{36})"', page)


async def test_rows_say_what_there_is_to_know() -> None:
    """Status, progress, error and attention in words; the exact time beside the age."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    page = await Visitor(api).see("/operations")
    assert ids(page) == [made[name] for name in ("accepted", "child", "running", "stuck", "completed", "failed")]
    for text in (
        "66 %",
        "copying the image",
        "No worker",
        "no worker polls the task queue machines",
        "<b>TERMINATED</b>",
        "&#34;state&#34;: &#34;built&#34;",
        "4 min ago",
        'title="2026-01-01 00:00:00.000 UTC"',
        '<span class="status failed">',
    ):
        assert text in page, text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=FAILED", ["failed"]),
        ("status=RUNNING&status=COMPLETED", ["running", "completed"]),
        ("type=build", ["child", "completed"]),
        ("label.team=core", ["running", "stuck", "completed"]),
        ("attention=NO_WORKER", ["stuck"]),
        ("error_code=TERMINATED", ["failed"]),
        ("accepted_after=2026-01-01T00:02:00Z", ["accepted", "child", "running"]),
    ],
)
async def test_filters_are_the_parameters_of_the_api(query: str, names: list[str]) -> None:
    """The same names and values."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    assert ids(await Visitor(api).see(f"/operations?{query}")) == [made[name] for name in names]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"q": "team=core region=eu", "type": "deploy"}, "/operations?label.team=core&label.region=eu&type=deploy"),
        ({"q": " order-17 ", "status": "FAILED"}, "/operations?status=FAILED&workflow_id=order-17"),
        ({"q": "", "type": "", "since": "1h"}, "/operations?accepted_after=2025-12-31T23%3A00%3A00Z"),
        ({"q": "", "type": "", "since": ""}, "/operations"),
        ({"q": "note=a=b empty="}, "/operations?label.note=a%3Db&label.empty="),
        ({"q": "=a"}, "/operations?workflow_id=%3Da"),
        ({"q": "team=core order-17"}, "/operations?workflow_id=team%3Dcore+order-17"),
        ({"q": "a" * 60_000}, f"/operations?workflow_id={'a' * 60_000}"),
    ],
)
async def test_the_form_becomes_a_url(fields: dict[str, str], expected: str) -> None:
    """So that it can be shared."""
    answer = await Api(with_dashboard=True).client.get("/operations/search", params=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, expected)


async def test_ids_can_be_filtered_by_their_first_digits() -> None:
    """As on the command line, which names operations so."""
    api = Api(with_dashboard=True)
    made = (await api.submit())["id"]
    page = await Visitor(api).see(f"/operations?id_prefix={made[:9]}")
    assert ids(page) == [made]
    assert f"Id begins with: {made[:9]}" in page
    assert ids(await Visitor(api).see("/operations?id_prefix=ffff")) == []


async def test_the_form_finds_an_operation_by_its_id() -> None:
    """It leads to its page."""
    api = Api(with_dashboard=True)
    made = (await api.submit())["id"]
    answer = await api.client.get("/operations/search", params={"q": made.upper()})
    assert answer.headers["location"] == f"/operations/{made}"


async def test_pages_follow_one_another() -> None:
    """By the API's tokens, and with the filters."""
    api = Api(with_dashboard=True)
    for _ in range(PAGE_SIZE + 1):
        await api.submit()
    visitor = Visitor(api)
    first = await visitor.see("/operations?type=deploy")
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = await visitor.see(older[1].replace("&amp;", "&"))
    assert (len(ids(first)), len(ids(second))) == (PAGE_SIZE, 1)
    assert not {*ids(first)} & {*ids(second)}
    assert 'rel="next"' not in second
    assert 'id="first-page" href="/operations?type=deploy" title="First page (p)">Newest' in second


async def test_an_empty_ledger_names_the_next_command() -> None:
    """With an input that the type accepts."""
    page = await Visitor(Api(with_dashboard=True)).see("/operations")
    assert "opledger start build --input &#39;{}&#39;" in page


async def test_filters_without_a_match_can_be_removed() -> None:
    """Nothing is submitted for that."""
    page = await Visitor(Api(with_dashboard=True)).see("/operations?label.team=x&status=FAILED")
    assert "No operation matches" in page
    assert 'href="/operations?status=FAILED" aria-label="Remove team: x"' in page


@pytest.mark.parametrize("query", ["status=NOPE", "page_token=x", "nope=1", "accepted_after=yesterday", "label.=x"])
async def test_a_wrong_filter_is_explained_on_a_page(query: str) -> None:
    """400, in words."""
    answer = await Api(with_dashboard=True).client.get(f"/operations?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert query.partition("=")[0] in answer.text


async def test_a_form_with_too_many_parameters_is_refused() -> None:
    """As by every other page, although it ignores those that it does not know."""
    answer = await Api(with_dashboard=True).client.get(f"/operations/search?{'a&' * 101}")
    assert answer.status_code == 400


async def test_texts_of_operations_are_only_text() -> None:
    """Whatever they contain."""
    api = Api(with_dashboard=True)
    await hostile(api)
    page = await Visitor(api).see("/operations")
    assert HOSTILE not in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page


async def test_another_tenant_sees_none_of_it() -> None:
    """Neither rows nor numbers nor types in use."""
    api = Guarded(with_dashboard=True)
    owner, other = await api.key("a", name="owner"), await api.key("b", name="other")
    body = {"type": "deploy", "labels": {"team": "secret"}}
    made = (await api.client.post("/v1/operations", json=body, headers=owner)).json()["id"]
    seen = await api.ask("GET", "/operations", owner)
    assert ids(seen.text) == [made]
    for path in ("/operations", "/operations?label.team=secret"):
        hidden = await api.ask("GET", path, other)
        assert hidden.status_code == 200
        assert ids(hidden.text) == []
        assert made not in hidden.text
    assert '<span class="number">1</span>' not in (await api.ask("GET", "/operations", other)).text


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        (None, "{}"),
        ({"required": ["a"], "properties": {"a": {"type": ["string", "null"]}}}, '{"a": "…"}'),
        ({"required": ["a"], "properties": {"a": {"examples": {"0": 1}, "type": "boolean"}}}, '{"a": true}'),
        ({"required": ["a"], "properties": {"a": {"enum": ["x", "y"]}}}, '{"a": "x"}'),
        (True, "{}"),
    ],
)
def test_example_of_an_input(schema: object, example: str) -> None:
    """For any schema."""
    assert example_input(schema) == example


async def test_search_for_a_workflow_id_that_is_a_uuid() -> None:
    """Only the id of an operation opens its page."""
    api = Api(with_dashboard=True)
    made = (await api.submit())["id"]
    assert made != str(UUID(int=7))
    answer = await api.client.get("/operations/search", params={"q": str(UUID(int=7))})
    assert answer.headers["location"] == f"/operations?workflow_id={UUID(int=7)}"


def test_any_time_removes_the_period_of_the_url() -> None:
    """And the choice that says so keeps it."""
    given = [("accepted_after", "2026-01-01T00:00:00Z"), ("since", ""), ("q", "")]
    assert searched(given, T0) == "/operations"
    kept = [("accepted_after", "2026-01-01T00:00:00Z"), ("since", "keep"), ("q", "")]
    assert searched(kept, T0) == "/operations?accepted_after=2026-01-01T00%3A00%3A00Z"


async def test_the_tab_attention_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the type of the list, up to a limit; not with filters that make the list another one."""
    api = Api(with_dashboard=True)
    await furnish(api)
    visitor = Visitor(api)

    async def number(query: str) -> str:
        [found] = re.findall(r">Attention(?: <span class=\"number\">([^<]+)</span>)?</a>", await visitor.see(query))
        return str(found)

    assert await number("/operations") == "1"
    assert await number("/operations?status=RUNNING") == "1"
    assert await number("/operations?type=build") == "0"
    assert await number("/operations?label.team=core") == ""
    monkeypatch.setattr("entrypoints.ui.pages.operations.MAX_ATTENTIVE", 1)
    await api.trouble((await api.submit())["id"])
    assert await number("/operations") == "1+"
