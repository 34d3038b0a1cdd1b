"""Response body of a batch."""

from typing import Annotated

from msgspec import Meta, Struct

from entrypoints.http.problems.problems import Problem
from entrypoints.response_bodies import OperationBody


class SubmissionAnswerBody(Struct, frozen=True):
    """The result of one submission: its operation or its problem."""

    status: Annotated[int, Meta(ge=202, le=499, description="HTTP status that a single submission would have")]
    operation: OperationBody | None = None
    replayed: Annotated[
        bool, Meta(description="Whether an earlier submission with the same key created the operation")
    ] = False
    problem: Problem | None = None


class BatchAnswerBody(Struct, frozen=True):
    """One result per submission, in the order of the request."""

    items: list[SubmissionAnswerBody]
