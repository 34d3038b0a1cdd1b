"""The connection uses the configuration of Temporal's own tools."""

import json
import logging
import os
import socket
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from adapters.temporal.connection.connection import connect
from adapters.temporal.connection.raw_client import NamespaceClient
from domain.errors import StartupError
from entrypoints.logs import JsonFormatter
from tests.support.eventually import eventually

TOML = """
[profile.default]
address = "from-default:1"
[profile.staging]
address = "from-staging:2"
namespace = "staging"
"""


@workflow.defn(sandboxed=False)
class Broken:
    """Fails its workflow task, which the SDK's core logs."""

    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("it broke")


def target(client: NamespaceClient) -> str:
    return client.service_client.config.target_host


async def test_default_is_the_local_server() -> None:
    """With its default namespace."""
    client = await connect(environ={})
    assert (target(client), client.namespace) == ("localhost:7233", "default")


async def test_identity_names_service_host_and_process() -> None:
    """Histories and Temporal's UI show it."""
    assert (await connect(environ={})).identity == f"opledger@{socket.gethostname()}:{os.getpid()}"


async def test_environment_sets_address_and_namespace() -> None:
    """TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, as for Temporal's own tools."""
    client = await connect(environ={"TEMPORAL_ADDRESS": "there:9", "TEMPORAL_NAMESPACE": "mine"})
    assert (target(client), client.namespace) == ("there:9", "mine")


async def test_profile_of_a_file(tmp_path: Path) -> None:
    """An argument or the environment names the profile, and the environment overrides its values."""
    file = tmp_path / "temporal.toml"
    file.write_text(TOML)
    environ = {"TEMPORAL_CONFIG_FILE": str(file)}
    assert target(await connect(environ=environ)) == "from-default:1"
    staging = await connect(environ={**environ, "TEMPORAL_PROFILE": "staging"})
    assert (target(staging), staging.namespace) == ("from-staging:2", "staging")
    mixed = await connect(profile="staging", config_file=str(file), environ={"TEMPORAL_ADDRESS": "there:9"})
    assert (target(mixed), mixed.namespace) == ("there:9", "staging")


@pytest.mark.parametrize("text", ["not toml [", "[profile.other]\naddress = 'x:1'"])
async def test_unreadable_configuration_is_a_startup_error(tmp_path: Path, text: str) -> None:
    """A file that cannot be read, and a profile that it does not contain."""
    file = tmp_path / "temporal.toml"
    file.write_text(text)
    with pytest.raises(StartupError, match="Temporal's configuration"):
        await connect(profile="staging", config_file=str(file), environ={})


async def test_api_key_is_not_in_logs_or_errors(caplog: pytest.LogCaptureFixture) -> None:
    """With an API key, TLS is on."""
    caplog.set_level(logging.DEBUG)
    environ = {"TEMPORAL_ADDRESS": "127.0.0.1:1", "TEMPORAL_API_KEY": "s3cr3t-key"}
    client = await connect(environ=environ)
    assert client.service_client.config.tls is True
    with pytest.raises(RuntimeError) as caught:
        await client.service_client.check_health()
    assert "s3cr3t" not in caplog.text + str(caught.value) + repr(client)


async def test_logs_of_the_sdk_go_through_the_loggers_of_python(
    temporal_address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """They have the format of the process's log, without colours."""
    raw = await connect(lazy=False, environ={"TEMPORAL_ADDRESS": temporal_address})
    client = Client(raw.service_client, namespace=raw.namespace)
    queue = f"broken-{uuid4()}"
    async with Worker(client, task_queue=queue, workflows=[Broken]):
        handle = await client.start_workflow(Broken.run, id=queue, task_queue=queue)
        await eventually(lambda: any("Failing workflow task" in line.getMessage() for line in caplog.records))
        await handle.terminate()
    line = next(line for line in caplog.records if "Failing workflow task" in line.getMessage())
    assert (line.name, line.levelno) == ("temporalio", logging.WARNING)
    assert "\x1b" not in JsonFormatter().format(line)
    assert "temporal_log" not in json.loads(JsonFormatter().format(line))
