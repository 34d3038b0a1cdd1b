"""Loads the data converter that the settings name, which must be the one of the namespace's workers."""

import dataclasses
import importlib

from temporalio.converter import DataConverter, PayloadCodec, WorkflowSerializationContext

from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.payloads.bounded_codec import BoundedCodec
from domain.errors import OpledgerError, StartupError


def load_data_converter(name: str | None, remote: PayloadCodec | None = None) -> DataConverter:
    """Loads the converter `module:name`, or the SDK's default, and adds the remote codec, if any.

    Raises StartupError if the converter does not exist, or if both the converter and `remote` are codecs.
    """
    converter = DataConverter.default if name is None else _named(name)
    codec = converter.payload_codec
    if codec is not None and remote is not None:
        raise StartupError(f"codec_endpoint: {name} has a payload codec of its own; set only one of the two")
    codec = codec or remote
    return converter if codec is None else dataclasses.replace(converter, payload_codec=BoundedCodec(codec))


def _named(name: str) -> DataConverter:
    module_name, _, attribute = name.partition(":")
    try:
        found: object = importlib.import_module(module_name)
    except ImportError as error:
        reason = f"the module {module_name} cannot be imported: {error}; install it, or add its folder to PYTHONPATH"
        raise StartupError(f"data_converter: {reason}") from error
    except Exception as error:
        reason = f"importing {module_name} fails with {type(error).__name__}: {error}"
        raise StartupError(f"data_converter: {reason}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise StartupError(f"data_converter: {module_name} has no {attribute}")
        found = getattr(found, part)
    if not isinstance(found, DataConverter):
        reason = f"{name} is a {type(found).__name__}, not a temporalio.converter.DataConverter"
        raise StartupError(f"data_converter: {reason}")
    return found


async def check_payload_codec(client: RawClient) -> str:
    """Encodes and decodes a value as for a workflow, and describes the codec. Raises OpledgerError if the codec fails
    or decodes to a different value."""
    if client.data_converter.payload_codec is None:
        return "none: Temporal stores inputs and results as JSON"
    converter = client.data_converter.with_context(WorkflowSerializationContext(client.namespace, "opledger-doctor"))
    value = {"opledger": "doctor"}
    try:
        decoded = await converter.decode(await converter.encode([value]))
    except Exception as error:  # a codec is another team's code
        raise OpledgerError(f"the codec fails with {type(error).__name__}: {error}") from error
    if decoded != [value]:
        raise OpledgerError("the codec decodes its own payload to another value")
    return "encodes and decodes"
