"""Which executions the engine's index has to list although they do not carry `OperationUUID`."""

from typing import Final

from application.ports.storage.unit_of_work import UnitOfWork
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.start.workflow_id_policy import OnRunning

MAX_TYPES: Final = 500
"""Types of open operations that are watched: a query of the index has a limited length. The verification finds the
ends of further ones."""


class WatchedWorkflows:
    """Workflow types whose executions may be operations that others have started.

    Declared types are watched always if they adopt executions or use existing ones. Others are watched while an
    operation is open that was adopted on request or at a report, or whose workflow a client has started.
    """

    def __init__(self, catalogue: OperationCatalogue) -> None:
        self._catalogue = catalogue
        self._always = frozenset(declared.workflow for declared in catalogue if _takes_others(declared))

    async def workflow_types(self, unit: UnitOfWork) -> frozenset[str]:
        """Returns the workflow types to watch now."""
        types = await unit.operations.types_started_elsewhere(MAX_TYPES)
        return self._always.union(map(self._catalogue.workflow_of, types))


def _takes_others(declared: OperationType) -> bool:
    return declared.adopt or declared.on_running is OnRunning.USE_EXISTING
