"""Which operation a run is, its rule about outcome reports, and how both reach the further runs of its chain."""

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
    """What a start of the ledger says of itself."""

    operation_id: str
    outcome_reports: OutcomeReports | None = None
    """None: there is no memo. A start by an earlier version, whose open runs must replay as they were recorded."""
    memo: Any = None
    """As it has to reach the next run; None: there is none."""


def identify() -> Identity | None:
    """The operation that this run is, or None when it is none."""
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
    except Exception:
        # Another codec, or a newer ledger: without the report Temporal tells how it ended, only later.
        return Identity(canonical, OutcomeReports.NEVER, {"report_outcome": OutcomeReports.NEVER.value})


def keep(identity: Identity) -> None:
    """Let every further run of the chain be the same operation, whatever this one gives or takes away.

    What `continue_as_new` is given replaces what the run has, instead of being added to it, and from a signal handler
    it does not pass through the run method. So the call itself is intercepted.
    """
    intercept_continue_as_new(
        lambda given: dataclasses.replace(
            given,
            search_attributes=_attributes(identity, given.search_attributes),
            memo=_memo(identity, given.memo),
        )
    )


def _attributes(identity: Identity, given: Any) -> Any:
    """With nothing given, temporalio carries over what the run has now."""
    current = workflow.info().typed_search_attributes
    if not given and current.get(OPERATION_UUID) == identity.operation_id:
        return given
    attributes = given or current
    if isinstance(attributes, TypedSearchAttributes):
        return attributes.updated(SearchAttributePair(OPERATION_UUID, identity.operation_id))
    return {**attributes, OPERATION_UUID.name: [identity.operation_id]}


def _memo(identity: Identity, given: Any) -> Any:
    return given if identity.memo is None or not given else {**given, MEMO: identity.memo}
