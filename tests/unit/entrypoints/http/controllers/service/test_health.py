"""/livez, /readyz and /metrics."""

from dataclasses import dataclass

import pytest

from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.errors import OpledgerError
from tests.support.http.api import Api, problem


@dataclass
class Probe:
    """A probe with a fixed result."""

    name: str
    wrong: str | None = None

    async def check(self) -> None:
        """Returns or raises the result."""
        if self.wrong:
            raise OpledgerError(self.wrong)


async def test_livez_is_200() -> None:
    """Whatever else is down."""
    answer = await Api(required=[Probe("database", "gone")]).client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_readyz_lists_its_checks() -> None:
    """200 with every check."""
    answer = await Api(required=[Probe("database")], optional=[Probe("temporal")]).client.get("/readyz")
    well = {"ok": True, "message": None}
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ready", "checks": {"database": well, "temporal": well}},
    )


async def test_an_unavailable_engine_only_degrades() -> None:
    """P5: reads and submissions work, so 200; the body has the error."""
    api = Api(required=[Probe("database")], optional=[Probe("temporal", "no answer")])
    answer = await api.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["temporal"] == {
        "ok": False,
        "message": "Temporal is unavailable or does not answer correctly",
    }


async def test_readyz_without_database_is_503() -> None:
    """Hazard 29: with Retry-After, and a problem with every check."""
    api = Api(required=[Probe("database", "no answer")], optional=[Probe("temporal")])
    answer = await api.client.get("/readyz")
    body = problem(answer, 503)
    assert body["checks"]["database"] == {
        "ok": False,
        "message": "the database is unavailable or does not answer correctly",
    }
    assert body["detail"] == "Failed checks: database."
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize("name", ["database", "migrations", "temporal", "process", "new"])
async def test_error_messages_are_only_in_the_log(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """They may contain hosts and roles, and the endpoint is public."""
    words = 'connection to "db-7.internal" as "ledger_rw" failed'
    for api in (Api(required=[Probe(name, words)]), Api(optional=[Probe(name, words)])):
        caplog.clear()
        answer = await api.client.get("/readyz")
        assert answer.json()["checks"][name]["message"]
        assert "internal" not in answer.text
        assert [record.getMessage() for record in caplog.records if words in record.getMessage()] == [
            f"check of {name} failed: {words}"
        ]


async def test_metrics_have_counters_and_drift() -> None:
    """In Prometheus' format. The OpenAPI document does not list the endpoint."""
    answer = await Api().client.get("/metrics")
    assert (answer.status_code, answer.text) == (200, "counters\ndrift 1\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_metrics_without_database_have_counters() -> None:
    """They are needed most during an outage."""
    api = Api()
    api.drift.error = DatabaseUnavailable()
    answer = await api.client.get("/metrics")
    assert (answer.status_code, answer.text) == (200, "counters\n")
