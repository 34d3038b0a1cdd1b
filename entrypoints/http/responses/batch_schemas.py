"""The answer to a batch submission."""

from typing import Annotated

from msgspec import Meta, Struct

from entrypoints.http.problems.problems import Problem
from entrypoints.http.responses.schemas import OperationBody


class SubmissionAnswerBody(Struct, frozen=True):
    """What became of one submission: either its operation, or the problem that it has."""

    status: Annotated[int, Meta(ge=202, le=499, description="What it would have been answered alone")]
    operation: OperationBody | None = None
    replayed: Annotated[bool, Meta(description="Whether an earlier submission with the same key had made it")] = False
    problem: Problem | None = None


class BatchAnswerBody(Struct, frozen=True):
    """An answer for each submission, in their order."""

    items: list[SubmissionAnswerBody]
