"""GET /v1/operation-types: the declared types and the schemas of their inputs."""

import pytest

from tests.support.http.access import Guarded
from tests.support.http.api import MACHINE, Api, problem


async def test_types_are_listed_by_name_with_their_schemas() -> None:
    """A type without a schema takes any input."""
    answer = await Api().client.get("/v1/operation-types")
    assert answer.status_code == 200
    assert answer.json() == {
        "items": [
            {"name": "build", "description": "", "input_schema": None},
            {"name": "deploy", "description": "", "input_schema": None},
            {"name": "reboot", "description": "", "input_schema": MACHINE},
        ]
    }


async def test_a_type_is_read_by_its_name() -> None:
    answer = await Api().client.get("/v1/operation-types/reboot")
    assert answer.json() == {"name": "reboot", "description": "", "input_schema": MACHINE}


async def test_a_type_that_is_not_declared_is_404() -> None:
    """The error lists the declared ones."""
    found = problem(await Api().client.get("/v1/operation-types/nothing"), 404)
    assert found["type"] == "urn:opledger:problem:type-not-declared"
    assert "declared: build, deploy, reboot" in found["detail"]


@pytest.mark.parametrize("path", ["/v1/operation-types", "/v1/operation-types/reboot"])
async def test_types_have_no_query_parameters(path: str) -> None:
    problem(await Api().client.get(path, params={"name": "a"}), 400)


@pytest.mark.parametrize("path", ["/v1/operation-types", "/v1/operation-types/reboot"])
async def test_types_need_the_scope_read(path: str) -> None:
    """As every other read."""
    problem(await Guarded().client.get(path), 401)
