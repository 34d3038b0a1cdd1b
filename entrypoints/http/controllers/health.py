"""Whether the process lives, and whether it can do its work."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from litestar import Controller, get
from litestar.openapi import ResponseSpec
from msgspec import Meta, Struct

from application.operate.health import Health
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.problems.problems import MEDIA_TYPE, CheckResult, NotReady, NotReadyProblem
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.security.authorization import ANYBODY

_UNWELL: Final = {
    "database": "the database does not answer as it should",
    "migrations": "the database is not at this version's schema, or cannot be asked",
    "temporal": "Temporal does not answer as it should",
    "process": "it is stopping",
}
"""What is said of each, whatever is wrong: the words may name hosts and roles, and anybody may ask."""


class LiveBody(Struct, frozen=True):
    """The process answers."""

    status: Literal["alive"] = "alive"


class ReadyBody(Struct, frozen=True):
    """The service can do its work; `degraded`: reads and submissions go on, something else does not."""

    status: Annotated[Health, Meta(description="`ready` or `degraded`")]
    checks: dict[str, CheckResult]


class HealthController(Controller):
    """For the machinery that starts, stops and routes."""

    tags = ("health",)
    opt = {"scope": ANYBODY}  # noqa: RUF012

    @get("/livez", operation_id="live", summary="Does the process answer?", operation_class=ContractOperation)
    async def live(self) -> LiveBody:
        """Asks nothing of anything else."""
        return LiveBody()

    @get(
        "/readyz",
        operation_id="ready",
        summary="Can the service do its work?",
        operation_class=ContractOperation,
        responses=problems()
        | {503: ResponseSpec(NotReadyProblem, False, "Reads and submissions do not work", MEDIA_TYPE)},
    )
    async def ready(self, request: ApiRequest) -> ReadyBody:
        """The database and its schema decide. An engine that does not answer only degrades."""
        report = await request.services.health.check()
        checks = _results(report.checks)
        if report.status is Health.UNAVAILABLE:
            raise NotReady(checks)
        return ReadyBody(report.status, checks)


def _results(checks: Mapping[str, str | None]) -> dict[str, CheckResult]:
    return {
        name: CheckResult(ok=words is None, message=None if words is None else _UNWELL.get(name, "it is not well"))
        for name, words in checks.items()
    }
