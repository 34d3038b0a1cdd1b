"""Which workflow types the plugin tracks."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

WorkflowTypes = Collection[str] | Callable[[str], bool]
"""Names of workflow types, or a function that is true for them."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Selection:
    """Selects workflow types: all that `include` names (None: all), without those that `exclude` names."""

    include: WorkflowTypes | None = None
    exclude: WorkflowTypes | None = None

    def __post_init__(self) -> None:
        for name, types in (("include", self.include), ("exclude", self.exclude)):
            if isinstance(types, str):
                raise TypeError(f"{name} must be a collection of workflow type names or a function, not a string")

    def selects(self, workflow_type: str) -> bool:
        """Whether the type is tracked. A function that fails selects nothing, and its error is logged."""
        try:
            included = self.include is None or _contains(self.include, workflow_type)
            return included and not (self.exclude is not None and _contains(self.exclude, workflow_type))
        except Exception:  # noqa: BLE001 - it must not stop the workflow
            _log.exception("include or exclude failed for workflow type %r, which is not tracked", workflow_type)
            return False


def _contains(types: WorkflowTypes, workflow_type: str) -> bool:
    return types(workflow_type) if callable(types) else workflow_type in types
