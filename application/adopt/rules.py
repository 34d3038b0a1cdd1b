"""Watch rules: which executions of others the ledger adopts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from application.ports.engine.index import Watch
from domain.operation.operation_type import OperationCatalogue, OperationType


@dataclass(frozen=True)
class WatchRule:
    """The rule of an operation type that adopts executions."""

    type: OperationType

    @property
    def watch(self) -> Watch:
        """The executions that the engine's index selects for the rule."""
        return Watch(self.type.workflow, self.type.query)

    @property
    def tenant(self) -> str:
        """Tenant of the adopted operations."""
        return self.type.owner


def watch_rules(catalogue: OperationCatalogue) -> list[WatchRule]:
    """Returns the rules of the declared types."""
    return [WatchRule(declared) for declared in catalogue if declared.adopt]


def grouped(rules: Iterable[WatchRule]) -> list[Sequence[WatchRule]]:
    """Returns the rules in as few groups as possible, each without two rules for one workflow type: the index does not
    say which of them selected an execution."""
    groups: list[list[WatchRule]] = []
    for rule in rules:
        workflow = rule.type.workflow
        group = next((one for one in groups if all(other.type.workflow != workflow for other in one)), None)
        if group is None:
            groups.append([rule])
        else:
            group.append(rule)
    return list(groups)
