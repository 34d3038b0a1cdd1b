"""Health probe of Temporal."""

from application.ports.engine.workflow_engine import WorkflowEngine


class TemporalProbe:
    """Healthy if Temporal answers and has the ledger's namespace."""

    name = "temporal"

    def __init__(self, engine: WorkflowEngine) -> None:
        self._engine = engine

    async def check(self) -> None:
        """Raises EngineUnavailable if Temporal is not healthy."""
        await self._engine.ping()
