"""The adapters of Temporal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dependency_injector import containers, providers
from temporalio.converter import PayloadCodec

from adapters.temporal.callback_reader import TemporalCallbackReader
from adapters.temporal.connection.connection import configured_namespace, connect
from adapters.temporal.connection.probe import TemporalProbe
from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.payloads.data_converter import load_data_converter
from adapters.temporal.workflow_engine import TemporalWorkflowEngine
from application.ports.clock import Clock
from entrypoints.settings.settings import Settings


class TemporalAdapters(containers.DeclarativeContainer):
    """The workflow engine and what belongs to it."""

    client: providers.Dependency[RawClient] = providers.Dependency()
    """Lazy: it connects at its first call."""
    clock: providers.Dependency[Clock] = providers.Dependency()

    engine = providers.Singleton(TemporalWorkflowEngine, client, clock)
    namespace = client.provided.namespace
    callback_reader = providers.Singleton(
        TemporalCallbackReader, client.provided.data_converter, client.provided.namespace
    )
    probe = providers.Singleton(TemporalProbe, engine)


@asynccontextmanager
async def opened(settings: Settings, clock: Clock) -> AsyncIterator[TemporalAdapters]:
    """Yields the adapters, which connect at the first call, and closes the codec's connections at the end. Raises
    StartupError: Temporal's configuration or the data converter cannot be used."""
    async with _remote_codec(settings) as remote:
        converter = load_data_converter(settings.data_converter, remote)
        client = await connect(data_converter=converter)
        yield TemporalAdapters(client=providers.Object(client), clock=providers.Object(clock))


@asynccontextmanager
async def _remote_codec(settings: Settings) -> AsyncIterator[PayloadCodec | None]:
    """The codec at OPLEDGER_CODEC_ENDPOINT, if there is one. Imports the HTTP client only then."""
    if settings.codec_endpoint is None:
        yield None
        return
    from adapters.temporal.payloads.remote_codec import RemoteCodec

    remote = RemoteCodec(settings.codec_endpoint, configured_namespace(), settings.codec_authorization)
    try:
        yield remote
    finally:
        await remote.close()
