"""The service does what its OpenAPI document says: schemathesis, with all checks, call by call and along links.

What no schema can say is kept out of the requests that have to succeed: an undeclared type, a key that was used
before, a token of another query, a place that a stream has not come to, U+0000. Tests of their own have these.
"""

import itertools
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from litestar import Litestar
from schemathesis import HookContext
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.support.http_api import Api

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
"""Seconds. All of it is processor time: 150 s on a machine with a load of 11, where the usual limit is 180."""
BEGINNING = {"streamOperation": "0.0", "streamEvents": "0-00000000000000000000000000000000-0"}
"""Ids behind which is everything that has happened."""
_numbers = itertools.count()


def application() -> Litestar:
    """One that is on its way out, where nobody waits and a stream ends with what has happened: each call has an event
    loop of its own, and there is no time."""
    api = Api()
    api.hub.close()
    return api.app


def described(**generation: str) -> Any:
    """An application, by its own document; asked by a name that it takes."""
    config = SchemathesisConfig.from_dict({"base-url": "http://localhost", "generation": generation})
    return schemathesis.openapi.from_asgi("/openapi.json", application(), config=config, headers={"Host": "localhost"})


schema = described()
succeeding = described(mode="positive")
"""Valid requests alone: a link puts a valid id in the place of the one that was to be refused."""


@schemathesis.hook
def before_call(_: HookContext, case: Any, __: dict[str, Any]) -> None:  # noqa: C901 -- a table
    """Make a request that is meant to succeed one that can."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    case.body = _storable(case.body)
    operation = case.operation.definition.raw["operationId"]
    if operation == "submitOperation":
        case.body["type"] = "deploy"
        if case.headers.get("Idempotency-Key"):
            case.headers["Idempotency-Key"] = f"{case.headers['Idempotency-Key'][:240]}-{next(_numbers)}"
    if "If-Match" in case.headers:
        case.headers["If-Match"] = "*"
    if "Last-Event-ID" in case.headers:
        case.headers["Last-Event-ID"] = BEGINNING[operation]
    case.query.pop("ticket", None)  # there is none
    if "last_event_id" in case.query:
        case.query["last_event_id"] = BEGINNING[operation]
    if operation == "submitBatch":
        for item in case.body["operations"]:
            item["type"] = "deploy"
            if "idempotency_key" in item:
                item["idempotency_key"] = f"{item['idempotency_key'][:240]}-{next(_numbers)}"
    if operation == "getOperation" and "wait" not in case.query:
        case.query.pop("until", None)  # what ends a wait goes with one
    if operation == "listOperations":
        case.query.pop("page_token", None)


def _storable(body: Any) -> Any:
    """Without U+0000, wherever it is in it."""
    match body:
        case str():
            return body.replace("\0", "")
        case list():
            return [_storable(item) for item in body]
        case dict():
            return {_storable(key): _storable(value) for key, value in body.items()}
    return body


@schema.parametrize()  # type: ignore[untyped-decorator]
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_call(case: Any) -> None:
    """Valid and invalid requests of one operation. A batch is not refused for what is wrong with one of its
    submissions: that is answered in its place."""
    batch = case.operation.definition.raw["operationId"] == "submitBatch"
    case.call_and_validate(excluded_checks=[negative_data_rejection] if batch else [])


def test_calls_along_links() -> None:
    """What was submitted is read, cancelled and looked up. Each walk is a run of its own: what one has left in the
    ledger changes what the next one can do, which Hypothesis would take for a flaky test."""
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
