"""Connects to Temporal with the configuration of Temporal's own tools: environment variables, or a profile in a TOML
file."""

import logging
import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import ConnectConfig, ServiceClient

from adapters.temporal.connection.raw_client import NamespaceClient
from domain.errors import StartupError

DEFAULT_ADDRESS = "localhost:7233"
DEFAULT_NAMESPACE = "default"
CONNECT_TIMEOUT = timedelta(seconds=5)
"""For the TCP connection. It does not cover all of a lazy connect, see `rpc.call`."""


async def connect(
    *,
    lazy: bool = True,
    data_converter: DataConverter = DataConverter.default,
    profile: str | None = None,
    config_file: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> NamespaceClient:
    """Creates a client. A lazy client connects at its first call, so that the API starts while Temporal is down. A
    worker needs a connected client (`lazy=False`).

    TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_TLS..., TEMPORAL_API_KEY, TEMPORAL_PROFILE and TEMPORAL_CONFIG_FILE
    have the same meaning as for Temporal's own tools.

    Args:
        data_converter: The data converter of the workers that run the operations.
        profile: Replaces TEMPORAL_PROFILE.
        config_file: Replaces TEMPORAL_CONFIG_FILE.
        environ: Replaces the environment of the process.

    Raises:
        StartupError: the configuration cannot be read; or, if not lazy, the server cannot be reached.
    """
    config: dict[str, Any] = {**_load(profile, config_file, environ)}
    namespace = config.pop("namespace", DEFAULT_NAMESPACE)
    address = config.setdefault("target_host", DEFAULT_ADDRESS)
    try:
        service_client = await ServiceClient.connect(
            ConnectConfig(**config, identity=identity(), connect_timeout=CONNECT_TIMEOUT, lazy=lazy, runtime=runtime())
        )
    except (RuntimeError, ValueError) as error:
        raise StartupError(f"Temporal at {address} cannot be used: {error}") from None
    return NamespaceClient(service_client, namespace, data_converter)


@cache
def runtime() -> Runtime:
    """The SDK's runtime of this process. What it logs goes through Python's loggers, in the process's log format; the
    SDK would write to standard error itself, in colours.
    """
    forwarding = LogForwardingConfig(logger=logging.getLogger("temporalio"), append_target_to_name=False)
    levels = TelemetryFilter(core_level="WARN", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(levels, forwarding)))


def configured_namespace() -> str:
    """The namespace that `connect` uses. Raises StartupError if the configuration cannot be read."""
    return _load(None, None, None).get("namespace", DEFAULT_NAMESPACE)


def identity() -> str:
    """Identity of this process in histories and in Temporal's UI."""
    return f"opledger@{socket.gethostname()}:{os.getpid()}"


def _load(profile: str | None, config_file: str | None, environ: Mapping[str, str] | None) -> ClientConnectConfig:
    try:
        return ClientConfig.load_client_connect_config(profile, config_file=config_file, override_env_vars=environ)
    except (RuntimeError, ValueError, OSError) as error:
        raise StartupError(f"Temporal's configuration cannot be read: {str(error)[:500]}") from None
