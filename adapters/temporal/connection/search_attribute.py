"""Registers the search attribute `OperationUUID`."""

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.connection.errors import engine_error
from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.connection.rpc import call
from application.ports.engine.workflow_engine import EngineUnavailable
from domain.errors import StartupError
from opledger.search_attribute import OPERATION_UUID

NAME = OPERATION_UUID.name
KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
_NOT_PERMITTED = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED})


async def ensure_search_attribute(client: RawClient) -> None:
    """Registers the search attribute as Keyword. Any number of processes may call this concurrently.

    It checks the registration afterwards, because the server accepts a second registration with another type without
    an error (measured).

    Raises:
        StartupError: the attribute has another type, or opledger may not register it.
            EngineUnavailable: the caller should retry later.
    """
    if await _registered(client):
        return
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes={NAME: KEYWORD})
    try:
        await call(client.operator_service.add_search_attributes, request)
    except RPCError as error:
        if await _registered(client):
            return
        raise _registration_error(client, error) from error
    if not await _registered(client):
        raise EngineUnavailable(f"search attribute {NAME} was registered, but is not listed yet")


async def check_search_attribute(client: RawClient) -> None:
    """Checks the registration without changing it.

    Raises:
        StartupError: the attribute is not registered, or has another type.
        EngineUnavailable: Temporal cannot be reached.
    """
    if not await _registered(client):
        raise StartupError(
            f"search attribute {NAME} is not registered in namespace {client.namespace}: run `opledger worker` or "
            f"`temporal operator search-attribute create --name {NAME} --type Keyword`"
        )


async def _registered(client: RawClient) -> bool:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        response = await call(client.operator_service.list_search_attributes, request)
    except RPCError as error:
        raise _registration_error(client, error) from error
    kind = {**response.system_attributes, **response.custom_attributes}.get(NAME)
    if kind is None:
        return False
    if kind != KEYWORD:
        raise StartupError(
            f"search attribute {NAME} of namespace {client.namespace} has type {_type_name(kind)}; it must be Keyword"
        )
    return True


def _type_name(kind: int) -> str:
    return IndexedValueType.Name(IndexedValueType.ValueType(kind)).removeprefix("INDEXED_VALUE_TYPE_").title()


def _registration_error(client: RawClient, error: RPCError) -> Exception:
    if error.status not in _NOT_PERMITTED:
        return engine_error(error)
    return StartupError(
        f"search attribute {NAME} cannot be checked or registered ({error.message}); register it with "
        f"`temporal operator search-attribute create --namespace {client.namespace} --name {NAME} --type Keyword`"
    )
