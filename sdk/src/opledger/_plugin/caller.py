"""Header by which a tracked workflow names itself to the activities and children that it starts."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import JSONPlainPayloadConverter

HEADER = "opledger"
_converter = JSONPlainPayloadConverter()


@dataclass(frozen=True)
class Caller:
    """The workflow that starts an activity or a child: what these cannot read from their own info."""

    operation_id: str
    first_run_id: str
    task_queue: str
    started_at: str
    attempt: int


def caller_of(operation_id: str, info: workflow.Info) -> Caller:
    """The current run as a caller."""
    return Caller(
        operation_id, info.first_execution_run_id, info.task_queue, info.workflow_start_time.isoformat(), info.attempt
    )


def with_caller(headers: Mapping[str, Payload], caller: Caller) -> dict[str, Payload]:
    """Adds the caller. It is plain JSON, whatever the data converter is."""
    payload = _converter.to_payload(asdict(caller))
    assert payload is not None, "a dict of strings and numbers is JSON"
    return {**headers, HEADER: payload}


def read_caller(headers: Mapping[str, Payload]) -> Caller | None:
    """The caller; None if the header is missing or not readable."""
    try:
        return Caller(**json.loads(headers[HEADER].data))
    except (KeyError, TypeError, ValueError):
        return None
