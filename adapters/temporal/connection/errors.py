"""Maps the server's errors (gRPC status and message) to the port's errors, in one table."""

from dataclasses import dataclass

from temporalio.api.errordetails.v1 import NotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from application.ports.engine.workflow_engine import (
    CallbackRefused,
    CallbacksExhausted,
    EngineUnavailable,
    ExecutionExists,
    StartFailed,
    StartRejected,
)
from domain.errors import OpledgerError


@dataclass(frozen=True, slots=True)
class Rule:
    """The port's errors for a gRPC error. The first matching rule applies."""

    status: RPCStatusCode
    fragment: str
    """Part of the server's message, in lower case; empty matches every message."""
    on_start: type[OpledgerError]
    otherwise: type[OpledgerError] = EngineUnavailable
    with_callback: bool = False
    """Whether the rule matches only starts with a completion callback."""


RULES = (
    # The only search attribute, the namespace and the callback of a start are configured by the operator, not the
    # client.
    Rule(RPCStatusCode.INVALID_ARGUMENT, "search attribute", StartFailed),
    # The limit of one execution. A limit of 0, that is no callbacks at all, is an INVALID_ARGUMENT.
    Rule(RPCStatusCode.FAILED_PRECONDITION, "callbacks to a workflow", CallbacksExhausted, with_callback=True),
    # Before "namespace": some of these messages end with it. All are in the server's source; most are measured.
    Rule(RPCStatusCode.INVALID_ARGUMENT, "callback", CallbackRefused, with_callback=True),
    Rule(RPCStatusCode.INVALID_ARGUMENT, "invalid url", CallbackRefused, with_callback=True),
    Rule(RPCStatusCode.INVALID_ARGUMENT, "url length longer", CallbackRefused, with_callback=True),
    Rule(RPCStatusCode.INVALID_ARGUMENT, "invalid header", CallbackRefused, with_callback=True),
    Rule(RPCStatusCode.INVALID_ARGUMENT, "nexus", CallbackRefused, with_callback=True),
    Rule(RPCStatusCode.FAILED_PRECONDITION, "callback", CallbackRefused, with_callback=True),
    Rule(RPCStatusCode.PERMISSION_DENIED, "callback", CallbackRefused, with_callback=True),
    Rule(RPCStatusCode.UNIMPLEMENTED, "", CallbackRefused, with_callback=True),
    Rule(RPCStatusCode.INVALID_ARGUMENT, "namespace", StartFailed),
    Rule(RPCStatusCode.INVALID_ARGUMENT, "callback", StartFailed),
    Rule(RPCStatusCode.INVALID_ARGUMENT, "", StartRejected),
    # A message above gRPC's limit (4 MiB, measured) has the same status as a rate limit, but a retry never succeeds.
    Rule(RPCStatusCode.RESOURCE_EXHAUSTED, "larger than max", StartRejected),
    Rule(RPCStatusCode.RESOURCE_EXHAUSTED, "", EngineUnavailable),
    Rule(RPCStatusCode.ALREADY_EXISTS, "", ExecutionExists),
    Rule(RPCStatusCode.UNAVAILABLE, "", EngineUnavailable),
    Rule(RPCStatusCode.DEADLINE_EXCEEDED, "", EngineUnavailable),
    Rule(RPCStatusCode.CANCELLED, "", EngineUnavailable),  # also the SDK's own timeout
    # The connection was cut before the reply arrived (measured: UNKNOWN); the server may have started the workflow.
    Rule(RPCStatusCode.UNKNOWN, "transport error", EngineUnavailable),
    Rule(RPCStatusCode.UNKNOWN, "h2 protocol error", EngineUnavailable),
    Rule(RPCStatusCode.INTERNAL, "h2 protocol error", EngineUnavailable),
)
DEFAULT_RULE = Rule(RPCStatusCode.UNKNOWN, "", StartFailed)
"""A missing namespace, an expired key, a server bug: temporary errors, which must not fail operations."""


def start_error(error: RPCError, *, with_callback: bool = False) -> OpledgerError:
    """The port's error for a refused start, with the server's message. `with_callback`: it had a completion
    callback."""
    return _rule(error, with_callback).on_start(_message(error))


def engine_error(error: RPCError) -> OpledgerError:
    """The port's error for any other refused call, with the server's message."""
    return _rule(error, False).otherwise(_message(error))


def unknown_execution(error: RPCError) -> bool:
    """Whether the server says that the execution does not exist or is closed.

    The check is strict, because the ledger then gives up the operation. These NOT_FOUND errors do not count: without
    the server's own detail (from a proxy, for example), about the namespace, and from a cluster that is not the active
    one of the namespace.
    """
    if error.status is not RPCStatusCode.NOT_FOUND:
        return False
    for detail in error.grpc_status.details:
        failure = NotFoundFailure()
        if detail.Unpack(failure):
            return failure.current_cluster == failure.active_cluster
    return False


def _rule(error: RPCError, with_callback: bool) -> Rule:
    message = error.message.lower()
    rules = (rule for rule in RULES if with_callback or not rule.with_callback)
    return next((rule for rule in rules if rule.status is error.status and rule.fragment in message), DEFAULT_RULE)


def _message(error: RPCError) -> str:
    return error.message or f"the engine answered {error.status.name}"
