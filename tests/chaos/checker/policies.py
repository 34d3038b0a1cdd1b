"""P1 for types with a workflow id template: what a submission did to the operations with its workflow id.

The clocks of clients and processes are one machine's, so these comparisons are strict: an operation is open for a whole
request if its client had its id before the request was sent, and its end was decided after the answer had come.
"""

from collections.abc import Iterator
from datetime import timedelta

from tests.chaos.checker.chains import number_of
from tests.chaos.checker.facts import Facts, Row, Submission, Violation
from tests.chaos.checker.histories import terminal
from tests.chaos.checker.identity import Ownership

LATE_COMMIT = timedelta(seconds=40)
"""For how long at most an end is decided and not yet committed: a process may be paused, or wait for its database."""


def policies(facts: Facts, ownership: Ownership) -> Iterator[Violation]:
    """All of it."""
    yield from _answers(facts, ownership)
    yield from _one_open(facts)
    for row in facts.rows.values():
        yield from _superseded(facts, row)
    yield from _alike(facts, ownership)


def _answers(facts: Facts, ownership: Ownership) -> Iterator[Violation]:
    """A refusal or an operation of an earlier submission is the answer only under its policy, and about an operation
    that may have been open."""
    for submission in facts.submissions:
        policy = facts.declared.policies.get(submission.type, "")
        row = None if submission.operation_id is None else facts.rows.get(submission.operation_id)
        if row is None:
            if submission.refused and not _another_tenant_has_it(facts, submission):
                found = f"a refusal that names {submission.operation_id}"
                yield Violation(submission.key, "P1", "the operation that has the workflow id", found)
            continue
        if not submission.refused and _is_own(submission, row):
            continue
        if submission.refused:  # an operation that gives its workflow id up is used by nothing while it is open
            allowed = policy == "reject" or (policy == "use_existing" and row.superseded_by is not None)
            allowed = allowed or any(_of_workflow(facts, row, submission.type, ownership))
        else:
            allowed = policy == "use_existing"
        shown = "refused for" if submission.refused else "answered with"
        if not allowed:
            yield Violation(row.id, "P1", f"an operation of its own under {policy}", f"{submission.key} {shown} it")
        if not _may_be_open(facts, row, submission):
            yield Violation(row.id, "P1", "an operation open at the time", f"{submission.key} {shown} it")
        if row.origin == "LEDGER" and row.type != submission.type:
            yield Violation(row.id, "P1", f"an operation of the type {submission.type}", f"{submission.key} {shown} it")


def _another_tenant_has_it(facts: Facts, submission: Submission) -> bool:
    """Whether the refusal may be because of an operation of another tenant, which it does not name."""
    return submission.operation_id is None and any(
        row.workflow_id == submission.workflow_id
        and row.tenant != submission.tenant
        and _may_be_open(facts, row, submission)
        for row in facts.rows.values()
    )


def _may_be_open(facts: Facts, row: Row, submission: Submission) -> bool:
    """Whether the operation may have been open at some time during the submission."""
    ended = terminal(facts.lines.get(row.id, ()))
    return row.accepted_at <= submission.received and (ended is None or ended.at + LATE_COMMIT >= submission.sent)


def _one_open(facts: Facts) -> Iterator[Violation]:
    """A new operation only while none with its workflow id is open, unless it supersedes that one."""
    new = [(submission, row) for submission in facts.submissions if (row := _new(facts, submission)) is not None]
    for submission, row in new:
        for earlier, other in new:
            if other.workflow_id != row.workflow_id or other.id == row.id or earlier.received >= submission.sent:
                continue
            ended = terminal(facts.lines.get(other.id, ()))
            if ended is not None and ended.at <= submission.received:
                continue
            gave_up = facts.declared.policies.get(submission.type) == "terminate" and row.started_at is None
            if other.superseded_by is None and not gave_up:
                yield Violation(row.id, "P1", f"no new operation while {other.id} is open", row.workflow_id)


def _superseded(facts: Facts, row: Row) -> Iterator[Violation]:
    """An operation gives its workflow id up under `terminate` alone, to another one that had the same; and a
    termination names who did it."""
    named = row.error_details.get("superseded_by")
    if row.superseded_by is not None:
        successor = facts.rows.get(row.superseded_by)
        if successor is None or successor.workflow_id != row.workflow_id or successor.id == row.id:
            yield Violation(row.id, "P1", f"a successor under {row.workflow_id}", str(successor))
        elif successor.origin == "LEDGER" and facts.declared.policies.get(successor.type) != "terminate":
            yield Violation(row.id, "P1", f"no successor of the type {successor.type}", row.superseded_by)
        if row.error_code == "TERMINATED" and named != row.superseded_by:
            yield Violation(row.id, "P1", f"the details name {row.superseded_by}", str(named))
    elif named is not None and named in facts.rows:
        yield Violation(row.id, "P1", "no successor", f"details name {named}")


def _alike(facts: Facts, ownership: Ownership) -> Iterator[Violation]:
    """P8: a submission uses and supersedes executions of its own workflow type alone."""
    for submission in facts.submissions:
        row = facts.rows.get(submission.operation_id or "")
        if row is not None and not submission.refused:
            yield from _of_workflow(facts, row, submission.type, ownership)
    for row in facts.rows.values():
        successor = facts.rows.get(row.superseded_by or "")
        if successor is not None and successor.origin == "LEDGER":
            yield from _of_workflow(facts, row, successor.type, ownership)


def _of_workflow(facts: Facts, row: Row, kind: str, ownership: Ownership) -> Iterator[Violation]:
    wanted = facts.declared.workflows.get(kind)
    for chain in ownership.chains_of(row):
        found = chain.first.workflow_type
        if wanted is not None and found not in ("", wanted):
            yield Violation(row.id, "P8", f"an execution of {wanted}", f"{kind} took one of {found}")


def _new(facts: Facts, submission: Submission) -> Row | None:
    row = None if submission.refused else facts.rows.get(submission.operation_id or "")
    return row if row is not None and _is_own(submission, row) else None


def _is_own(submission: Submission, row: Row) -> bool:
    return number_of(row.input) == submission.number
