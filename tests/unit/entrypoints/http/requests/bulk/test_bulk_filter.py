"""The filter of a bulk action as JSON, and back."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from application.ports.storage.operation_queries import OperationFilter
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus
from entrypoints.http.requests.bulk.schemas import BulkBody, checked_filter, filter_body
from entrypoints.http.requests.json_body import decode

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
_FILTERS = st.builds(
    OperationFilter,
    statuses=st.frozensets(st.sampled_from(OperationStatus)),
    type=st.none() | st.just("deploy"),
    labels=st.dictionaries(st.sampled_from(["team", "region"]), st.sampled_from(["a", ""])),
    error_codes=st.frozensets(st.sampled_from(ErrorCode)),
    attentions=st.frozensets(st.sampled_from(AttentionKind)),
    parents=st.frozensets(st.uuids(), max_size=3),
    workflow_ids=st.frozensets(st.sampled_from(["order-1", "order/2"])),
    origins=st.frozensets(st.sampled_from(Origin)),
    id_prefix=st.none() | st.just("019b76da"),
    accepted_after=st.none() | st.just(EARLY),
    accepted_before=st.none() | st.just(LATE),
    finished_after=st.none() | st.just(EARLY),
    finished_before=st.none() | st.just(LATE),
)


@given(_FILTERS)
def test_the_body_of_a_filter_is_that_filter(criteria: OperationFilter) -> None:
    """So the input of a bulk action that the dashboard confirms is a request of the API that selects the same."""
    body = BulkBody(filter=filter_body(criteria), dry_run=True)
    assert checked_filter(body) == criteria
    assert decode({"filter": {"all": True}, "dry_run": True}, BulkBody).filter == filter_body(OperationFilter())
