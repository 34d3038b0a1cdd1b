"""Writes down, for a person, everything that is known about operations with violations."""

from pathlib import Path

from tests.chaos.campaign import Outcome


def write_evidence(outcome: Outcome, path: Path) -> None:
    """Row, lines, answered starts with an item, all runs of the workflow id, and deletions of every operation that
    broke a promise, or is not through."""
    facts = outcome.facts
    parts = []
    broken_by = [violation.operation_id for violation in outcome.violations]
    for operation_id in dict.fromkeys([*broken_by, *outcome.findings.unfinished]):
        broken = [str(violation) for violation in outcome.violations if violation.operation_id == operation_id]
        row = facts.rows.get(operation_id)
        puts = [put for put in facts.puts if put.operation_id == operation_id]
        without_row = puts[0].workflow_id if puts else operation_id
        workflow_id = without_row if row is None else row.workflow_id
        runs = sorted((run for run in facts.runs if run.workflow_id == workflow_id), key=lambda run: run.started_at)
        known = [row, *facts.lines.get(operation_id, ()), *puts, *runs]
        deleted = [f"deleted at {at}" for at in facts.deleted.get(workflow_id, ())]
        parts.append("\n  ".join([operation_id, *broken, *map(str, known), *deleted]))
    path.write_text("\n\n".join(parts) + "\n")
