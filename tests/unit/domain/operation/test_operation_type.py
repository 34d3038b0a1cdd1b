"""OperationCatalogue: the type of executions that others start."""

from dataclasses import replace

import pytest

from domain.operation.operation_type import OperationCatalogue, OperationType

ORDER = OperationType("order", "OrderWorkflow", "orders")
ADOPTING = replace(ORDER, name="watched", adopt=True)
US, EU = (replace(ADOPTING, name=f"{name}-order", tenant=name, query=f"Region = '{name}'") for name in ("us", "eu"))


def catalogue(*types: OperationType) -> OperationCatalogue:
    return OperationCatalogue({one.name: one for one in types})


@pytest.mark.parametrize(
    ("types", "tenant", "chosen"),
    [
        ((), None, None),
        ((), "eu", None),
        ((ORDER,), "eu", ORDER),
        ((ORDER, ADOPTING), None, ADOPTING),
        ((ORDER, ADOPTING), "eu", ADOPTING),
        ((replace(ORDER, name="a"), ORDER), None, replace(ORDER, name="a")),
        ((US, EU), "eu", EU),
        ((US, EU), "us", US),
        ((US, EU), "another", None),
        ((ADOPTING, US), "us", US),
        ((ADOPTING, US), "default", ADOPTING),
        ((ORDER, US), "another", ORDER),
        ((US, replace(US, name="a-us", adopt=False, query=None)), "us", US),
    ],
)
def test_type_of_a_workflow(types: tuple[OperationType, ...], tenant: str | None, chosen: OperationType | None) -> None:
    """P8: never one of another tenant; of the others the tenant's own first, then one that adopts."""
    assert catalogue(*types).of_workflow("OrderWorkflow", tenant) == chosen
    assert catalogue(*types).of_workflow("Other", tenant) is None


@pytest.mark.parametrize(
    ("types", "owners"),
    [
        ((ORDER,), set()),
        ((ORDER, ADOPTING), {"default"}),
        ((US, EU), {"us", "eu"}),
        ((ADOPTING, EU), {"default", "eu"}),
    ],
)
def test_owners_of_a_workflow(types: tuple[OperationType, ...], owners: set[str]) -> None:
    """A type without a tenant that adopts nothing is for everybody."""
    assert catalogue(*types).owners_of_workflow("OrderWorkflow") == owners
    assert catalogue(*types).owners_of_workflow("Other") == set()


def test_workflow_of_a_type() -> None:
    """The name of an undeclared type is that of its workflow type."""
    assert [catalogue(ORDER).workflow_of(name) for name in ("order", "Payroll")] == ["OrderWorkflow", "Payroll"]


@pytest.mark.parametrize(
    ("name", "tenant", "recorded"),
    [
        ("us-order", "eu", "us-order"),
        ("OrderWorkflow", "eu", "eu-order"),
        ("OrderWorkflow", "another", "OrderWorkflow"),
        ("Other\n", "eu", "Other_"),
    ],
)
def test_name_of_a_start(name: str, tenant: str, recorded: str) -> None:
    """The type of what a client records: a declared one, or the name of the workflow type."""
    assert catalogue(US, EU).name_of_start(name, tenant) == recorded
