"""Identifies the operation of a workflow run, and passes the identity on to the next runs of its chain."""

import dataclasses
import uuid
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from opledger._tracking.run import intercept_continue_as_new
from opledger.search_attribute import OPERATION_UUID
from opledger.wire import MEMO, OutcomeReports


@dataclass(frozen=True)
class Identity:
    """Operation id and rule for outcome reports, as set by the ledger at the start."""

    operation_id: str
    outcome_reports: OutcomeReports | None = None
    """None: no memo, because an earlier version of the ledger started the workflow. Its open runs must replay as they
    were recorded."""
    memo: Any = None
    """The memo to pass on to the next run; None: no memo."""


def identify() -> Identity | None:
    """The identity of the current run; None if it was not started as an operation.

    The search attribute names the operation. A child can have it from its parent. The memo, or the workflow id of an
    operation without a template, shows that the attribute is not another workflow's.
    """
    if not workflow.in_workflow():
        return None
    info = workflow.info()
    operation_id = info.typed_search_attributes.get(OPERATION_UUID)
    if info.parent is not None or operation_id is None or not _is_canonical(operation_id):
        return None
    if MEMO not in info.raw_memo:
        return Identity(operation_id) if operation_id == info.workflow_id else None
    try:
        memo = workflow.memo_value(MEMO)
        return Identity(operation_id, OutcomeReports(memo["report_outcome"]), memo)
    except Exception:  # noqa: BLE001
        # Another codec, or a newer ledger. Without the report the ledger learns the outcome from Temporal, only later.
        return Identity(operation_id, OutcomeReports.NEVER, {"report_outcome": OutcomeReports.NEVER.value})


def _is_canonical(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def keep_identity(identity: Identity) -> None:
    """Passes the identity on to every later run of the chain, whatever arguments `continue_as_new` gets.

    The search attributes and the memo in its arguments replace those of the run. A signal handler can call
    `continue_as_new` too, outside of the run method. So this intercepts the call itself.
    """
    intercept_continue_as_new(lambda arguments: with_identity(identity, arguments))


def with_identity(identity: Identity, arguments: Any) -> Any:
    """Adds the identity to a `ContinueAsNewInput`."""
    return dataclasses.replace(
        arguments,
        search_attributes=_attributes(identity, arguments.search_attributes),
        memo=_memo(identity, arguments.memo),
    )


def with_operation_id(attributes: Any, operation_id: str) -> Any:
    """Adds the operation's id to search attributes of either kind, or to None."""
    if isinstance(attributes, TypedSearchAttributes) or not attributes:
        return (attributes or TypedSearchAttributes.empty).updated(SearchAttributePair(OPERATION_UUID, operation_id))
    return {**attributes, OPERATION_UUID.name: [operation_id]}


def _attributes(identity: Identity, given: Any) -> Any:
    """Adds the operation's id to the search attributes. Without `given`, temporalio passes on those of the run."""
    current = workflow.info().typed_search_attributes
    if not given and current.get(OPERATION_UUID) == identity.operation_id:
        return given
    return with_operation_id(given or current, identity.operation_id)


def _memo(identity: Identity, given: Any) -> Any:
    return given if identity.memo is None or not given else {**given, MEMO: identity.memo}
