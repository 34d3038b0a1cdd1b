"""The plugin beside other plugins, interceptors, converters and kinds of workers."""

import asyncio
import dataclasses
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import nexusrpc.handler
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio import activity
from temporalio.client import Client
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from opledger import OpledgerPlugin, UpdateKind, operation_id
from opledger._address import find_address
from tests.support.eventually import eventually
from tests.support.temporal.activities import tidy_up
from tests.support.temporal.aes_codec import AesCodec
from tests.workflow.ledger import RecordingLedger
from tests.workflow.plugin import plain
from tests.workflow.plugin.ledger_api import KEY, LedgerApi, ledger_api
from tests.workflow.plugin.plugged import NO_PLUGIN, TRANSPORTS, adopted, plugin_for, team
from tests.workflow.plugin.pydantic_workflow import Parcel, Ships

STARTED, PROGRESS = UpdateKind.STARTED, UpdateKind.PROGRESS
BOTH = [STARTED, PROGRESS]
GENEROUS = 60
"""Timeout in seconds, for a busy machine."""


@pytest.fixture
async def api() -> AsyncIterator[LedgerApi]:
    """The ledger's API."""
    async with ledger_api() as serving:
        yield serving


def changed(client: Client, **options: Any) -> Client:
    """The client with other options."""
    config = client.config()
    config.update(options)  # type: ignore[typeddict-item]
    return Client(**config)


def test_package_needs_neither_a_worker_nor_http_until_the_plugin_is_used() -> None:
    """A process that only starts workflows, or a module with the decorator, stays small."""
    program = (
        "import sys, opledger\n"
        "assert not {'httpx', 'temporalio.worker'} & set(sys.modules), 'too much is imported'\n"
        "opledger.OpledgerPlugin\n"
        "assert {'httpx', 'temporalio.worker'} <= set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@nexusrpc.handler.service_handler
class Calculator:
    """A Nexus service."""

    @nexusrpc.handler.sync_operation
    async def double(self, _: nexusrpc.handler.StartOperationContext, number: int) -> int:
        """Twice the number."""
        return 2 * number


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_tracing_interceptor_keeps_one_trace(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, transport: str
) -> None:
    """Spans of the workflow and its children stay in one trace, and both sides of the plugin work."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    interceptor = TracingInterceptor(provider.get_tracer("test"))
    plugins = [plugin_for(transport, api)]
    client = changed(temporal_client, interceptors=[interceptor], plugins=plugins)
    async with team(client, NO_PLUGIN, api, ledger, **served_by(transport, ledger)) as running:
        running.transport = transport
        handle = await running.start(plain.Collects.run)
        operation = operation_id(handle) or adopted(handle)
        await eventually(lambda: STARTED in running.kinds(operation))
        await handle.signal("tell", "bye")
        await handle.result()
    names = {span.name for span in spans.get_finished_spans()}
    assert {"StartWorkflow:Collects", "RunWorkflow:Collects"} <= names
    traces = {span.context.trace_id for span in spans.get_finished_spans() if "Workflow:Collects" in span.name}
    assert len(traces) == 1


def served_by(transport: str, ledger: RecordingLedger) -> dict[str, Any]:
    """Options of a worker whose client has the plugin."""
    if transport != "local":
        return {}
    return {"queue": "own-ledger", "activities": [*plain.PLAIN_ACTIVITIES, ledger.update_operation_status]}


class Counting(Interceptor):
    """Counts the activities that run, and those that workflows schedule."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        ran = self.ran

        class Inbound(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
                ran.append(activity.info().activity_type)
                return await super().execute_activity(input)

        return Inbound(next)


@pytest.mark.parametrize("order", [1, -1])
async def test_another_plugin_works_before_and_after_it(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, order: int
) -> None:
    """Before it and after it: its interceptor sees the reports too, and both change the sandbox."""
    counting = Counting()
    plugins = [
        SimplePlugin("another", interceptors=[counting], workflow_runner=passing_through),
        plugin_for("http", api),
    ]
    async with team(temporal_client, NO_PLUGIN, api, ledger, plugins=plugins[::order]) as running:
        handle = await running.start(plain.Greets.run, "you")
        assert await handle.result() == "hello you"
    assert api.kinds(adopted(handle)) == BOTH
    assert sorted(counting.ran) == ["opledger_report", "opledger_report", "tidy_up"]


def passing_through(runner: WorkflowRunner | None) -> WorkflowRunner:
    """What plugins do that let workflows import a package."""
    assert isinstance(runner, SandboxedWorkflowRunner)
    return dataclasses.replace(runner, restrictions=runner.restrictions.with_passthrough_modules("pydantic"))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_pydantic_data_converter(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, transport: str
) -> None:
    """Models keep their types, and the client records them as JSON."""
    plugins = [plugin_for(transport, api)]
    client = changed(temporal_client, data_converter=pydantic_data_converter, plugins=plugins)
    options = {"activities": [tidy_up], "workflows": [Ships], **served_by(transport, ledger)}
    async with team(client, NO_PLUGIN, api, ledger, **options) as running:
        running.transport = transport
        handle = await running.start(Ships.run, Parcel(item="bolt"))
        assert await handle.result() == Parcel(item="bolt", count=2)
    assert (0.5, "bolt") in running.progress(operation_id(handle) or adopted(handle))
    assert [one.body["input"] for one in api.recorded()] == [{"item": "bolt", "count": 1}] * (transport == "http")


async def test_converter_of_a_later_plugin(temporal_client: Client, ledger: RecordingLedger, api: LedgerApi) -> None:
    """A plugin that comes after sets the converter."""
    converter = SimplePlugin("pydantic", data_converter=pydantic_data_converter)
    client = changed(temporal_client, plugins=[plugin_for("http", api), converter])
    handle = await client.start_workflow(Ships.run, Parcel(item="bolt"), id=f"order-{uuid4()}", task_queue="nobody")
    assert [one.body["input"] for one in api.recorded()] == [{"item": "bolt", "count": 1}]
    await handle.terminate()


async def test_payload_codec_encodes_all_that_it_would_without_the_plugin(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi
) -> None:
    """Temporal sees nothing in the clear that it would not see without the plugin, and reports are readable."""
    codec = DataConverter(payload_converter_class=PydanticPayloadConverter, payload_codec=AesCodec())
    client = changed(temporal_client, data_converter=codec, plugins=[plugin_for("http", api)])
    async with team(client, NO_PLUGIN, api, ledger) as running:
        handle = await running.start(plain.Counts.run, 3)
        assert await handle.result() == 3
    operation = operation_id(handle) or ""
    assert {"dispatched", "started", "progress"} == set(api.kinds(operation))


async def test_unsandboxed_worker_is_tracked(temporal_client: Client, ledger: RecordingLedger, api: LedgerApi) -> None:
    """The plugin needs no sandbox."""
    runner = UnsandboxedWorkflowRunner()
    async with team(temporal_client, "http", api, ledger, workflow_runner=runner) as running:
        handle = await running.start(plain.Greets.run, "you")
        await handle.result()
    assert api.kinds(adopted(handle)) == BOTH


@pytest.mark.parametrize("same", [True, False])
async def test_plugin_on_client_and_worker_reports_once(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, same: bool
) -> None:
    """Temporal warns of it; the reports stay the same."""
    first, second = plugin_for("http", api), plugin_for("http", api)
    client = changed(temporal_client, plugins=[first])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        async with team(client, "http", api, ledger, first if same else second) as running:
            handle = await running.start(plain.Counts.run, 2)
            await handle.result()
    operation = operation_id(handle) or ""
    assert api.kinds(operation).count("dispatched") == api.kinds(operation).count(STARTED) == 1
    assert len(api.recorded()) == 1
    assert api.fractions(operation)[0] == 0.5


@pytest.mark.parametrize("transport", ["http", "remote"])
async def test_plugin_of_the_worker_replaces_that_of_its_client(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, transport: str
) -> None:
    """With other options: one plugin decides about a run, also when it is replayed in every task."""
    other = "remote" if transport == "http" else "http"
    client = changed(temporal_client, plugins=[plugin_for(other, api, exclude=["Collects"])])
    plugin = plugin_for(transport, api)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        async with team(client, transport, api, ledger, plugin, max_cached_workflows=0) as running:
            greeting = await running.start(plain.Greets.run, "you")
            assert await greeting.result() == "hello you"
            assert PROGRESS in running.kinds(operation_id(greeting) or adopted(greeting))
            collecting = await running.start(plain.Collects.run)
            await eventually(lambda: running.kinds(adopted(collecting)) == [STARTED])
            await collecting.signal("tell", "bye")
            await collecting.result()
    for handle in (greeting, collecting):
        history = [event async for event in handle.fetch_history_events()]
        assert not any(event.HasField("workflow_task_failed_event_attributes") for event in history)


async def test_worker_of_nexus_operations_only(temporal_client: Client, api: LedgerApi) -> None:
    """It runs no workflows, so the plugin adds nothing to it."""
    worker = Worker(
        temporal_client,
        task_queue=f"{uuid4()}",
        nexus_service_handlers=[Calculator()],
        plugins=[plugin_for("http", api)],
    )
    async with asyncio.timeout(GENEROUS), worker:
        pass


@pytest.mark.parametrize("options", [{"include": ["Greets"]}, {"exclude": lambda name: name == "Counts"}])
async def test_types_can_be_selected(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, options: dict[str, Any]
) -> None:
    """By names, or by a function."""
    async with team(temporal_client, "http", api, ledger, plugin_for("http", api, **options)) as running:
        greeting = await running.start(plain.Greets.run, "you")
        counting = await running.start(plain.Counts.run, 2)
        await greeting.result()
        await counting.result()
    assert api.kinds(adopted(greeting)) == BOTH
    assert api.kinds(adopted(counting)) == []


async def test_selection_that_fails_does_not_stop_the_workflow(
    temporal_client: Client, ledger: RecordingLedger, api: LedgerApi, caplog: pytest.LogCaptureFixture
) -> None:
    """The type is not tracked, and the error is logged."""

    def include(name: str) -> bool:
        raise LookupError("a bug")

    async with team(temporal_client, "http", api, ledger, plugin_for("http", api, include=include)) as running:
        assert await (await running.start(plain.Greets.run, "you")).result() == "hello you"
    assert api.requests == []
    assert "a bug" in caplog.text


async def test_dynamic_workflow_is_tracked(temporal_client: Client, ledger: RecordingLedger, api: LedgerApi) -> None:
    """By the type's name that the client used."""
    async with team(temporal_client, "http", api, ledger, workflows=[plain.TakesAny]) as running:
        handle = await running.start("Whatever", 1)
        assert await handle.result() == "Whatever"
    [report] = api.reports(adopted(handle))
    assert report["execution"]["workflow_type"] == "Whatever"


async def test_two_workers_share_a_plugin(temporal_client: Client, ledger: RecordingLedger, api: LedgerApi) -> None:
    """The end of one worker does not end the connections of the other."""
    plugin = OpledgerPlugin(url=api.url, api_key=KEY)
    async with team(temporal_client, "http", api, ledger, plugin) as staying:
        async with Worker(temporal_client, task_queue=f"{uuid4()}", workflows=[plain.Immediate], plugins=[plugin]):
            pass
        handle = await staying.start(plain.Greets.run, "you")
        await handle.result()
    assert api.kinds(adopted(handle)) == BOTH


@pytest.mark.parametrize(
    ("transport", "cached", "warned"), [("http", 1, True), ("http", 2, False), ("remote", 1, False)]
)
async def test_worker_with_too_small_a_cache_is_warned_of(
    temporal_client: Client,
    ledger: RecordingLedger,
    api: LedgerApi,
    caplog: pytest.LogCaptureFixture,
    transport: str,
    cached: int,
    warned: bool,
) -> None:
    """Local activities of several workflows delay each other there, with and without the plugin."""
    async with team(temporal_client, transport, api, ledger, max_cached_workflows=cached):
        pass
    assert ("max_cached_workflows" in caplog.text) is warned


def test_sandbox_shares_the_package() -> None:
    """No run imports it again."""
    runner = OpledgerPlugin().configure_replayer({"workflow_runner": SandboxedWorkflowRunner()})["workflow_runner"]
    assert isinstance(runner, SandboxedWorkflowRunner)
    assert "opledger" in runner.restrictions.passthrough_modules


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"url": "ledger.example.com"}, "http"),
        ({"url": "ftp://ledger"}, "http"),
        ({"url": "http://user:secret@ledger"}, "without"),
        ({"url": "http://x", "api_key": "a key\n"}, "one line"),
        ({"report_timeout": timedelta(0)}, "above zero"),
        ({"on_ledger_down": "panic"}, "panic"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any], error: str) -> None:
    """When the plugin is made."""
    with pytest.raises(ValueError, match=error):
        OpledgerPlugin(**options)


def test_names_are_not_letters() -> None:
    """`include="Greets"` would include types named G, r, e, t and s."""
    with pytest.raises(TypeError, match="include"):
        OpledgerPlugin(include="Greets")


def test_missing_key_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable that names it."""
    monkeypatch.setenv("OPLEDGER_API_KEY_FILE", "/no/such/file")
    with pytest.raises(ValueError, match="OPLEDGER_API_KEY_FILE"):
        OpledgerPlugin(url="http://127.0.0.1:1")


@pytest.mark.parametrize("url", ["https://user:secret@ledger", "https://ledger/?key=secret", "ftp://u:secret@ledger"])
def test_secret_in_the_url_is_refused_and_not_shown(url: str) -> None:
    """Log lines and workflow histories name the URL."""
    with pytest.raises(ValueError, match=r"https://ledger\.example\.com") as refused:
        OpledgerPlugin(url=url)
    assert "secret" not in str(refused.value)


def test_key_is_not_shown() -> None:
    """Not even in the representation of the address."""
    assert KEY not in repr(find_address("http://127.0.0.1:1", KEY))
