"""Makes sure that the search attribute by which operations are found is registered."""

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.connection.errors import engine_error
from adapters.temporal.connection.rpc import call
from application.ports.workflow_engine import EngineUnavailable
from domain.errors import StartupError
from opledger.wire import OPERATION_UUID

NAME = OPERATION_UUID.name
KEYWORD = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
_NOT_PERMITTED = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED})


async def ensure_search_attribute(client: Client) -> None:
    """Register it as Keyword unless it is. Any number of processes may do so at once.

    Asked again afterwards, because the server takes a second registration with another type without a word
    (measured).

    Raises:
        StartupError: it has another type, or may not be registered by us.
        EngineUnavailable: try again later.
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


async def check_search_attribute(client: Client) -> None:
    """Look, and change nothing. Raises StartupError where it is not registered; EngineUnavailable."""
    if not await _registered(client):
        raise StartupError(
            f"search attribute {NAME} is not registered in namespace {client.namespace}: run `opledger worker` or "
            f"`temporal operator search-attribute create --name {NAME} --type Keyword`"
        )


async def _registered(client: Client) -> bool:
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
            f"search attribute {NAME} of namespace {client.namespace} is a {_type_name(kind)}, and has to be a Keyword"
        )
    return True


def _type_name(kind: int) -> str:
    return IndexedValueType.Name(IndexedValueType.ValueType(kind)).removeprefix("INDEXED_VALUE_TYPE_").title()


def _registration_error(client: Client, error: RPCError) -> Exception:
    if error.status not in _NOT_PERMITTED:
        return engine_error(error)
    return StartupError(
        f"search attribute {NAME} cannot be checked or registered ({error.message}); register it by hand: "
        f"temporal operator search-attribute create --namespace {client.namespace} --name {NAME} --type Keyword"
    )
