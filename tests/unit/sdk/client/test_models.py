"""The models have the fields of the OpenAPI document, and ignore what later versions add."""

import dataclasses
import inspect
import json
from datetime import datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import click
import msgspec
import pytest

from opledger import (
    Adopted,
    AsyncClient,
    Attention,
    BatchResult,
    Bucket,
    CancelRequest,
    Client,
    Counts,
    DryRun,
    Durations,
    DurationSummary,
    Event,
    Execution,
    Operation,
    OperationError,
    OperationStatus,
    OperationType,
    Page,
    Progress,
    Step,
    Submission,
    Target,
    Throughput,
    Transition,
)
from opledger._cli.commands.show import targets
from opledger._client.bulk import BulkPreview, TargetPage
from opledger._client.filters import Filters

DOCUMENT = json.loads((Path(__file__).parents[2] / "entrypoints/http/openapi.json").read_text())
MODELS = {
    "AttentionBody": Attention,
    "BucketBody": Bucket,
    "BulkPreviewBody": BulkPreview,
    "CancelRequestBody": CancelRequest,
    "CountsBody": Counts,
    "DurationBody": DurationSummary,
    "DurationsBody": Durations,
    "ErrorBody": OperationError,
    "ExecutionBody": Execution,
    "OperationBody": Operation,
    "PageBody": Page,
    "ProgressBody": Progress,
    "StepBody": Step,
    "TargetBody": Target,
    "TargetsBody": TargetPage,
    "ThroughputBody": Throughput,
    "TransitionBody": Transition,
    "TypeBody": OperationType,
}
METHODS = {
    "acknowledgeOperation": "acknowledge",
    "acknowledgeOperations": "confirm",
    "adoptExecution": "adopt",
    "cancelOperation": "cancel",
    "cancelOperations": "confirm",
    "countOperations": "counts",
    "deleteOperation": "delete",
    "deleteOperations": "confirm",
    "getOperation": "get",
    "getOperationType": "operation_type",
    "keepOperation": "keep",
    "listOperations": "list",
    "listOperationTypes": "types",
    "listTargets": "targets",
    "listTransitions": "history",
    "readDurations": "durations",
    "readThroughput": "throughput",
    "retryOperation": "retry",
    "retryOperations": "confirm",
    "streamEvents": "events",
    "streamOperation": "events",
    "submitBatch": "batch",
    "submitOperation": "submit",
}
CALLS = {
    call["operationId"]: call
    for path in DOCUMENT["paths"].values()
    for call in path.values()
    if call["operationId"] in METHODS
}
OTHERS = {
    *("createStreamTicket", "live", "ready", "receiveCallback"),
    *("recordOperation", "sendReport"),
}


def parameters_of(call: dict[str, Any]) -> set[str]:
    """The names of query parameters, and of the fields of the body."""
    names = {one["name"] for one in call.get("parameters", ()) if one["in"] == "query"}
    if "requestBody" not in call:
        return names
    body = call["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return names | {*DOCUMENT["components"]["schemas"][body]["properties"]}


@pytest.mark.parametrize("name", MODELS)
def test_model_has_the_fields_of_the_contract(name: str) -> None:
    """Under the same names; what the API may leave out has a default."""
    schema = DOCUMENT["components"]["schemas"][name]
    fields = {field.encode_name: field for field in msgspec.structs.fields(MODELS[name])}  # type: ignore[arg-type]
    in_events = {"operation_id"} if name == "TransitionBody" else set()
    assert fields.keys() - in_events == schema["properties"].keys()
    optional = schema["properties"].keys() - set(schema["required"])
    assert all(not fields[field].required for field in optional)


def kind_of(schema: dict[str, Any]) -> object:
    """The kind of JSON that a schema allows. Ids are strings, and so are words, of which a later ledger may have more,
    except for the statuses."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        found = DOCUMENT["components"]["schemas"][name]
        if "properties" in found:
            return ("model", name)
        return ("words", name) if name == "OperationStatus" else "string"
    alternatives = schema.get("oneOf") or schema.get("anyOf")
    if alternatives:
        kinds = frozenset(kind_of(one) for one in alternatives)
        return next(iter(kinds)) if len(kinds) == 1 else kinds
    if schema.get("type") == "array":
        return ("array", kind_of(schema["items"]))
    if schema.get("type") == "object":
        return ("object", kind_of(schema["additionalProperties"]))
    return "date-time" if schema.get("format") == "date-time" else schema.get("type", "any")


NAMES = {model: name for name, model in MODELS.items()}
SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", datetime: "date-time", NoneType: "null"}


def kind_of_type(declared: Any) -> object:
    """The same for the type of a field."""
    origin, arguments = get_origin(declared), get_args(declared)
    if origin in (Union, UnionType):
        kinds = frozenset(kind_of_type(one) for one in arguments if one is not msgspec.UnsetType)
        return next(iter(kinds)) if len(kinds) == 1 else kinds
    if origin is list:
        return ("array", kind_of_type(arguments[0]))
    if origin is dict:
        assert arguments[0] in (str, OperationStatus)
        return ("object", kind_of_type(arguments[1]))
    if declared is Any:
        return "any"
    if declared is OperationStatus:
        return ("words", "OperationStatus")
    return ("model", NAMES[declared]) if declared in NAMES else SIMPLE[declared]


@pytest.mark.parametrize("name", MODELS)
def test_fields_have_the_types_of_the_contract(name: str) -> None:
    """Also whether they may be null."""
    properties = DOCUMENT["components"]["schemas"][name]["properties"]
    optional = OPTIONAL.get(name, set())
    for field in msgspec.structs.fields(MODELS[name]):  # type: ignore[arg-type]
        if field.encode_name not in properties:
            continue
        found = kind_of_type(field.type)
        if field.encode_name in optional:
            assert isinstance(found, frozenset)
            found = next(iter(found - {"null"}))
        assert found == kind_of(properties[field.encode_name]), field.name


OPTIONAL = {"ExecutionBody": {"first_run_id"}}
"""Fields that the API leaves out, and that are None then."""


@pytest.mark.parametrize("model", [*MODELS.values(), Event], ids=lambda model: model.__name__)
def test_models_are_frozen(model: type[msgspec.Struct]) -> None:
    """A change raises an error."""
    assert model.__struct_config__.frozen


@pytest.mark.parametrize("model", [Adopted, BatchResult, DryRun, Submission])
def test_results_of_several_parts_are_frozen(model: Any) -> None:
    """A change raises an error."""
    assert model.__dataclass_params__.frozen


def test_statuses_are_those_of_the_contract() -> None:
    """A closed list."""
    assert [*OperationStatus] == DOCUMENT["components"]["schemas"]["OperationStatus"]["enum"]


def test_every_call_of_the_contract_has_a_method() -> None:
    """Of both clients. The others are for Temporal, the plugin, browsers and probes."""
    contract = {call["operationId"] for path in DOCUMENT["paths"].values() for call in path.values()}
    assert contract == {*METHODS, *OTHERS}
    for kind in (Client, AsyncClient):
        assert all(hasattr(kind, method) for method in METHODS.values())


ELSEWHERE = {
    *("page_size", "page_token"),  # pages are read one after the other
    *("wait", "until", "last_event_id", "ticket", "operations", "filter", "confirm", "dry_run"),
}
"""Parameters of the contract that the client sets itself, or has under another name."""


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_every_parameter_of_a_call_is_one_of_the_method(kind: type, call: str) -> None:
    """Query parameters, and fields of the body."""
    method = getattr(kind, METHODS[call])
    known = {*inspect.signature(method).parameters}
    if "filters" in known:
        known |= {*Filters.__annotations__}
    assert parameters_of(CALLS[call]) - ELSEWHERE <= known


def test_submission_has_the_fields_of_the_contract() -> None:
    """Alone and in a batch."""
    fields = {field.name for field in dataclasses.fields(Submission)}
    assert fields == {*DOCUMENT["components"]["schemas"]["BatchItemBody"]["properties"]}
    assert fields == {*inspect.signature(Client.submit).parameters} - {"self"}


def test_outcomes_of_targets_are_those_of_the_contract() -> None:
    """As the command line completes them."""
    [outcome] = [option for option in targets.params if option.name == "outcome"]
    assert isinstance(outcome.type, click.Choice)
    assert [*outcome.type.choices] == DOCUMENT["components"]["schemas"]["TargetOutcome"]["enum"]


def test_filters_are_those_of_the_contract() -> None:
    """In lists and in bulk actions."""
    [listed] = [
        call for call in DOCUMENT["paths"]["/v1/operations"].values() if call["operationId"] == "listOperations"
    ]
    parameters = {parameter["name"] for parameter in listed["parameters"]} - {"order", "page_size", "page_token"}
    assert {*Filters.__annotations__} == parameters
    body = DOCUMENT["components"]["schemas"]["BulkFilterBody"]["properties"]
    assert {*Filters.__annotations__} == {"labels" if name == "label" else name for name in body.keys() - {"all"}}


def test_unknown_fields_and_codes_are_ignored() -> None:
    """An older client reads a newer ledger."""
    operation: dict[str, Any] = {
        "id": "i", "type": "t", "status": "FAILED", "done": True, "labels": {}, "result": None, "progress": None,
        "error": {"code": "NEW_CODE", "message": "m", "details": {}, "more": 1},
        "accepted_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:01Z",
        "finished_at": "2026-01-01T00:00:03Z", "updated_at": "2026-01-01T00:00:03Z",
        "cancel_requested": None, "attention": None,
        "execution": {"workflow_id": "w", "origin": "NEW_ORIGIN"}, "version": 3, "new": {},
    }  # fmt: skip
    read = msgspec.json.decode(json.dumps(operation), type=Operation)
    assert read.error is not None
    assert read.error.code == "NEW_CODE"
    assert read.duration is not None
    assert read.duration.total_seconds() == 2
