"""What the server's refusals mean: gRPC status and words to the port's errors, as one table."""

from dataclasses import dataclass

from temporalio.api.errordetails.v1 import NotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from application.ports.workflow_engine import (
    CallbackRefused,
    EngineUnavailable,
    ExecutionExists,
    StartFailed,
    StartRejected,
)
from domain.errors import OpledgerError


@dataclass(frozen=True, slots=True)
class Rule:
    """The errors that a refusal becomes. The first rule that fits decides."""

    status: RPCStatusCode
    words: str
    """What the server's message contains, in lower case; empty fits all."""
    on_start: type[OpledgerError]
    otherwise: type[OpledgerError] = EngineUnavailable
    with_callback: bool = False
    """Whether it fits only starts that carry a completion callback."""


RULES = (
    # The start's only search attribute, namespace and callback are the operator's, not the customer's.
    Rule(RPCStatusCode.INVALID_ARGUMENT, "search attribute", StartFailed),
    # Before "namespace", which some of these words end with. All of them are in the server's source, most measured.
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
    # A message above gRPC's limit (4 MiB, measured) has the same status as "slow down", but never gets smaller.
    Rule(RPCStatusCode.RESOURCE_EXHAUSTED, "larger than max", StartRejected),
    Rule(RPCStatusCode.RESOURCE_EXHAUSTED, "", EngineUnavailable),
    Rule(RPCStatusCode.ALREADY_EXISTS, "", ExecutionExists),
    Rule(RPCStatusCode.UNAVAILABLE, "", EngineUnavailable),
    Rule(RPCStatusCode.DEADLINE_EXCEEDED, "", EngineUnavailable),
    Rule(RPCStatusCode.CANCELLED, "", EngineUnavailable),  # also what the SDK makes of its own time-out
    # A connection that is cut while the answer is on its way (measured: UNKNOWN); the start may have gone through.
    Rule(RPCStatusCode.UNKNOWN, "transport error", EngineUnavailable),
    Rule(RPCStatusCode.UNKNOWN, "h2 protocol error", EngineUnavailable),
    Rule(RPCStatusCode.INTERNAL, "h2 protocol error", EngineUnavailable),
)
DEFAULT_RULE = Rule(RPCStatusCode.UNKNOWN, "", StartFailed)
"""A missing namespace, an expired key, a server's bug: it passes, and must not fail customers' operations."""


def start_error(error: RPCError, *, with_callback: bool = False) -> OpledgerError:
    """What a refused start, with or without a completion callback, is to the port, in the server's words."""
    return _rule(error, with_callback).on_start(_words(error))


def engine_error(error: RPCError) -> OpledgerError:
    """What any other refused call is to the port."""
    return _rule(error, False).otherwise(_words(error))


def unknown_execution(error: RPCError) -> bool:
    """Whether the server says that it does not know the execution, or that it is closed.

    Strict, because operations are given up on this word: a NOT_FOUND without the server's own detail (a proxy's, say),
    about the namespace, or from a cluster that is not the namespace's active one, does not count.
    """
    if error.status is not RPCStatusCode.NOT_FOUND:
        return False
    for detail in error.grpc_status.details:
        failure = NotFoundFailure()
        if detail.Unpack(failure):
            return failure.current_cluster == failure.active_cluster
    return False


def _rule(error: RPCError, with_callback: bool) -> Rule:
    words = error.message.lower()
    rules = (rule for rule in RULES if with_callback or not rule.with_callback)
    return next((rule for rule in rules if rule.status is error.status and rule.words in words), DEFAULT_RULE)


def _words(error: RPCError) -> str:
    return error.message or f"the engine answered {error.status.name}"
