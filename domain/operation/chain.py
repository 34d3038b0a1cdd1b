"""The workflow chain that an operation refers to, and which runs belong to it."""

from dataclasses import dataclass
from enum import Enum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Chain:
    """One start of a workflow and all runs that follow from it.

    Retries, resets and continue-as-new keep the id of the first run. Another start under the same workflow id has
    another one.
    """

    operation_id: UUID
    first_run_id: str | None = None
    """None until the ledger knows it. Then the search attribute `OperationUUID` identifies the chain."""

    @property
    def workflow_id(self) -> str:
        """The workflow id of every run of the chain."""
        return str(self.operation_id)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a workflow, by the engine's names."""

    workflow_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """What the engine says of the chain that a run belongs to."""

    first_run_id: str
    operation_id: UUID | None = None
    """The value of its search attribute `OperationUUID`, if that is a UUID."""


class Membership(Enum):
    """Whether a run belongs to a chain."""

    OWN = "OWN"
    FOREIGN = "FOREIGN"
    UNDECIDED = "UNDECIDED"
    """Only the engine can tell."""


def membership(chain: Chain, run: Run, origin: RunOrigin | None) -> Membership:
    """Whether the run belongs to the chain. `origin` is the engine's answer about the run; None: not asked yet."""
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
