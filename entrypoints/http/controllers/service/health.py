"""Routes: liveness and readiness probes."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from litestar import Controller, get
from litestar.openapi import ResponseSpec
from msgspec import Meta, Struct

from application.operate.health import Health
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.problems.problems import MEDIA_TYPE, CheckResult, NotReady, NotReadyProblem
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.security.authorization import PUBLIC

_MESSAGES: Final = {
    "database": "the database is unavailable or does not answer correctly",
    "migrations": "the database does not have the schema of this version, or is unavailable",
    "temporal": "Temporal is unavailable or does not answer correctly",
    "process": "the process is shutting down",
}
"""Public messages of failed checks. The original messages may name hosts and roles; the probes need no credentials."""


class LiveBody(Struct, frozen=True):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class ReadyBody(Struct, frozen=True):
    """The readiness of the service. `degraded`: reads and submissions work, an optional dependency fails."""

    status: Annotated[Health, Meta(description="`ready` or `degraded`")]
    checks: dict[str, CheckResult]


class HealthController(Controller):
    """Probes for orchestrators and load balancers."""

    tags = ("health",)
    opt = {"scope": PUBLIC}  # noqa: RUF012

    @get("/livez", operation_id="live", summary="Liveness probe", operation_class=ContractOperation)
    async def live(self) -> LiveBody:
        """Checks no dependency."""
        return LiveBody()

    @get(
        "/readyz",
        operation_id="ready",
        summary="Readiness probe",
        operation_class=ContractOperation,
        responses=problems()
        | {
            503: ResponseSpec(
                NotReadyProblem, False, "The service is not ready: reads and submissions do not work", MEDIA_TYPE
            )
        },
    )
    async def ready(self, request: ApiRequest) -> ReadyBody:
        """Ready if the database is available and has the schema of this version. `degraded` if only Temporal is
        unavailable."""
        report = await request.services.health.check()
        checks = _results(report.checks)
        if report.status is Health.UNAVAILABLE:
            raise NotReady(checks)
        return ReadyBody(report.status, checks)


def _results(checks: Mapping[str, str | None]) -> dict[str, CheckResult]:
    return {
        name: CheckResult(ok=error is None, message=None if error is None else _MESSAGES.get(name, "the check failed"))
        for name, error in checks.items()
    }
