"""The web application against the real ledger in memory: no PostgreSQL, no Temporal, no network."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from deployer.app import create_app
from opledger.testing import AssertHistory, Ledger, Line

Web = TestClient[Litestar]


@pytest.fixture
def web(ledger: Ledger) -> Iterator[Web]:
    """A client of the application."""
    with TestClient(create_app(ledger.async_client)) as client:
        yield client


def deployed(web: Web, machine: str = "m1") -> dict[str, Any]:
    """A new deployment."""
    answer = web.post("/deployments", json={"machine": machine, "version": "1.2"})
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_deployment_is_followed_to_its_end(web: Web, ledger: Ledger, assert_history: AssertHistory) -> None:
    """As its page shows it."""
    made = deployed(web)
    assert (made["status"], made["machine"]) == ("ACCEPTED", "m1")
    ledger.report_progress(made["id"], 0.5, "restarting m1")
    seen = web.get(f"/deployments/{made['id']}").json()
    assert (seen["status"], seen["progress"], seen["doing"]) == ("RUNNING", 0.5, "restarting m1")
    ledger.complete(made["id"], {"machine": "m1", "files": 42})
    (listed,) = web.get("/deployments", params={"machine": "m1"}).json()
    assert listed["status"] == "COMPLETED"
    assert_history(made["id"], ["ACCEPTED", "RUNNING", "COMPLETED"])


def test_failure_is_shown(web: Web, ledger: Ledger) -> None:
    made = deployed(web)
    ledger.fail(made["id"], "the disk of m1 is full")
    assert web.get(f"/deployments/{made['id']}").json()["error"] == "the disk of m1 is full"


def test_second_deployment_of_a_machine_waits_for_the_first(web: Web, ledger: Ledger) -> None:
    """operations.toml says so."""
    first = deployed(web)
    assert web.post("/deployments", json={"machine": "m1", "version": "1.3"}).status_code == 409
    deployed(web, "m2")
    ledger.complete(first["id"])
    deployed(web)


def test_wrong_machine_is_refused(web: Web) -> None:
    """By the schema in operations.toml."""
    answer = web.post("/deployments", json={"machine": "M 1", "version": "1.2"})
    assert answer.status_code == 422
    assert "/input/machine" in answer.json()["error"]


def test_deployment_is_cancelled(web: Web, ledger: Ledger, assert_history: AssertHistory) -> None:
    """The workflow ends it."""
    made = deployed(web)
    ledger.start(made["id"])
    assert web.post(f"/deployments/{made['id']}/cancel").status_code == 202
    ledger.cancel(made["id"])
    assert_history(made["id"], ["ACCEPTED", "RUNNING", "FAILED"])
    assert web.post(f"/deployments/{made['id']}/cancel").status_code == 409


def test_deployment_that_an_operator_terminates_says_so(
    web: Web, ledger: Ledger, assert_history: AssertHistory
) -> None:
    made = deployed(web)
    ledger.terminate(made["id"], "wrong version", "ann")
    assert web.get(f"/deployments/{made['id']}").json()["error"] == "wrong version"
    assert_history(made["id"], [Line("ACCEPTED", "CLIENT"), Line("FAILED", "CALLBACK", actor="ann")])


def test_deployments_are_accepted_while_temporal_is_down(web: Web, ledger: Ledger) -> None:
    ledger.go_down()
    made = deployed(web)
    ledger.come_back()
    ledger.advance(minutes=1)
    ledger.complete(made["id"])
    assert web.get(f"/deployments/{made['id']}").json()["status"] == "COMPLETED"


def test_unknown_deployment_is_not_found(web: Web) -> None:
    assert web.get("/deployments/019b76da-a800-7000-8000-000000000001").status_code == 404
