"""Request body of a batch."""

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from entrypoints.http.requests.schemas import SubmitBody

MAX_BATCH_OPERATIONS: Final = 500


class BatchItemBody(SubmitBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One submission of a batch."""

    idempotency_key: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=255,
                pattern=r"^[\x20-\x7e]+$(?!\n)",  # Python's $ also matches before a last newline
                description="Printable ASCII. For 24 hours, the same key and submission return the first operation",
            ),
        ]
        | UnsetType
    ) = UNSET


class BatchBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of submissions. The handler decodes each by itself, so that an invalid one gets its own error."""

    operations: Annotated[list[Any], Meta(min_length=1, max_length=MAX_BATCH_OPERATIONS)]
