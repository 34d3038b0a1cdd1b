"""When a reported outcome becomes the status, and which workflows report one."""

from enum import StrEnum


class Finality(StrEnum):
    """Whose word ends an operation."""

    WORKFLOW = "workflow"
    """The workflow's report is final. One write fewer; wrong when the close is then refused or pre-empted, and the
    workflow loses signals and updates that arrive during the report: its body must drain its handlers first."""
    ENGINE = "engine"
    """A report is kept, and becomes the status only when the engine says that the chain has closed."""


class OutcomeReports(StrEnum):
    """Whether a tracked workflow reports its outcome. It must wait for that report after its body has ended."""

    ALWAYS = "always"
    WHEN_SAFE = "when_safe"
    """Only where nothing of the workflow can still act while it waits: no handlers, no other tasks."""
    NEVER = "never"


def outcome_reports(finality: Finality, *, calls_back: bool) -> OutcomeReports:
    """Which rule a start gives to its workflow. `calls_back`: the engine calls the ledger when the chain closes."""
    if finality is Finality.WORKFLOW:
        return OutcomeReports.ALWAYS
    return OutcomeReports.NEVER if calls_back else OutcomeReports.WHEN_SAFE
