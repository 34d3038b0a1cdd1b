"""Decodes the arguments of the ledger's activities.

The SDK retries an activity whose arguments it cannot decode until the caller's timeout. So the activities take raw
payloads, decode them here, and refuse what will never be readable with an error that is not retried.
"""

import json
from collections.abc import Sequence

from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from domain.json_value import JsonValue
from entrypoints.reports.object_decoder import InvalidArgument

INVALID_ARGUMENT = "InvalidArgument"
"""Type of the application error. Never retried."""
_JSON = frozenset({b"json/plain", b"json/protobuf"})
_NO_CODEC = "set OPLEDGER_DATA_CONVERTER or OPLEDGER_CODEC_ENDPOINT if the workers encode their payloads"


def refusal(error: InvalidArgument) -> ApplicationError:
    """The error that fails the activity for good. It has no details: they would be a payload, which a workflow whose
    codec differs from the ledger's could not decode."""
    name = activity.info().activity_type
    message = f"the argument of {name} cannot be read: {error}"
    return ApplicationError(message, type=INVALID_ARGUMENT, non_retryable=True)


def json_argument(arguments: Sequence[RawValue]) -> JsonValue:
    """The single argument as a JSON value, where NaN and the infinities may still be in it. Raises InvalidArgument."""
    payload = _single(arguments).payload
    encoding = payload.metadata.get("encoding", b"")
    if encoding == b"binary/null":
        return None
    if encoding not in _JSON:
        shown = encoding.decode(errors="replace") or "missing"
        raise InvalidArgument(f"encoding: json/plain or json/protobuf; it is {shown} ({_NO_CODEC})")
    try:
        value: JsonValue = json.loads(payload.data)
    except RecursionError:
        raise InvalidArgument("the JSON is nested too deeply") from None
    except ValueError as error:
        raise InvalidArgument(f"it is not JSON: {error}") from None
    return value


def _single(arguments: Sequence[RawValue]) -> RawValue:
    if len(arguments) != 1:
        raise InvalidArgument(f"exactly one argument is expected; {len(arguments)} were sent")
    return arguments[0]
