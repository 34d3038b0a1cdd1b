"""The OpenAPI document and the pages that show it.

The document is the contract, so every change must be intended. After one, write the snapshot again:

    OPLEDGER_WRITE_OPENAPI=1 .venv/bin/pytest tests/unit/entrypoints/http/test_openapi.py
"""

import hashlib
import json
import os
import re
import tomllib
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from entrypoints.http.controllers.service.docs import ASSETS, STATIC
from entrypoints.http.openapi.order import ORDER
from tests.support.http.access import Guarded
from tests.support.http.api import Api

SNAPSHOT = Path(__file__).parent / "openapi.json"
VENDORED = STATIC / "swagger-ui"


async def fetched() -> dict[str, Any]:
    """Returns the document as it is served."""
    answer = await Guarded().client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = answer.json()
    return document


async def documented() -> list[tuple[str, dict[str, Any], set[str]]]:
    """Returns each operation with its id and the names of the problems that it documents."""
    return [
        (
            operation["operationId"],
            operation,
            {
                slug
                for response in operation["responses"].values()
                for slug in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
            },
        )
        for item in (await fetched())["paths"].values()
        for operation in item.values()
    ]


async def test_the_document_equals_the_snapshot() -> None:
    """So that a change of the contract is visible in a review."""
    text = json.dumps(await fetched(), indent=1, sort_keys=True) + "\n"
    if os.environ.get("OPLEDGER_WRITE_OPENAPI"):
        SNAPSHOT.write_text(text)
    assert json.loads(text) == json.loads(SNAPSHOT.read_text()), "the contract changed; see this file's docstring"


async def test_the_document_is_valid() -> None:
    """By the OpenAPI 3.1 schema, with and without access control."""
    for api in (Api(), Guarded()):
        document = (await api.client.get("/openapi.json")).json()
        assert [str(error.message) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


async def test_the_version_is_the_release() -> None:
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"]
    assert (await fetched())["info"]["version"] == project["version"]


async def test_paths_are_in_the_order_of_the_life_cycle() -> None:
    document = await fetched()
    operations = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert sorted(operations) == sorted(ORDER)
    assert operations[:2] == ["submitOperation", "listOperations"]
    firsts = [next(iter(item.values()))["operationId"] for item in document["paths"].values()]
    assert firsts == [name for name in ORDER if name in firsts]
    tags = {tag for item in document["paths"].values() for operation in item.values() for tag in operation["tags"]}
    assert tags == {tag["name"] for tag in document["tags"]}


async def test_everything_is_described() -> None:
    """Every parameter, response and header, each header with a schema."""
    generic = {status.description for status in HTTPStatus}
    for item in (await fetched())["paths"].values():
        for operation in item.values():
            described = [*operation.get("parameters", []), *operation["responses"].values()]
            for response in operation["responses"].values():
                described += response["headers"].values()
                assert all(header["schema"] for header in response["headers"].values())
            assert all(one["description"] not in generic for one in described), operation["operationId"]


async def test_every_error_is_documented_as_a_problem() -> None:
    """And every operation documents server errors."""
    for path, item in (await fetched())["paths"].items():
        for operation in item.values():
            assert path == "/livez" or {"500", "503"} <= operation["responses"].keys()
            for status, response in operation["responses"].items():
                assert "X-Request-Id" in response["headers"]
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]
                if status == "503":
                    assert "Retry-After" in response["headers"]


async def test_problems_follow_from_what_an_operation_takes() -> None:
    """No operation documents a problem of a page token, a ticket, an idempotency key, a version or a body that it does
    not take."""
    for name, operation, slugs in await documented():
        taken = {parameter["name"] for parameter in operation.get("parameters", [])}
        for parameter, slug in (
            ("page_token", "invalid-page-token"),
            ("ticket", "invalid-ticket"),
            ("Idempotency-Key", "idempotency-key-reused"),
            ("If-Match", "version-mismatch"),
        ):
            assert (slug in slugs) == (parameter in taken), (name, slug)
        body = operation.get("requestBody", {}).get("content", {})
        assert ("malformed-body" in slugs) == ("invalid-field" in slugs) == ("application/json" in body), name
        assert ("body-too-large" in slugs) == bool(body), name
        assert ("identity-provider-unavailable" in slugs) == ("bearer" in str(operation.get("security"))), name


@pytest.mark.parametrize(
    ("slug", "operations"),
    [
        ("operation-already-done", {"cancelOperation"}),
        ("operation-not-done", {"retryOperation", "deleteOperation"}),
        ("operation-already-retried", {"retryOperation"}),
        ("workflow-id-in-use", {"submitOperation", "recordOperation", "retryOperation"}),
        ("workflow-id-used", {"submitOperation", "retryOperation"}),
        ("unknown-operation-type", {"submitOperation", "retryOperation", "adoptExecution"}),
        ("execution-not-found", {"adoptExecution"}),
        ("execution-of-other-type", {"adoptExecution"}),
        ("foreign-report", {"sendReport"}),
        ("type-not-declared", {"getOperationType"}),
        ("unauthorized-callback", {"receiveCallback"}),
        ("callback-not-taken", {"receiveCallback"}),
        ("engine-unavailable", {"adoptExecution", "sendReport"}),
        ("too-many-waiting", {"getOperation", "streamOperation", "streamEvents"}),
        ("waiter-limit-reached", {"getOperation", "streamOperation", "streamEvents"}),
    ],
)
async def test_a_problem_is_documented_where_it_can_happen(slug: str, operations: set[str]) -> None:
    assert {name for name, _, slugs in await documented() if slug in slugs} == operations


async def test_every_documented_status_has_a_problem() -> None:
    """What is left out leaves no status without an example."""
    for name, operation, _ in await documented():
        for status, response in operation["responses"].items():
            if int(status) >= 400 and (name, status) != ("ready", "503"):
                assert response["content"]["application/problem+json"]["examples"], (name, status)


async def test_every_example_fits_its_schema() -> None:
    """Of every parameter, body and response."""
    document = await fetched()
    root = DRAFT202012.create_resource(document)
    registry: Registry[Any] = Registry().with_resource("urn:api", root)
    checked = 0
    for item in document["paths"].values():
        for operation in item.values():
            contents = [response.get("content", {}) for response in operation["responses"].values()]
            contents.append(operation.get("requestBody", {}).get("content", {}))
            for media in (media for content in contents for media in content.values()):
                schema = json.loads(json.dumps(media["schema"]).replace('"#/', '"urn:api#/'))
                for example in media.get("examples", {}).values():
                    Draft202012Validator(schema, registry=registry).validate(example["value"])
                    checked += 1
    assert checked > 30


async def test_responses_fit_the_documented_schemas() -> None:
    """Without undeclared fields."""
    document = await fetched()
    registry: Registry[Any] = Registry().with_resource("urn:api", DRAFT202012.create_resource(document))
    api = Api()
    made = await api.submit(input=None)
    await api.start(made["id"])
    cancelled = await api.client.post(f"/v1/operations/{made['id']}/cancel", json={"reason": "x"})
    answers = {
        "OperationBody": cancelled.json(),
        "BatchAnswerBody": (
            await api.client.post("/v1/operations/batch", json={"operations": [{"type": "deploy"}, {"type": "x"}]})
        ).json(),
        "PageBody": (await api.client.get("/v1/operations")).json(),
        "HistoryBody": (await api.client.get(f"/v1/operations/{made['id']}/transitions")).json(),
        "CountsBody": (await api.client.get("/v1/operations/counts")).json(),
        "DurationsBody": (await api.client.get("/v1/operations/durations?type=deploy")).json(),
        "ThroughputBody": (await api.client.get("/v1/operations/throughput")).json(),
        "Problem": (await api.client.get("/v1/operations?page_size=0")).json(),
        "ReadyBody": (await api.client.get("/readyz")).json(),
    }
    for name, answer in answers.items():
        Draft202012Validator({"$ref": f"urn:api#/components/schemas/{name}"}, registry=registry).validate(answer)
        assert answer.keys() <= document["components"]["schemas"][name]["properties"].keys()


async def test_the_documentation_loads_nothing_from_other_hosts() -> None:
    """Neither the page nor its script names another host, and the content security policy forbids them, and inline
    scripts."""
    api = Api()
    page = await api.client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    script = (await api.client.get("/docs/initializer.js")).text
    assert not re.search(r"https?:|//\w", page.text + script)
    assert not re.search(r"<script>|<script [^>]*>[^<]|<style| style=| on\w+=", page.text)
    for path in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert (await api.client.get(path)).status_code == 200, path


@pytest.mark.parametrize("name", ASSETS)
async def test_assets_have_a_strong_etag(name: str) -> None:
    """A client that has the asset gets 304."""
    api = Api()
    first = await api.client.get(f"/docs/{name}")
    assert first.status_code == 200
    again = await api.client.get(f"/docs/{name}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["VERSION", "..%2fapp.py", "..", "swagger-ui", "%00", "swagger-ui.css.map"])
async def test_no_other_file_is_served(name: str) -> None:
    """There is a fixed table of files."""
    assert (await Api().client.get(f"/docs/{name}")).status_code == 404


def test_vendored_files_match_their_checksums() -> None:
    """Licence and version are beside them."""
    sums = dict(line.split()[::-1] for line in (VENDORED / "SHA256SUMS").read_text().splitlines())
    files = {path.name for path in VENDORED.iterdir()} - {"SHA256SUMS", "VERSION"}
    assert files == sums.keys() >= {"LICENSE", "NOTICE"}
    for name, expected in sums.items():
        assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == expected, name
    assert re.fullmatch(r"swagger-ui-dist \d+\.\d+\.\d+\n", (VENDORED / "VERSION").read_text())
