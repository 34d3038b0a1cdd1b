"""Finality: whether a reported outcome ends the operation, and which workflows report their outcome."""

from enum import StrEnum


class Finality(StrEnum):
    """Evidence that ends an operation."""

    WORKFLOW = "workflow"
    """The workflow's report is final. This saves one write. It is wrong if the server then refuses the close or
    the workflow is terminated first. The workflow also loses signals and updates that arrive during the report,
    so its body must drain its handlers first."""
    ENGINE = "engine"
    """The ledger stores a report, and changes the status only when the engine says that the chain has closed."""


class OutcomeReports(StrEnum):
    """Whether a tracked workflow reports its outcome. It waits for that report after its body has returned."""

    ALWAYS = "always"
    WHEN_SAFE = "when_safe"
    """Only if nothing can act during the wait: the workflow has no handlers and no other tasks."""
    NEVER = "never"


def outcome_reports(finality: Finality, *, calls_back: bool) -> OutcomeReports:
    """The rule that the dispatcher passes to a workflow. `calls_back`: the engine sends a callback when the chain
    closes."""
    if finality is Finality.WORKFLOW:
        return OutcomeReports.ALWAYS
    return OutcomeReports.NEVER if calls_back else OutcomeReports.WHEN_SAFE
