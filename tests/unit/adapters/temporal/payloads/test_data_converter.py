"""Loading of the data converter `module:name`: a clear error at start-up if it is wrong."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter

from adapters.temporal.payloads.bounded_codec import BoundedCodec
from adapters.temporal.payloads.data_converter import check_payload_codec, load_data_converter
from adapters.temporal.payloads.remote_codec import RemoteCodec
from domain.errors import OpledgerError, StartupError
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.settings.settings import Settings
from entrypoints.wiring import api, worker
from tests.support.ports import free_port
from tests.support.temporal.aes_codec import DATA_CONVERTER, AesCodec

Process = Callable[[Settings], AbstractAsyncContextManager[object]]
NO_DATABASE = "postgresql://nobody@localhost/nothing"
AES = "tests.support.temporal.aes_codec:DATA_CONVERTER"
VALUE = {"machine": "m1"}


@pytest.fixture
async def remote() -> AsyncIterator[RemoteCodec]:
    codec = RemoteCodec(f"http://127.0.0.1:{free_port()}", "default")
    yield codec
    await codec.close()


async def test_named_converter_is_used() -> None:
    """Its failure converter is used too, and its codec has a timeout."""
    converter = load_data_converter(AES)
    assert isinstance(converter.payload_codec, BoundedCodec)
    assert converter.failure_converter_class is DATA_CONVERTER.failure_converter_class
    encoded = await converter.encode([VALUE])
    assert encoded[0].metadata["encoding"] == b"binary/encrypted"
    assert await DATA_CONVERTER.decode(encoded) == [VALUE]


def test_default_is_the_sdk_s_converter() -> None:
    assert load_data_converter(None) is DataConverter.default


async def test_remote_codec_is_added(remote: RemoteCodec) -> None:
    """To the SDK's converter, and to a named one without a codec."""
    assert isinstance(load_data_converter(None, remote).payload_codec, BoundedCodec)
    named = load_data_converter("temporalio.converter:DataConverter.default", remote)
    assert isinstance(named.payload_codec, BoundedCodec)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:converter", "the module no_such_module cannot be imported: No module named 'no_such_module'"),
        ("tests.support.temporal.aes_codec:NOTHING", "data_converter: tests.support.temporal.aes_codec has no NOTHING"),
        ("tests.support.temporal.aes_codec:AesCodec", "is a ABCMeta, not a temporalio.converter.DataConverter"),
        ("broken_codec:converter", "importing broken_codec fails with ZeroDivisionError: division by zero"),
        ("needy_codec:converter", "No module named 'no_such_library'; install it, or add its folder to PYTHONPATH"),
    ],
)
def test_wrong_name_is_explained(name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_codec.py").write_text("1 / 0\n")
    (tmp_path / "needy_codec.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(StartupError) as refused:
        load_data_converter(name)
    assert words in str(refused.value)
    assert name.partition(":")[0] not in sys.modules or name.startswith("tests.")


async def test_two_codecs_are_refused(remote: RemoteCodec) -> None:
    with pytest.raises(StartupError, match="has a payload codec of its own; set only one of the two"):
        load_data_converter(AES, remote)


@pytest.mark.parametrize("process", [api.api, worker.worker])
async def test_wrong_name_prevents_the_start(process: Process) -> None:
    """Neither the API nor the worker starts."""
    settings = Settings(
        database_url=NO_DATABASE,
        operations=str(DEMO_TYPES),
        data_converter="no_such_module:it",
    )
    with pytest.raises(StartupError, match="no_such_module cannot be imported"):
        async with process(settings):
            raise AssertionError("it started")


class Deranged(AesCodec):
    """Decodes to a different value."""

    def decrypt(self, payloads: object) -> list[Payload]:
        return [Payload(metadata={"encoding": b"json/plain"}, data=b"1")]


async def client(converter: DataConverter) -> Client:
    return await Client.connect(f"127.0.0.1:{free_port()}", lazy=True, data_converter=converter)


async def test_doctor_checks_the_codec(remote: RemoteCodec) -> None:
    """Whether there is one, whether it answers, and whether it decodes its own payloads."""
    assert (await check_payload_codec(await client(DataConverter.default))).startswith("none")
    assert await check_payload_codec(await client(load_data_converter(AES))) == "encodes and decodes"
    with pytest.raises(OpledgerError, match="CodecUnavailable: encode: the codec endpoint fails with ConnectError"):
        await check_payload_codec(await client(load_data_converter(None, remote)))
    with pytest.raises(OpledgerError, match="decodes its own payload to another value"):
        await check_payload_codec(await client(DataConverter(payload_codec=Deranged())))
