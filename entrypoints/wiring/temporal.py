"""The adapters of Temporal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dependency_injector import containers, providers
from temporalio.client import Client

from adapters.temporal.callback_reader import TemporalCallbackReader
from adapters.temporal.connection.connection import configured_namespace, connect
from adapters.temporal.connection.probe import TemporalProbe
from adapters.temporal.payloads.data_converter import load_data_converter
from adapters.temporal.payloads.remote_codec import RemoteCodec
from adapters.temporal.workflow_engine import TemporalWorkflowEngine
from application.ports.clock import Clock
from entrypoints.settings.settings import Settings


class TemporalAdapters(containers.DeclarativeContainer):
    """The workflow engine and what belongs to it."""

    client = providers.Dependency(instance_of=Client)
    """Lazy: it connects at its first call."""
    clock: providers.Dependency[Clock] = providers.Dependency()

    engine = providers.Singleton(TemporalWorkflowEngine, client, clock)
    callback_reader = providers.Singleton(
        TemporalCallbackReader, client.provided.data_converter, client.provided.namespace
    )
    probe = providers.Singleton(TemporalProbe, engine)


@asynccontextmanager
async def opened(settings: Settings, clock: Clock) -> AsyncIterator[TemporalAdapters]:
    """Yields the adapters, which connect at the first call, and closes the codec's connections at the end. Raises
    StartupError: Temporal's configuration or the data converter cannot be used."""
    remote = _remote_codec(settings)
    converter = load_data_converter(settings.data_converter, remote)
    client = await connect(data_converter=converter)
    try:
        yield TemporalAdapters(client=providers.Object(client), clock=providers.Object(clock))
    finally:
        if remote is not None:
            await remote.close()


def _remote_codec(settings: Settings) -> RemoteCodec | None:
    if settings.codec_endpoint is None:
        return None
    return RemoteCodec(settings.codec_endpoint, configured_namespace(), settings.codec_authorization)
