"""Whether Temporal is well."""

from application.ports.workflow_engine import WorkflowEngine


class TemporalProbe:
    """Well is an engine that answers and has our namespace."""

    name = "temporal"

    def __init__(self, engine: WorkflowEngine) -> None:
        self._engine = engine

    async def check(self) -> None:
        """Raises EngineUnavailable."""
        await self._engine.ping()
