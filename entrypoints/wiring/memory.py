"""The adapters in memory, in the places of PostgreSQL's and Temporal's."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dependency_injector import containers, providers
from temporalio.converter import DataConverter

from adapters.jsonschema.input_validator import JsonSchemaInputValidator
from adapters.memory.access.api_keys import MemoryApiKeys
from adapters.memory.access.stream_tickets import MemoryStreamTickets
from adapters.memory.clock import MemoryClock
from adapters.memory.engine.executions import StartFields
from adapters.memory.engine.workflow_engine import MemoryWorkflowEngine
from adapters.memory.metrics import MemoryMetrics
from adapters.memory.operation_ids import MemoryOperationIds
from adapters.memory.probe import MemoryProbe
from adapters.memory.store import MemoryStore
from adapters.temporal.callback_reader import TemporalCallbackReader
from adapters.temporal.connection.probe import TemporalProbe
from application.ports.clock import Clock
from application.ports.monitoring.drift_report import DriftReport
from domain.json_value import JsonValue
from domain.operation.operation_type import OperationCatalogue
from entrypoints.settings.settings import Settings
from entrypoints.wiring.services import joined


def _render(drift: DriftReport | None) -> bytes:
    """The metrics page: the sum of the operations that need attention, if the database answered."""
    return b"counters\n" if drift is None else b"counters\ndrift %d\n" % sum(drift.attention.values())


def _ignore(*answer: object) -> None:
    """Counts no request."""


class MemoryAdapters(containers.DeclarativeContainer):
    """The providers of `Adapters` that services use."""

    clock = providers.Singleton(MemoryClock)
    operation_ids = providers.Singleton(MemoryOperationIds, clock)
    random_bytes: providers.Object[Callable[[int], bytes]] = providers.Object(secrets.token_bytes)
    validator = providers.Singleton(JsonSchemaInputValidator)
    store = providers.Singleton(MemoryStore, clock)
    units = store.provided.units
    queries = store.provided.queries
    feed = store.provided.feed
    drift_queries = store.provided.drift
    api_keys = providers.Singleton(MemoryApiKeys)
    stream_tickets = providers.Singleton(MemoryStreamTickets)
    database_probe = providers.Singleton(MemoryProbe, "database")
    migration_probe = providers.Singleton(MemoryProbe, "migrations")
    metrics = providers.Singleton(MemoryMetrics)
    render_metrics = providers.Object(_render)
    answered = providers.Object(_ignore)


class MemoryEngine(containers.DeclarativeContainer):
    """The providers of `TemporalAdapters` that services use. Callbacks are read as Temporal sends them."""

    clock: providers.Dependency[Clock] = providers.Dependency()
    engine = providers.Singleton(MemoryWorkflowEngine, clock)
    namespace = providers.Object("default")
    callback_reader = providers.Singleton(TemporalCallbackReader, DataConverter.default, "default")
    probe = providers.Singleton(TemporalProbe, engine)


def in_memory(settings: Settings, catalogue: OperationCatalogue) -> dict[str, Any]:
    """Returns the arguments of the containers of the API and the worker, on new adapters in memory."""
    adapters = MemoryAdapters()
    return joined(settings, catalogue, adapters, MemoryEngine(clock=adapters.clock))


def foreign_start(
    workflow_type: str, task_queue: str, arguments: Sequence[JsonValue], attributes: Mapping[str, str]
) -> StartFields:
    """Returns what the start of another client says, for `start_from_outside` and `start_child` of the engine."""
    return StartFields(workflow_type, task_queue, tuple(arguments), attributes=dict(attributes))
