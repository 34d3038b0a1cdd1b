"""Identifies the operation of a workflow run, and passes the identity on to the next runs of its chain."""

import dataclasses
import uuid
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from opledger._run import intercept_continue_as_new
from opledger.wire import MEMO, OPERATION_UUID, OutcomeReports


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
    """The identity of the current run; None if the ledger did not start it."""
    if not workflow.in_workflow():
        return None
    info = workflow.info()
    if info.parent is not None or info.typed_search_attributes.get(OPERATION_UUID) != info.workflow_id:
        return None
    try:
        canonical = str(uuid.UUID(info.workflow_id))
    except ValueError:
        return None
    if info.workflow_id != canonical:
        return None
    if MEMO not in info.raw_memo:
        return Identity(canonical)
    try:
        memo = workflow.memo_value(MEMO)
        return Identity(canonical, OutcomeReports(memo["report_outcome"]), memo)
    except Exception:  # noqa: BLE001
        # Another codec, or a newer ledger. Without the report the ledger learns the outcome from Temporal, only later.
        return Identity(canonical, OutcomeReports.NEVER, {"report_outcome": OutcomeReports.NEVER.value})


def keep_identity(identity: Identity) -> None:
    """Passes the identity on to every later run of the chain, whatever arguments `continue_as_new` gets.

    The search attributes and the memo in its arguments replace those of the run. A signal handler can call
    `continue_as_new` too, outside of the run method. So this intercepts the call itself.
    """
    intercept_continue_as_new(
        lambda arguments: dataclasses.replace(
            arguments,
            search_attributes=_attributes(identity, arguments.search_attributes),
            memo=_memo(identity, arguments.memo),
        )
    )


def _attributes(identity: Identity, given: Any) -> Any:
    """Adds the operation's id to the search attributes. Without `given`, temporalio passes on those of the run."""
    current = workflow.info().typed_search_attributes
    if not given and current.get(OPERATION_UUID) == identity.operation_id:
        return given
    attributes = given or current
    if isinstance(attributes, TypedSearchAttributes):
        return attributes.updated(SearchAttributePair(OPERATION_UUID, identity.operation_id))
    return {**attributes, OPERATION_UUID.name: [identity.operation_id]}


def _memo(identity: Identity, given: Any) -> Any:
    return given if identity.memo is None or not given else {**given, MEMO: identity.memo}
