"""The service conforms to its OpenAPI document: schemathesis with all checks, by operation and along links.

Requests that must succeed exclude what no schema can express: an undeclared type, a used idempotency key, a token of
another query, an empty range of times and its order, an event id that the stream has not reached, U+0000. Other tests
cover these."""

import itertools
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from litestar import Litestar
from schemathesis import CheckContext, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection

from adapters.memory.engine.executions import StartFields
from entrypoints.reports.start_report import START_KINDS
from tests.support.http.api import Api

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
"""Seconds, all of them processor time: up to 150 s on a busy machine, where the usual limit is 180."""
BEGINNING = {"streamOperation": "0.0", "streamEvents": "0-00000000000000000000000000000000-0"}
"""Event ids that every event follows."""
BULK = {"cancelOperations", "retryOperations", "deleteOperations", "acknowledgeOperations"}
ADOPTABLE = "nightly"
"""Workflow id of an execution that can be adopted."""
_numbers = itertools.count()


def application() -> Litestar:
    """Returns an application in shutdown, where no request waits and streams end after past events: each call has an
    event loop of its own, and no time passes."""
    api = Api()
    api.world.start_from_outside(ADOPTABLE, StartFields("Deploy", "queue"))
    api.hub.close()
    return api.app


def described(**generation: str) -> Any:
    """Returns an application's own document, fetched under a host name that it accepts."""
    config = SchemathesisConfig.from_dict({"base-url": "http://localhost", "generation": generation})
    return schemathesis.openapi.from_asgi("/openapi.json", application(), config=config, headers={"Host": "localhost"})


REPORT: dict[str, Any] = {
    "execution": {
        **dict.fromkeys(("namespace", "workflow_id", "run_id", "first_run_id", "workflow_type", "task_queue"), "x"),
        "started_at": "2026-01-01T00:00:00Z",
    },
    "progress": {"fraction": 0.5},
    "error": {"message": "x"},
}
schema = described()
succeeding = described(mode="positive")
"""Valid requests only: a link would replace an invalid id by a valid one."""


@schemathesis.hook
def before_call(_: HookContext, case: Any, __: dict[str, Any]) -> None:  # noqa: C901 -- a table
    """Changes a request that should succeed to one that can."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    case.body = _storable(case.body)
    operation = case.operation.definition.raw["operationId"]
    if operation == "submitOperation":
        case.body["type"] = "deploy"
        _without_relations(case.body)
    if operation == "retryOperation" and isinstance(case.body, dict):
        _without_relations(case.body)
    if operation == "adoptExecution":
        case.body = {"type": "deploy", "workflow_id": ADOPTABLE}
    if operation == "recordOperation":
        case.body["workflow_id"] = f"{case.body['workflow_id'][:200]}-{next(_numbers)}"
    if operation == "sendReport":  # what a kind needs beyond the fields that all kinds need
        case.body |= {name: value for name, value in REPORT.items() if not case.body.get(name)}
        case.body["progress"] = REPORT["progress"]
        if case.body["kind"] in START_KINDS:
            case.body["operation_id"] = str(UUID(int=1))
    if operation in BULK:
        _begin_with_a_dry_run(case.body)
    if operation == "listTargets":
        case.query.pop("page_token", None)
    if case.headers.get("Idempotency-Key"):
        case.headers["Idempotency-Key"] = f"{case.headers['Idempotency-Key'][:240]}-{next(_numbers)}"
    if "If-Match" in case.headers:
        case.headers["If-Match"] = "*"
    if "Last-Event-ID" in case.headers:
        case.headers["Last-Event-ID"] = BEGINNING[operation]
    case.query.pop("ticket", None)  # nothing to replace
    if "last_event_id" in case.query:
        case.query["last_event_id"] = BEGINNING[operation]
    if operation == "submitBatch":
        for item in case.body["operations"]:
            item["type"] = "deploy"
            _without_relations(item)
            if "idempotency_key" in item:
                item["idempotency_key"] = f"{item['idempotency_key'][:240]}-{next(_numbers)}"
    if operation == "getOperation" and "wait" not in case.query:
        case.query.pop("until", None)  # `until` is valid only with `wait`
    if operation == "readDurations":
        case.query.pop("finished_before", None)  # with the other bound, the range may be empty
    if operation == "listOperations":
        case.query.pop("page_token", None)
        for name in ("accepted_before", "finished_before"):  # with the other bound, the range may be empty
            case.query.pop(name, None)
        if "finished_after" in case.query:
            case.query.pop("order", None)  # only that of the finish time is valid


def _without_relations(submission: dict[str, Any]) -> None:
    """Removes what the schema alone cannot say: there is no operation to name, and a start is near or refused."""
    for name in ("parent_id", "start_at", "delay"):
        submission.pop(name, None)


def _begin_with_a_dry_run(body: dict[str, Any]) -> None:
    """Removes the confirmation, which no dry run has issued, ranges that may be empty, and conditions beside `all`."""
    body.pop("confirm", None)
    body["dry_run"] = True
    given = {name: value for name, value in body["filter"].items() if value is not None and "before" not in name}
    if given.get("all") is True or not given.keys() - {"all"}:
        given = {"all": True}
    body["filter"] = given


def _storable(body: Any) -> Any:
    """Returns the value without U+0000."""
    match body:
        case str():
            return body.replace("\0", "")
        case list():
            return [_storable(item) for item in body]
        case dict():
            return {_storable(key): _storable(value) for key, value in body.items()}
    return body


@schemathesis.check
def documents_its_problem(_: CheckContext, response: Response, case: Any) -> None:
    """The type of a problem is among the examples of the operation's response."""
    if response.status_code >= 400 and response.request.method == case.operation.method.upper():
        documented = case.operation.definition.raw["responses"][str(response.status_code)]
        examples = documented["content"]["application/problem+json"]["examples"]
        assert response.json()["type"] in [example["value"]["type"] for example in examples.values()]


@schema.parametrize()  # type: ignore[untyped-decorator]
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_each_call_conforms(case: Any) -> None:
    """Valid and invalid requests. A batch has no error for an invalid submission, which is answered in its place."""
    batch = case.operation.definition.raw["operationId"] == "submitBatch"
    case.call_and_validate(excluded_checks=[negative_data_rejection] if batch else [])


def test_calls_along_links_conform() -> None:
    """Submitted operations are read, cancelled and listed. Each walk is a run of its own: rows of an earlier one
    would change later responses, which Hypothesis reports as flaky."""
    machine = succeeding.as_state_machine()
    for _ in range(40):
        machine.run(
            settings=settings(
                max_examples=1,
                stateful_step_count=8,
                database=None,
                phases=[Phase.generate],
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
        )
