"""Results and failures through the configured data converter: read exactly, or reported as unreadable."""

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import timedelta

import pytest
from temporalio.api.command.v1 import (
    CompleteWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
)
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import (
    ActivityFailureInfo,
    ApplicationFailureInfo,
    Failure,
    TimeoutFailureInfo,
)
from temporalio.client import Client
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec
from temporalio.exceptions import ApplicationError

from adapters.temporal import start_request
from adapters.temporal.executions import close
from adapters.temporal.payloads import payloads
from adapters.temporal.workflow_engine import TemporalWorkflowEngine
from application.ports.engine.workflow_engine import PayloadsUnavailable, StartFailed
from domain.evidence.observation import ExecutionState, Observation
from domain.operation.operation_error import ErrorCode
from tests.contract.engine.temporal import SystemClock, TemporalWorld
from tests.support.chains import own_chain
from tests.support.tcp_proxy import Proxy


class Masking(PayloadCodec):
    """In place of encryption: the whole payload, masked by a key."""

    def __init__(self, key: int = 0x5A) -> None:
        self.key = key

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"binary/masked"}, data=self._mask(p.SerializeToString())) for p in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(self._mask(payload.data)) for payload in payloads]

    def _mask(self, data: bytes) -> bytes:
        return bytes(byte ^ self.key for byte in data)


class Broken(PayloadCodec):
    """A codec with an internal error."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        raise RuntimeError("no key")

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        raise RuntimeError("no key")


class Away(Broken):
    """A codec whose key service is unreachable."""

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        raise ConnectionError("no route")


class Hanging(Broken):
    """A codec that never answers."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return await asyncio.Future()

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return await asyncio.Future()


MASKED = DataConverter(payload_codec=Masking(), failure_converter_class=DefaultFailureConverterWithEncodedAttributes)


def world_of(client: Client, address: str, converter: DataConverter) -> TemporalWorld:
    """A world in which the engine and the worker use the converter."""
    config = client.config()
    config["data_converter"] = converter
    own = Client(**config)
    return TemporalWorld(own, own, Proxy(address))


@pytest.fixture
def plain(temporal_client: Client, temporal_address: str) -> TemporalWorld:
    return world_of(temporal_client, temporal_address, DataConverter.default)


@pytest.fixture
def masked(temporal_client: Client, temporal_address: str) -> TemporalWorld:
    return world_of(temporal_client, temporal_address, MASKED)


async def completed(world: TemporalWorld, *results: Payload) -> Observation:
    operation_id = await world.started()
    attributes = CompleteWorkflowExecutionCommandAttributes()
    attributes.result.payloads.extend(results)
    await world.close(operation_id, complete_workflow_execution_command_attributes=attributes)
    return await world.observe(operation_id)


async def failed(world: TemporalWorld, failure: Failure) -> Observation:
    operation_id = await world.started()
    attributes = FailWorkflowExecutionCommandAttributes(failure=failure)
    await world.close(operation_id, fail_workflow_execution_command_attributes=attributes)
    return await world.observe(operation_id)


def json_payload(data: bytes, encoding: bytes = b"json/plain") -> Payload:
    return Payload(metadata={"encoding": encoding}, data=data)


async def test_no_result_is_null(plain: TemporalWorld) -> None:
    """A workflow that returns no payload at all."""
    seen = await completed(plain)
    assert (seen.state, seen.result, seen.result_unreadable) == (ExecutionState.COMPLETED, None, None)


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (Payload(metadata={"encoding": b"binary/null"}), None),
        (json_payload(b'{"a": [1]}', b"json/protobuf"), {"a": [1]}),
        (json_payload(b"[NaN, -Infinity, 2]"), [None, None, 2]),
    ],
)
async def test_json_of_every_encoding_is_read(plain: TemporalWorld, payload: Payload, value: object) -> None:
    """null, protobuf's JSON, and Python's NaN."""
    seen = await completed(plain, payload)
    assert (seen.result, seen.result_unreadable) == (value, None)


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ([json_payload(b"\x00\x01", b"binary/plain")], "its encoding is binary/plain, not JSON"),
        ([json_payload(b"x", b"binary/protobuf")], "its encoding is binary/protobuf, not JSON"),
        ([Payload(data=b"1")], "its encoding is not given, not JSON"),
        ([json_payload(b"{broken")], "JSONDecodeError"),
        ([json_payload(b"\xff")], "UnicodeDecodeError"),
        ([json_payload(b"[" * 200_000)], "RecursionError"),
        ([json_payload(b"1"), json_payload(b"2")], "the result is 2 values, not one"),
    ],
    ids=["bytes", "protobuf", "no encoding", "not JSON", "not UTF-8", "too deep", "two values"],
)
async def test_unreadable_result_is_not_guessed(plain: TemporalWorld, results: list[Payload], words: str) -> None:
    """A result that is not one JSON value is COMPLETED, with the reason why the result is missing."""
    seen = await completed(plain, *results)
    assert (seen.state, seen.result) == (ExecutionState.COMPLETED, None)
    assert seen.result_unreadable is not None
    assert words in seen.result_unreadable


async def test_codec_is_applied(masked: TemporalWorld) -> None:
    """To input and result: the server sees neither in clear."""
    operation_id = await masked.started({"secret": 1})
    first = (await masked.history(operation_id))[0].workflow_execution_started_event_attributes
    assert first.input.payloads[0].metadata["encoding"] == b"binary/masked"
    assert await masked.input_of(operation_id) == [{"secret": 1}]
    [result] = await MASKED.encode([{"secret": 2}])
    assert (await completed(masked, result)).result == {"secret": 2}


async def test_wrong_key_is_unreadable(masked: TemporalWorld, temporal_address: str) -> None:
    """A ledger with another key than the workers' knows that the workflow completed, and that it cannot read the
    result."""
    [result] = await DataConverter(payload_codec=Masking(0x33)).encode([{"secret": 2}])
    seen = await completed(masked, result)
    assert (seen.state, seen.result) == (ExecutionState.COMPLETED, None)
    assert seen.result_unreadable


FAILING_CODECS = [
    (Broken(), "RuntimeError: no key"),
    (Away(), "ConnectionError: no route"),
    (Hanging(), "took longer than"),
]


@pytest.mark.parametrize(("codec", "words"), FAILING_CODECS)
async def test_failing_codec_delays_a_start_and_makes_a_result_unreadable(
    plain: TemporalWorld, monkeypatch: pytest.MonkeyPatch, codec: PayloadCodec, words: str
) -> None:
    """A codec that raises or hangs. A result or an error is unreadable after CODEC_OUTAGE_LIMIT."""
    monkeypatch.setattr(payloads, "DECODE_TIMEOUT", 0.1)
    monkeypatch.setattr(start_request, "ENCODE_TIMEOUT", 0.1)
    monkeypatch.setattr(close, "CODEC_OUTAGE_LIMIT", timedelta(0))
    config = plain.client.config()
    config["data_converter"] = DataConverter(payload_codec=codec)
    engine = TemporalWorkflowEngine(Client(**config), SystemClock())
    with pytest.raises(StartFailed, match=r"no key|took longer than"):
        await engine.start(plain.request({"n": 1}))
    done, broken = await plain.started(), await plain.started()
    await plain.complete(done, 1)
    assert words in ((await engine.observe(own_chain(done))).result_unreadable or "")
    info = ApplicationFailureInfo(type="T")
    info.details.payloads.append(json_payload(b"1"))
    attributes = FailWorkflowExecutionCommandAttributes(failure=Failure(message="m", application_failure_info=info))
    await plain.close(broken, fail_workflow_execution_command_attributes=attributes)
    error = (await engine.observe(own_chain(broken))).error
    assert error is not None
    assert error.message == "m"
    assert words in str(error.details["unreadable"])


@pytest.mark.parametrize("codec", [Away(), Hanging()])
async def test_unavailable_codec_delays_the_end(
    plain: TemporalWorld, monkeypatch: pytest.MonkeyPatch, codec: PayloadCodec
) -> None:
    """What the ledger reads of a close is final, so it does not read a close while the codec is unavailable."""
    monkeypatch.setattr(payloads, "DECODE_TIMEOUT", 0.1)
    config = plain.client.config()
    config["data_converter"] = DataConverter(payload_codec=codec)
    engine = TemporalWorkflowEngine(Client(**config), SystemClock())
    done, broken = await plain.started(), await plain.started()
    await plain.complete(done, 1)
    info = ApplicationFailureInfo(type="T")
    info.details.payloads.append(json_payload(b"1"))
    attributes = FailWorkflowExecutionCommandAttributes(failure=Failure(message="m", application_failure_info=info))
    await plain.close(broken, fail_workflow_execution_command_attributes=attributes)
    for operation_id in (done, broken):
        for likely_closed in (False, True):
            with pytest.raises(PayloadsUnavailable, match="the payload codec is unavailable"):
                await engine.observe(own_chain(operation_id), likely_closed=likely_closed)


async def test_error_is_the_root_cause(plain: TemporalWorld) -> None:
    """Message, type and flag are those of the root cause; `causes` has the types of the wrappers in order."""
    root = Failure(
        message="disk full", application_failure_info=ApplicationFailureInfo(type="DiskFull", non_retryable=True)
    )
    root.application_failure_info.details.payloads.append(json_payload(b'{"path": "/var"}'))
    wrapper = Failure(message="Activity task failed", activity_failure_info=ActivityFailureInfo(), cause=root)
    error = (await failed(plain, wrapper)).error
    assert error is not None
    assert (error.code, error.message) == (ErrorCode.WORKFLOW_FAILED, "disk full")
    assert error.details == {
        "type": "DiskFull",
        "non_retryable": True,
        "causes": ["ActivityError", "DiskFull"],
        "details": [{"path": "/var"}],
    }


async def test_cause_without_a_message_has_its_type_as_message(plain: TemporalWorld) -> None:
    """A timeout of an activity is a TimeoutError."""
    root = Failure(timeout_failure_info=TimeoutFailureInfo())
    error = (await failed(plain, Failure(message="x", activity_failure_info=ActivityFailureInfo(), cause=root))).error
    assert error is not None
    assert (error.message, error.details["type"]) == ("TimeoutError", "TimeoutError")


@pytest.mark.parametrize(
    ("details", "words"),
    [
        (json_payload(b"{broken"), "the details could not be read: JSONDecodeError"),
        (json_payload(b'"' + b"x" * 20_000 + b'"'), "the details are left out: more than 16384 bytes"),
        (json_payload(b"x", b"binary/encrypted"), "its encoding is binary/encrypted, not JSON"),
    ],
    ids=["broken", "large", "encrypted"],
)
async def test_odd_details_are_left_out(plain: TemporalWorld, details: Payload, words: str) -> None:
    """Application details that are not JSON, or too large, do not hide the error, which says that they are missing."""
    failure = Failure(message="m", application_failure_info=ApplicationFailureInfo(type="T"))
    failure.application_failure_info.details.payloads.append(details)
    error = (await failed(plain, failure)).error
    assert error is not None
    assert error.message == "m"
    assert "details" not in error.details
    assert words in str(error.details["unreadable"])


async def test_nan_in_details_is_null_and_reported(plain: TemporalWorld) -> None:
    """`unreadable` names the number."""
    failure = Failure(message="m", application_failure_info=ApplicationFailureInfo(type="T"))
    failure.application_failure_info.details.payloads.append(json_payload(b'{"loss": NaN}'))
    error = (await failed(plain, failure)).error
    assert error is not None
    assert error.details["details"] == [{"loss": None}]
    words = "the details are not complete: JSON has no NaN and no infinity; shown as null: /loss"
    assert error.details["unreadable"] == words


async def test_encoded_attributes_are_read(masked: TemporalWorld) -> None:
    """A ledger with the key can read the error messages that workers encrypt; without the key it cannot."""
    failure = Failure()
    await MASKED.encode_failure(ApplicationError("disk full", {"path": "/var"}, type="DiskFull"), failure)
    assert failure.message == "Encoded failure"
    error = (await failed(masked, failure)).error
    assert error is not None
    assert (error.message, error.details["details"]) == ("disk full", [{"path": "/var"}])
    stranger = dataclasses.replace(MASKED, payload_codec=None)
    reader = payloads.PayloadReader(stranger)
    assert await reader.decode_failure(failure) is None
    assert failure.message == "Encoded failure"
