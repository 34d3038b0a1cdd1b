"""A client for raw calls to Temporal's services, in one namespace."""

from dataclasses import dataclass
from typing import Protocol

from temporalio.converter import DataConverter
from temporalio.service import OperatorService, ServiceClient, WorkflowService


class RawClient(Protocol):
    """The methods of a client that the adapters use. temporalio's `Client` has them too."""

    @property
    def namespace(self) -> str: ...

    @property
    def identity(self) -> str: ...

    @property
    def data_converter(self) -> DataConverter: ...

    @property
    def workflow_service(self) -> WorkflowService: ...

    @property
    def operator_service(self) -> OperatorService: ...


@dataclass(frozen=True, slots=True, repr=False)
class NamespaceClient:
    """A RawClient without temporalio's `Client`, whose import takes as long as that of all else that the API needs of
    the SDK."""

    service_client: ServiceClient
    namespace: str
    data_converter: DataConverter

    @property
    def identity(self) -> str:
        return self.service_client.config.identity

    @property
    def workflow_service(self) -> WorkflowService:
        return self.service_client.workflow_service

    @property
    def operator_service(self) -> OperatorService:
        return self.service_client.operator_service
