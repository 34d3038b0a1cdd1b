"""A team's worker that encrypts its payloads, and a ledger with and without the same codec, on the real server."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.converter import DataConverter

from adapters.temporal.payloads.data_converter import load_data_converter
from adapters.temporal.payloads.remote_codec import RemoteCodec
from application.ports.engine.callback_reader import CallbackMessage
from application.ports.engine.workflow_engine import EngineUnavailable
from application.ports.monitoring.metrics import CallbackOutcome
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from entrypoints.settings.settings import Settings
from entrypoints.wiring import adapters, temporal
from entrypoints.wiring.services import joined
from entrypoints.wiring.worker import worker
from tests.support.chains import own_chain
from tests.support.ledger.in_memory import WatchedEngine
from tests.support.ledger.real import CATALOGUE, TENANT, RealLedger, real_ledger
from tests.support.operations import stated
from tests.support.postgres.server import own_database
from tests.support.temporal.aes_codec import DATA_CONVERTER, ENCRYPTED, StrictCodec
from tests.support.temporal.codec_server import CodecServer, codec_server
from tests.support.temporal.raw_calls import ReturnsOddly

AES = "tests.support.temporal.aes_codec:DATA_CONVERTER"
SECRET = {"password": "swordfish"}
COMPLETED, RUNNING = OperationStatus.COMPLETED, OperationStatus.RUNNING


@pytest.fixture(scope="module")
async def database(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    async with own_database(postgres_server, "ledger_codec") as url:
        yield url


@pytest.fixture(scope="module")
def server() -> Iterator[CodecServer]:
    with codec_server() as server:
        yield server


def with_converter(client: Client, converter: DataConverter) -> Client:
    """The same connection with another converter."""
    config = client.config()
    config["data_converter"] = converter
    return Client(**config)


@contextlib.asynccontextmanager
async def ledger_with(client: Client, converter: DataConverter, database: str) -> AsyncIterator[RealLedger]:
    """A ledger with that converter, beside a team's worker that encrypts."""
    team = with_converter(client, DATA_CONVERTER)
    async with (
        real_ledger(with_converter(client, converter), database) as ledger,
        ledger.working(team=team),
    ):
        yield ledger


def payloads_of(events: list[HistoryEvent]) -> list[Payload]:
    """The input, every activity's input and result, and the workflow's result, as Temporal has them."""
    found: list[Payload] = []
    for event in events:
        found += event.workflow_execution_started_event_attributes.input.payloads
        found += event.activity_task_scheduled_event_attributes.input.payloads
        found += event.activity_task_completed_event_attributes.result.payloads
        found += event.workflow_execution_completed_event_attributes.result.payloads
    return found


def attempts(events: list[HistoryEvent]) -> set[int]:
    """Of all activities."""
    started = [event for event in events if event.HasField("activity_task_started_event_attributes")]
    return {event.activity_task_started_event_attributes.attempt for event in started}


async def test_without_the_codec_nothing_is_retried(temporal_client: Client, database: str) -> None:
    """The reports cannot be read and are refused at once; the operation is COMPLETED and says that its result cannot
    be read."""
    async with ledger_with(temporal_client, DataConverter.default, database) as ledger:
        operation_id = await ledger.dispatched("Waits-team")
        await ledger.until(operation_id, lambda row: row.status is RUNNING)
        await ledger.handle(operation_id).signal("finish", SECRET)
        row = await ledger.reconciled(operation_id)  # no report says that it has ended, and nothing calls back
        assert (row.status, row.result, row.progress) == (COMPLETED, None, None)
        assert row.attention is not None
        words = "the result could not be read: its encoding is binary/encrypted, not JSON"
        assert (row.attention.kind, row.attention.message) == (AttentionKind.RESULT_UNREADABLE, words)
        events = await ledger.events(operation_id)
        assert attempts(events) == {1}
        refused = [event for event in events if event.HasField("activity_task_failed_event_attributes")]
        assert refused
        assert await ledger.path(operation_id) == ["ACCEPTED", "RUNNING", "COMPLETED"]


async def test_refusals_do_not_harm_the_workflow(temporal_client: Client, database: str) -> None:
    """P7: the refusal of a report carries no payload, which a codec that insists on encryption could not decode.

    The start is encrypted: its memo is a payload, and such a worker takes no start in plain text from anybody.
    """
    strict = with_converter(temporal_client, DataConverter(payload_codec=StrictCodec()))
    async with real_ledger(strict, database) as ledger, ledger.working(own=temporal_client):
        operation_id = await ledger.dispatched("NoArgument-team")
        row = await ledger.reconciled(operation_id)
        assert row.status is COMPLETED
        failed_tasks = [
            event
            for event in await ledger.events(operation_id)
            if event.HasField("workflow_task_failed_event_attributes")
        ]
        assert failed_tasks == []


@pytest.mark.parametrize("way", ["endpoint", "module"])
async def test_with_the_codec_everything_is_read_and_nothing_is_plain(
    temporal_client: Client, database: str, server: CodecServer, way: str
) -> None:
    """Input, reports and result are encrypted in Temporal and plain in the ledger."""
    remote = RemoteCodec(server.url, temporal_client.namespace)
    converter = load_data_converter(None, remote) if way == "endpoint" else load_data_converter(AES)
    async with ledger_with(temporal_client, converter, database) as ledger:
        echoed, waiting = await ledger.submit("Echo-team", SECRET), await ledger.running("Waits-team")
        row = await ledger.until(waiting, lambda row: row.progress is not None)
        assert stated(row.progress) == (0.5, "half way")
        await with_converter(temporal_client, DATA_CONVERTER).get_workflow_handle(str(waiting)).signal("finish", SECRET)
        for operation_id in (echoed, waiting):
            row = await ledger.reconciled(operation_id)
            assert (row.status, row.result, row.attention) == (COMPLETED, SECRET, None)
            events = await ledger.events(operation_id)
            encodings = {payload.metadata["encoding"] for payload in payloads_of(events)}
            assert encodings == {ENCRYPTED}
            assert not any(b"swordfish" in event.SerializeToString() for event in events)
            assert attempts(events) <= {1}
    await remote.close()


async def test_errors_are_read(temporal_client: Client, database: str, server: CodecServer) -> None:
    """Also where the workers encrypt messages."""
    remote = RemoteCodec(server.url, temporal_client.namespace)
    async with ledger_with(temporal_client, load_data_converter(None, remote), database) as ledger:
        row = await ledger.done(await ledger.submit("FailsInActivity-team"))
        assert row.error is not None
        assert (row.error.code, row.error.message) == (ErrorCode.WORKFLOW_FAILED, "disk 7 is full")
    await remote.close()


async def test_endpoint_that_is_away_delays_and_fails_nothing(
    temporal_client: Client, database: str, server: CodecServer
) -> None:
    """A start waits, with the reason on the operation; an end waits too; both go on when the endpoint is back."""
    remote = RemoteCodec(server.url, temporal_client.namespace)
    async with ledger_with(temporal_client, load_data_converter(None, remote), database) as ledger:
        ending = await ledger.running("Waits-team")
        server.away = True
        try:
            starting = await ledger.submit("Echo-team", SECRET)
            row = await ledger.until(starting, lambda row: row.attention is not None)
            assert row.attention is not None
            assert row.attention.kind is AttentionKind.DISPATCH_RETRYING
            assert "CodecUnavailable: encode: the codec endpoint answers 503" in row.attention.message
            handle = with_converter(temporal_client, DATA_CONVERTER).get_workflow_handle(str(ending))
            await handle.signal("finish", SECRET)
            await ledger.closed(ending)
            with pytest.raises(EngineUnavailable, match=r"the payload codec is unavailable: .* answers 503"):
                await ledger.engine.observe(own_chain(ending))
            assert (await ledger.row(ending)).status is RUNNING
        finally:
            server.away = False
        for operation_id in (starting, ending):
            row = await ledger.reconciled(operation_id)
            assert (row.status, row.result, row.attention) == (COMPLETED, SECRET, None)
    await remote.close()


ODD_RESULTS = {
    "bytes": (None, "the result could not be read: its encoding is binary/plain, not JSON"),
    "nan": (
        {"loss": None, "steps": [1, None, 3]},
        "the result is not complete: JSON has no NaN and no infinity; shown as null: /loss, /steps/1",
    ),
}


@pytest.mark.parametrize("what", ODD_RESULTS)
async def test_result_that_is_no_json_is_on_the_operation(temporal_client: Client, database: str, what: str) -> None:
    """COMPLETED, with what could be read and an attention that says what could not."""
    async with (
        real_ledger(temporal_client, database) as ledger,
        ledger.working(workflows=[ReturnsOddly]),
    ):
        row = await ledger.reconciled(await ledger.dispatched("Fixable-team", what))
        assert row.attention is not None
        assert row.attention.kind is AttentionKind.RESULT_UNREADABLE
        assert (row.status, row.result, row.attention.message) == (COMPLETED, *ODD_RESULTS[what])
        stored = await ledger.row(row.id)
        assert stored.attention == row.attention


async def test_callback_is_read_with_the_codec(temporal_client: Client, database: str, server: CodecServer) -> None:
    """The body is the encrypted payload and is sufficient: Temporal is not asked."""
    remote = RemoteCodec(server.url, temporal_client.namespace)
    client = with_converter(temporal_client, load_data_converter(None, remote))
    async with real_ledger(client, database) as ledger:
        operation_id = await ledger.dispatched("nobody")
        [result] = await DATA_CONVERTER.encode([SECRET])
        run = (await ledger.row(operation_id)).first_run_id
        now = ledger.adapters.clock().now().isoformat().replace("+00:00", "Z")
        headers = {
            "nexus-operation-state": "succeeded",
            "nexus-operation-close-time": now,
            "content-type": "application/x-temporal-payload",
            "nexus-link": f"<temporal:///namespaces/{temporal_client.namespace}/workflows/{operation_id}/{run}/history>",
        }
        message = CallbackMessage(headers, result.SerializeToString())
        outcome = await ledger.api.receiver().receive(operation_id, TENANT, message)
        assert outcome is CallbackOutcome.APPLIED
        row = await ledger.row(operation_id)
        assert (row.status, row.result, row.attention) == (COMPLETED, SECRET, None)
        assert ledger.engine.calls["observe"] == []
    await remote.close()


async def test_wired_as_the_settings_say(
    temporal_client: Client, temporal_address: str, database: str, server: CodecServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dispatcher, the callback reader and the worker's own client of the real wiring use the endpoint."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    server.requests.clear()
    settings = Settings(
        database_url=database,
        operations=str(DEMO_TYPES),
        codec_endpoint=server.url,
        codec_authorization="Bearer b1",
    )
    async with adapters.opened(settings) as opened, temporal.opened(settings, opened.clock()) as engine:
        wired = joined(settings, CATALOGUE, opened, engine)
        ledger = RealLedger(temporal_client, wired, WatchedEngine(engine.engine()))
        operation_id: UUID = await ledger.dispatched("nobody", SECRET)
        [started, *_] = await ledger.events(operation_id)
        assert started.workflow_execution_started_event_attributes.input.payloads[0].metadata["encoding"] == ENCRYPTED
    async with worker(settings) as parts:
        client = await parts.connect()
        assert await client.data_converter.decode(await client.data_converter.encode([SECRET])) == [SECRET]
    assert [path for path, _ in server.requests] == ["/encode", "/encode", "/encode", "/decode"]
    assert {headers["authorization"] for _, headers in server.requests} == {"Bearer b1"}
