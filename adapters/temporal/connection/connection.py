"""Connects to Temporal with the configuration of Temporal's own tools: environment variables, or a profile in a TOML
file."""

import os
import socket
from collections.abc import Mapping
from datetime import timedelta

from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig, ClientConnectConfig

from domain.errors import StartupError

DEFAULT_ADDRESS = "localhost:7233"
CONNECT_TIMEOUT = timedelta(seconds=5)
"""For the TCP connection. It does not cover all of a lazy connect, see `rpc.call`."""


async def connect(
    *,
    lazy: bool = True,
    data_converter: DataConverter = DataConverter.default,
    profile: str | None = None,
    config_file: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Client:
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
    config = _load(profile, config_file, environ)
    address = config.setdefault("target_host", DEFAULT_ADDRESS)
    try:
        return await Client.connect(
            **config,
            data_converter=data_converter,
            identity=identity(),
            connect_timeout=CONNECT_TIMEOUT,
            lazy=lazy,
        )
    except (RuntimeError, ValueError) as error:
        raise StartupError(f"Temporal at {address} cannot be used: {error}") from None


def configured_namespace() -> str:
    """The namespace that `connect` uses. Raises StartupError if the configuration cannot be read."""
    return _load(None, None, None).get("namespace", "default")


def identity() -> str:
    """Identity of this process in histories and in Temporal's UI."""
    return f"opledger@{socket.gethostname()}:{os.getpid()}"


def _load(profile: str | None, config_file: str | None, environ: Mapping[str, str] | None) -> ClientConnectConfig:
    try:
        return ClientConfig.load_client_connect_config(profile, config_file=config_file, override_env_vars=environ)
    except (RuntimeError, ValueError, OSError) as error:
        raise StartupError(f"Temporal's configuration cannot be read: {str(error)[:500]}") from None
