"""/livez, /readyz and /metrics."""

from dataclasses import dataclass

import pytest

from application.ports.unit_of_work import DatabaseUnavailable
from domain.errors import OpledgerError
from tests.support.http_api import Api, problem


@dataclass
class Probe:
    """Well, or not."""

    name: str
    wrong: str | None = None

    async def check(self) -> None:
        """As it was made."""
        if self.wrong:
            raise OpledgerError(self.wrong)


async def test_a_live_process_says_so() -> None:
    """Whatever else is down."""
    answer = await Api(required=[Probe("database", "gone")]).client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_ready_names_its_checks() -> None:
    """200 with every check."""
    answer = await Api(required=[Probe("database")], optional=[Probe("temporal")]).client.get("/readyz")
    well = {"ok": True, "message": None}
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ready", "checks": {"database": well, "temporal": well}},
    )


async def test_an_engine_that_is_away_only_degrades() -> None:
    """P5: reads and submissions work, so traffic has to come: 200, and the body says what is wrong."""
    api = Api(required=[Probe("database")], optional=[Probe("temporal", "no answer")])
    answer = await api.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["temporal"] == {
        "ok": False,
        "message": "Temporal is unavailable or does not answer correctly",
    }


async def test_without_its_database_it_is_not_ready() -> None:
    """Hazard 29: 503 with Retry-After, a problem with every check."""
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
async def test_the_words_are_for_the_log(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """They may name hosts and roles, and anybody may ask."""
    words = 'connection to "db-7.internal" as "ledger_rw" failed'
    for api in (Api(required=[Probe(name, words)]), Api(optional=[Probe(name, words)])):
        caplog.clear()
        answer = await api.client.get("/readyz")
        assert answer.json()["checks"][name]["message"]
        assert "internal" not in answer.text
        assert [record.getMessage() for record in caplog.records if words in record.getMessage()] == [
            f"check of {name} failed: {words}"
        ]


async def test_metrics_are_counters_and_drift() -> None:
    """As Prometheus reads them; nothing about them is a client's affair, so the contract does not list them."""
    answer = await Api().client.get("/metrics")
    assert (answer.status_code, answer.text) == (200, "counters\ndrift 1\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_metrics_without_the_database_are_counters() -> None:
    """What happens while it is away is what one wants to see."""
    api = Api()
    api.drift.error = DatabaseUnavailable()
    answer = await api.client.get("/metrics")
    assert (answer.status_code, answer.text) == (200, "counters\n")
