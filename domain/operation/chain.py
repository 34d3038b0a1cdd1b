"""The workflow chain of an operation, and the runs that belong to it."""

from dataclasses import dataclass
from enum import Enum
from typing import Final
from uuid import UUID

MAX_WORKFLOW_ID: Final = 1000
"""Bytes of UTF-8: the limit of Temporal's ids."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One start of a workflow and all runs that follow from it.

    Retries, resets and continue-as-new keep the id of the first run. Another start with the same workflow id has a
    different first run id.
    """

    operation_id: UUID
    workflow_id: str
    """Workflow id of all runs of the chain."""
    first_run_id: str | None = None
    """None until the ledger knows it. Until then the search attribute `OperationUUID` identifies the chain."""


@dataclass(frozen=True, slots=True)
class Run:
    """One workflow run, identified as in Temporal."""

    workflow_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """The chain of a run, as the engine describes it."""

    first_run_id: str
    operation_id: UUID | None = None
    """Value of the search attribute `OperationUUID`; None if it is missing or not a UUID."""


class Membership(Enum):
    """Whether a run belongs to a chain."""

    OWN = "OWN"
    FOREIGN = "FOREIGN"
    UNDECIDED = "UNDECIDED"
    """The run's origin is needed: only the engine knows it."""


def membership(chain: Chain, run: Run, origin: RunOrigin | None) -> Membership:
    """Whether the run belongs to the chain. `origin` is the engine's answer about the run; None: not requested yet."""
    if run.workflow_id != chain.workflow_id:
        return Membership.FOREIGN
    if chain.first_run_id is not None and run.run_id == chain.first_run_id:
        return Membership.OWN
    if origin is None:
        return Membership.UNDECIDED
    if chain.first_run_id is None:
        own = origin.operation_id == chain.operation_id
    else:
        own = origin.first_run_id == chain.first_run_id
    return Membership.OWN if own else Membership.FOREIGN
