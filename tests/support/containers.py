"""The services of the API and the worker in one process."""

from dependency_injector import containers, providers

from domain.operation.operation_type import OperationCatalogue
from entrypoints.settings.settings import Settings
from entrypoints.wiring.api import ApiServices
from entrypoints.wiring.services import Services
from entrypoints.wiring.worker import WorkerServices


class LedgerContainer(containers.DeclarativeContainer):
    """The containers of both processes on the same adapters: those of production or those in memory."""

    settings = providers.Dependency(instance_of=Settings)
    catalogue = providers.Dependency(instance_of=OperationCatalogue)
    adapters = providers.DependenciesContainer()
    temporal = providers.DependenciesContainer()
    services = providers.Container(Services, settings=settings, adapters=adapters)
    api = providers.Container(
        ApiServices, settings=settings, catalogue=catalogue, adapters=adapters, temporal=temporal, services=services
    )
    worker = providers.Container(
        WorkerServices, settings=settings, catalogue=catalogue, adapters=adapters, temporal=temporal, services=services
    )
