"""The body of a batch submission."""

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from entrypoints.http.requests.schemas import SubmitBody

MOST_OPERATIONS: Final = 500


class BatchItemBody(SubmitBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to run, and the key by which a repeat is known."""

    idempotency_key: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=255,
                pattern=r"^[\x20-\x7e]+$",
                description="Printable ASCII. For 24 hours the same key and submission give the first operation again",
            ),
        ]
        | UnsetType
    ) = UNSET


class BatchBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What to run. The submissions are read one by one, so that a wrong one is answered in its place."""

    operations: Annotated[list[Any], Meta(min_length=1, max_length=MOST_OPERATIONS)]
