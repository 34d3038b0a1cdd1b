"""Starts and stops the whole application on one machine."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable

from entrypoints import net
from entrypoints.local.embedded.app_process import AppProcess
from entrypoints.local.embedded.callbacks import KEYS, URL, Callbacks, kept_keys
from entrypoints.local.embedded.data_folder import DataFolder, opened
from entrypoints.local.embedded.options import Options, Running
from entrypoints.local.embedded.part import Part
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from entrypoints.local.embedded.status_file import StatusFile
from entrypoints.local.embedded.supervisor import OnEvent, Supervisor, ignore
from entrypoints.local.embedded.temporal_server import EmbeddedTemporal

Hook = Callable[[str], Awaitable[None]]


async def nothing(_: str) -> None:
    """The hook that does nothing."""


async def up(
    options: Options,
    stop: asyncio.Event,
    on_event: OnEvent = ignore,
    *,
    on_ready: Callable[[Running], None] = lambda _: None,
    migrate: Hook = nothing,
    prepare_engine: Hook = nothing,
) -> None:
    """Serves until `stop` is set, also during the start. Raises StartupError."""

    async def serve() -> None:
        async with running(options, on_event, migrate=migrate, prepare_engine=prepare_engine) as application:
            on_ready(application)
            await application.wait()

    serving, stopping = asyncio.create_task(serve()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not serving.done():
            serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


@contextlib.asynccontextmanager
async def running(
    options: Options,
    on_event: OnEvent = ignore,
    *,
    migrate: Hook = nothing,
    prepare_engine: Hook = nothing,
) -> AsyncIterator[Running]:
    """The application, ready inside the block and gone after it.

    `migrate` gets the database URL, `prepare_engine` the Temporal address, once their servers are ready and before
    the worker starts. The API imports its modules meanwhile. Raises StartupError; a port that is taken is found before
    anything is started.
    """
    port = _check_ports(options)
    with opened(options.data_dir) as folder:
        status = StatusFile(folder, on_event)
        supervisor = Supervisor(status.on_event)
        try:
            callbacks = _callbacks(options, folder, port)
            postgres, temporal = _servers(options, folder, callbacks)
            application = _describe(options, folder, port, postgres, temporal, callbacks, supervisor)

            async def start_servers() -> None:
                await supervisor.start(*[part for part in (postgres, temporal) if part])
                if postgres:
                    await postgres.create_database()
                await migrate(application.database_url)
                await prepare_engine(application.temporal_address)
                servers_ready.set()

            servers_ready = asyncio.Event()
            processes = _processes(options, folder, port, application, callbacks, servers_ready)
            await asyncio.gather(start_servers(), supervisor.start(*processes))  # servers first: they stop last
            status.write(application)
            yield application
        finally:
            await supervisor.stop()
            status.remove()


def _check_ports(options: Options) -> int:
    """Returns the port of the API. Raises StartupError if a requested port is taken."""
    if options.port:
        net.ensure_free(options.host, options.port, "--port")
    if options.temporal_port and not options.temporal_address:
        net.ensure_free("127.0.0.1", options.temporal_port, "--temporal-port")
    if options.ui and options.ui_port and not options.temporal_address:
        net.ensure_free("127.0.0.1", options.ui_port, "--ui-port")
    return options.port or net.free_port(options.host)


def _callbacks(options: Options, folder: DataFolder, port: int) -> Callbacks | None:
    """Returns the callbacks of the embedded Temporal; None if they are off, or the server is another one."""
    if options.temporal_address or not options.callbacks:
        return None
    url = options.env.get(URL) or _api_url(options, port)
    return Callbacks(url, options.env.get(KEYS) or kept_keys(folder.callback_key))


def _api_url(options: Options, port: int) -> str:
    return f"http://{net.authority(net.connectable(options.host), port)}"


def _servers(
    options: Options, folder: DataFolder, callbacks: Callbacks | None
) -> tuple[EmbeddedPostgres | None, EmbeddedTemporal | None]:
    postgres = temporal = None
    durable = options.data_dir is not None
    if not options.database_url:
        postgres = EmbeddedPostgres(folder, durable=durable)
    if not options.temporal_address:
        temporal = EmbeddedTemporal(
            folder,
            port=options.temporal_port,
            ui=options.ui,
            ui_port=options.ui_port,
            namespace=options.temporal_namespace,
            dynamic_config=callbacks.dynamic_config(options.dynamic_config) if callbacks else options.dynamic_config,
            durable=durable,
        )
    return postgres, temporal


def _describe(
    options: Options,
    folder: DataFolder,
    port: int,
    postgres: EmbeddedPostgres | None,
    temporal: EmbeddedTemporal | None,
    callbacks: Callbacks | None,
    supervisor: Supervisor,
) -> Running:
    return Running(
        api_url=_api_url(options, port),
        database_url=postgres.url if postgres else options.database_url or "",
        temporal_address=temporal.address if temporal else options.temporal_address or "",
        temporal_namespace=options.temporal_namespace,
        temporal_ui_url=temporal.ui_url if temporal else None,
        callback_url=callbacks.url if callbacks else None,
        operations=options.env.get("OPLEDGER_OPERATIONS"),
        data_dir=folder.path,
        supervisor=supervisor,
    )


def _processes(
    options: Options,
    folder: DataFolder,
    port: int,
    application: Running,
    callbacks: Callbacks | None,
    servers_ready: asyncio.Event,
) -> list[Part]:
    env = {
        **os.environ,
        **options.env,
        **(callbacks.environment if callbacks else {}),
        "DATABASE_URL": application.database_url,
        **({} if options.database_url else {"OPLEDGER_DATABASE_DIRECT_URL": ""}),
        "TEMPORAL_ADDRESS": application.temporal_address,
        "TEMPORAL_NAMESPACE": application.temporal_namespace,
        "OPLEDGER_HOST": options.host,
        "OPLEDGER_PORT": str(port),
    }
    if application.temporal_ui_url:
        env.setdefault("OPLEDGER_TEMPORAL_UI_URL", application.temporal_ui_url)
    ready_at = (net.connectable(options.host), port, "/readyz")
    parts: list[Part] = [AppProcess("api", options.api_command, env, folder, servers_ready, ready_at=ready_at)]
    if options.worker_command:
        parts.append(AppProcess("worker", options.worker_command, env, folder, servers_ready))
    return parts
