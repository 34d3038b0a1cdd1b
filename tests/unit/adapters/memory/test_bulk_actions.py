"""Cost of a dry run, in memory."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from application.ports.storage.operation_queries import OperationFilter
from domain.bulk.bulk_action import BulkAction, BulkVerb
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import note
from tests.contract.storage.operations.test_operation_repository import accepted_change
from tests.contract.storage.stores import MemoryBackend, save, stored
from tests.support.operations import at, cause

TARGETS = 200


async def test_only_an_acknowledgement_computes_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other verbs do not need them."""
    store = await filled(1)
    problem = Attention(AttentionKind.STALLED, at(3), "it fails")
    await save(store, note(replace(await stored(store, UUID(int=1)), attention=problem), cause(9)))
    computed = counted(monkeypatch, Attention, "identity", Attention.identity.fget)  # type: ignore[attr-defined]
    await dry_run(store, BulkVerb.CANCEL)
    assert computed == []
    await dry_run(store, BulkVerb.ACKNOWLEDGE)
    assert computed == [problem]


async def test_a_dry_run_compares_no_target_with_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cost is proportional to the number of operations."""
    store = await filled(TARGETS)
    compared: list[object] = []
    equal = UUID.__eq__

    def eq(one: UUID, other: object) -> bool:
        compared.append(one)
        return bool(equal(one, other))

    monkeypatch.setattr(UUID, "__eq__", eq)
    await dry_run(store, BulkVerb.ACKNOWLEDGE)
    assert len(compared) <= 10 * TARGETS


async def filled(number: int) -> MemoryBackend:
    """A store with so many operations."""
    store = MemoryBackend()
    async with store.units() as unit:
        for n in range(1, number + 1):
            await unit.operations.add(accepted_change(n, seconds=n))
        await unit.commit()
    return store


async def dry_run(store: MemoryBackend, verb: BulkVerb) -> None:
    """Finds all operations."""
    async with store.units() as unit:
        new = BulkAction(UUID(int=1000), "default", verb, at(60))
        assert await unit.bulk_actions.add(new, OperationFilter(), 1000)


def counted(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, read: Callable[[Attention], UUID]
) -> list[Attention]:
    """Returns the list of those whose property is read from now on."""
    seen: list[Attention] = []

    def get(one: Attention) -> UUID:
        seen.append(one)
        return read(one)

    monkeypatch.setattr(owner, name, property(get))
    return seen
