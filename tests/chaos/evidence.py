"""Writes down, for a person, everything that is known about operations with violations."""

from pathlib import Path

from tests.chaos.campaign import Outcome


def write_evidence(outcome: Outcome, path: Path) -> None:
    """Row, lines, runs and deletions of every operation that broke a promise, or is not through."""
    facts = outcome.facts
    parts = []
    broken_by = [violation.operation_id for violation in outcome.violations]
    for operation_id in dict.fromkeys([*broken_by, *outcome.findings.unfinished]):
        broken = [str(violation) for violation in outcome.violations if violation.operation_id == operation_id]
        known = [facts.rows.get(operation_id), *facts.lines.get(operation_id, ()), *facts.runs.get(operation_id, ())]
        deleted = [f"deleted at {at}" for at in facts.deleted.get(operation_id, ())]
        parts.append("\n  ".join([operation_id, *broken, *map(str, known), *deleted]))
    path.write_text("\n\n".join(parts) + "\n")
