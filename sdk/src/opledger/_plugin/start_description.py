"""Describes the operation of a start for the ledger."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.client import StartWorkflowInput, UpdateWithStartStartWorkflowInput
from temporalio.common import TypedSearchAttributes, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.converter import DataConverter

from opledger._tracking.description import MAX_RESULT_BYTES, describe_result
from opledger.search_attribute import OPERATION_UUID

Start = StartWorkflowInput | UpdateWithStartStartWorkflowInput
Labels = Mapping[str, str] | Callable[[str, Sequence[Any]], Mapping[str, str]]
"""Labels, or a function of workflow type and arguments."""
TypeOf = Mapping[str, str] | Callable[[str], str]
"""Operation types by workflow type, or a function."""


@dataclass(frozen=True)
class StartDescription:
    """The caller's options for the operations of its starts."""

    type_of: TypeOf | None = None
    labels: Labels | None = None

    def describe(self, start: Start, converter: DataConverter, *, signals: bool) -> dict[str, Any]:
        """The body of the request to record. `signals`: signal-with-start, which takes a running execution as it is."""
        operation: dict[str, Any] = {
            "type": self._type(start.workflow),
            "workflow_id": start.id,
            "on_running": _on_running(start, signals=signals),
        }
        labels = self.labels(start.workflow, start.args) if callable(self.labels) else self.labels
        if labels:
            operation["labels"] = dict(labels)
        values = _json_values(start.args, converter)
        if values:
            operation["input"] = values[0] if len(values) == 1 else values
        return operation

    def _type(self, workflow_type: str) -> str:
        if callable(self.type_of):
            return self.type_of(workflow_type)
        return (self.type_of or {}).get(workflow_type, workflow_type)


def names_operation(start: Start) -> bool:
    """Whether the caller has set the search attribute `OperationUUID` itself."""
    attributes = start.search_attributes
    if isinstance(attributes, TypedSearchAttributes):
        return attributes.get(OPERATION_UUID) is not None
    return OPERATION_UUID.name in (attributes or {})


def _json_values(arguments: Sequence[Any], converter: DataConverter) -> list[Any]:
    """The arguments as JSON values; none if one of them is not JSON, or they are too large."""
    described = [describe_result(payload) for payload in converter.payload_converter.to_payloads(arguments)]
    values = [value for value, omitted in described if not omitted]
    fits = len(values) == len(described) and len(json.dumps(values)) <= MAX_RESULT_BYTES
    return values if fits else []


def _on_running(start: Start, *, signals: bool) -> str:
    """The client's own policy for an execution that runs under the workflow id, in the ledger's words."""
    if (
        start.id_conflict_policy is WorkflowIDConflictPolicy.TERMINATE_EXISTING
        or start.id_reuse_policy is WorkflowIDReusePolicy.TERMINATE_IF_RUNNING
    ):
        return "terminate"
    uses = signals and start.id_conflict_policy is WorkflowIDConflictPolicy.UNSPECIFIED
    return "use_existing" if uses or start.id_conflict_policy is WorkflowIDConflictPolicy.USE_EXISTING else "reject"
