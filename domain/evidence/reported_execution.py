"""The execution that a report names: the sending run and its chain, as the sender says."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.operation.chain import Run
from domain.operation.operation_id import adopted_id


@dataclass(frozen=True, slots=True)
class ReportedParent:
    """The workflow that started the sender as its child."""

    workflow_id: str
    first_run_id: str | None = None
    """First run of its chain; None: the sender does not know it."""
    operation_id: UUID | None = None

    def adopted_id(self, namespace: str) -> UUID | None:
        """The operation's id, if it is the one that an adoption of the chain gives."""
        if self.first_run_id is None or self.operation_id is None:
            return None
        adopted = adopted_id(namespace, self.workflow_id, self.first_run_id)
        return adopted if adopted == self.operation_id else None


@dataclass(frozen=True, slots=True)
class ReportedExecution:
    """Counts only after the engine has confirmed it: a sender may say anything."""

    namespace: str
    workflow_id: str
    run_id: str
    first_run_id: str
    workflow_type: str
    task_queue: str
    started_at: datetime
    """Start of the run `run_id`."""
    parent: ReportedParent | None = None

    @property
    def run(self) -> Run:
        """The sending run."""
        return Run(self.workflow_id, self.run_id)

    @property
    def adopted_id(self) -> UUID:
        """Id of the operation that adopts the chain."""
        return adopted_id(self.namespace, self.workflow_id, self.first_run_id)
