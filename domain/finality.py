"""When a reported outcome becomes the status."""

from enum import StrEnum


class Finality(StrEnum):
    """Whose word ends an operation."""

    WORKFLOW = "workflow"
    """The workflow's report is final. One write fewer; wrong when the close is then refused or pre-empted."""
    ENGINE = "engine"
    """A report is kept, and becomes the status only when the engine says that the chain has closed."""
