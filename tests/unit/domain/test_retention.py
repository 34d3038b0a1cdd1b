"""When operations that are done may be deleted by age."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.operation.operation import Operation
from domain.operation.operation_type import FOREVER, OperationType, Retain, RetainFor
from domain.operation.status import OperationStatus
from domain.retention import Retention
from tests.support.operations import accepted, completed, failed, running

DAY, WEEK, QUARTER = timedelta(days=1), timedelta(days=7), timedelta(days=90)
TICK = timedelta(microseconds=1)
C, F = OperationStatus.COMPLETED, OperationStatus.FAILED


def retention(general: timedelta | None, retain: Retain) -> Retention:
    """The retention with one declared type, and one that declares nothing."""
    types = [OperationType("deploy", "Deploy", "q", retain=retain), OperationType("report", "Report", "q")]
    return Retention.of(general, types)


@pytest.mark.parametrize(
    ("general", "retain", "completed_age", "failed_age"),
    [
        (None, Retain(), None, None),
        (WEEK, Retain(), WEEK, WEEK),
        (WEEK, Retain(completed=DAY), DAY, WEEK),
        (WEEK, Retain(failed=QUARTER), WEEK, QUARTER),
        (WEEK, Retain(completed=DAY, failed=QUARTER), DAY, QUARTER),
        (WEEK, Retain(completed=FOREVER), None, WEEK),
        (WEEK, Retain(completed=FOREVER, failed=FOREVER), None, None),
        (None, Retain(completed=DAY), DAY, None),
        (None, Retain(failed=QUARTER), None, QUARTER),
        (None, Retain(completed=FOREVER), None, None),
    ],
)
def test_when_an_operation_may_be_deleted(
    general: timedelta | None, retain: Retain, completed_age: timedelta | None, failed_age: timedelta | None
) -> None:
    """The type decides, else the general setting. Counted from the end, to the microsecond; the age itself is not
    enough."""
    rules = retention(general, retain)
    for operation, age in ((completed(), completed_age), (failed(), failed_age)):
        assert deletable_after(rules, operation) == age
        assert deletable_after(rules, replace(operation, keep=True)) is None
        assert deletable_after(rules, replace(operation, type="report")) == general
        assert deletable_after(rules, replace(operation, type="nobody's")) == general
    for open_one in (accepted(), running()):
        assert deletable_after(rules, open_one) is None


def deletable_after(rules: Retention, operation: Operation) -> timedelta | None:
    """Returns the age after which the rules let the operation go; None: never."""
    end = operation.finished_at or operation.accepted_at
    found = [
        age
        for age in (DAY, WEEK, QUARTER)
        if rules.cutoffs(end + age + TICK).may_delete(operation) and not rules.cutoffs(end + age).may_delete(operation)
    ]
    assert len(found) <= 1
    if not found:
        assert not rules.cutoffs(end + 1000 * DAY).may_delete(operation)
    return found[0] if found else None


def test_retention_without_any_age_deletes_nothing() -> None:
    """The worker then runs no loop for it."""
    assert not retention(None, Retain()).deletes
    assert not retention(None, Retain(completed=FOREVER)).deletes
    assert retention(None, Retain(failed=DAY)).deletes
    assert retention(DAY, Retain(completed=FOREVER, failed=FOREVER)).deletes  # types that are not declared


def test_an_age_from_before_the_calendar_deletes_nothing() -> None:
    """Instead of failing."""
    rules = Retention.of(timedelta.max, [])
    assert not rules.cutoffs(datetime(2026, 1, 1, tzinfo=UTC)).may_delete(completed())


ages = st.none() | st.just(FOREVER) | st.timedeltas(DAY, 1000 * DAY)
general_ages = st.none() | st.timedeltas(DAY, 1000 * DAY)
moments = st.timedeltas(timedelta(), 3000 * DAY)


@given(general_ages, ages, ages, moments, moments, st.booleans(), st.sampled_from([completed(), failed()]))
def test_what_may_be_deleted_stays_so(
    general: timedelta | None,
    of_completed: RetainFor,
    of_failed: RetainFor,
    first: timedelta,
    more: timedelta,
    keep: bool,
    operation: Operation,
) -> None:
    """As time passes, whatever the rules are; never within the shortest age, and never if it is kept."""
    rules = retention(general, Retain(of_completed, of_failed))
    operation = replace(operation, keep=keep)
    assert operation.finished_at is not None
    earlier = rules.cutoffs(operation.finished_at + first).may_delete(operation)
    later = rules.cutoffs(operation.finished_at + first + more).may_delete(operation)
    assert later or not earlier
    assert not (earlier and (keep or first <= DAY or not rules.deletes))
