"""The services that adopt executions, which the API and the worker have in common."""

from dependency_injector import providers

from application.adopt.adopt import AdoptOperation
from application.adopt.adopt_reported import AdoptReported
from domain.operation.operation_type import OperationCatalogue


def adopter(
    adapters: providers.DependenciesContainer,
    temporal: providers.DependenciesContainer,
    services: providers.DependenciesContainer,
    catalogue: "providers.Dependency[OperationCatalogue]",
) -> "providers.Singleton[AdoptOperation]":
    """Returns its provider."""
    return providers.Singleton(
        AdoptOperation,
        adapters.units,
        services.changes,
        temporal.engine,
        adapters.clock,
        catalogue,
        services.callbacks,
        services.recorder,
        adapters.metrics,
        temporal.namespace,
    )


def reported_adopter(
    adapters: providers.DependenciesContainer,
    temporal: providers.DependenciesContainer,
    catalogue: "providers.Dependency[OperationCatalogue]",
    adopter: "providers.Singleton[AdoptOperation]",
) -> "providers.Singleton[AdoptReported]":
    """Returns the provider of the one for reports."""
    return providers.Singleton(AdoptReported, adapters.units, temporal.engine, catalogue, adopter, temporal.namespace)
