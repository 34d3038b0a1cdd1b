"""Workflow chains, for tests."""

from uuid import UUID

from domain.operation.chain import Chain


def own_chain(operation_id: UUID, first_run_id: str | None = None) -> Chain:
    """The chain of an operation whose id is the workflow id."""
    return Chain(operation_id, str(operation_id), first_run_id)
