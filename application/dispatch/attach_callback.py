"""Attaches completion callbacks to executions that others have started."""

import logging

from application.dispatch.completion_callbacks import CompletionCallbacks
from application.ports.engine.executions import Attached, AttachOutcome, Execution
from application.ports.engine.workflow_engine import WorkflowEngine
from application.ports.monitoring.metrics import Metrics
from domain.operation.operation import Operation

_log = logging.getLogger(__name__)


class AttachCallbacks:
    """Counts and logs the executions that attaching has started by accident, and remembers refusals. An execution that
    is full says nothing about others."""

    def __init__(self, engine: WorkflowEngine, callbacks: CompletionCallbacks, metrics: Metrics) -> None:
        self._engine = engine
        self._callbacks = callbacks
        self._metrics = metrics

    def attaches(self, operation: Operation) -> bool:
        """Whether callbacks are on and not refused."""
        return self._callbacks.of(operation.id, operation.tenant) is not None

    async def attach(self, operation: Operation, execution: Execution) -> Attached | None:
        """Attaches the callback of the operation to the execution, which the engine has just described. Returns None
        while callbacks are off or refused. Raises EngineUnavailable."""
        callback = self._callbacks.of(operation.id, operation.tenant)
        if callback is None:
            return None
        attached = await self._engine.attach_callback(execution, callback)
        if attached.stray:
            self._metrics.stray_start()
            _log.warning(
                "the execution of operation %s was deleted while its callback was attached; the execution that this "
                "started with workflow id %r has no worker and ends within seconds",
                operation.id,
                execution.workflow_id,
            )
        if attached.outcome is AttachOutcome.REFUSED:
            self._callbacks.refused(attached.reason)
        elif attached.outcome is AttachOutcome.FULL:
            _log.info(
                "the execution of operation %s takes no callback, the close poll finds its end: %s",
                operation.id,
                attached.reason,
            )
        elif attached.outcome is AttachOutcome.ATTACHED:
            self._callbacks.taken()
        return attached
