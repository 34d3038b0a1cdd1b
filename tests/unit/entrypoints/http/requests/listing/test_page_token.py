"""Page tokens: opaque, signed, and bound to their query."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports.storage.operation_queries import OperationFilter, PageKey, SortTime
from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus
from entrypoints.http.problems.problems import InvalidPageToken
from entrypoints.http.requests.listing.page_token import ListQuery, PageTokens

TOKENS = PageTokens(b"k" * 32)
times = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
texts = st.text(max_size=20)
filters = st.builds(
    OperationFilter,
    statuses=st.frozensets(st.sampled_from(OperationStatus)),
    type=st.none() | texts,
    labels=st.dictionaries(texts, texts, max_size=3),
    error_codes=st.frozensets(st.sampled_from(ErrorCode)),
    attentions=st.frozensets(st.sampled_from(AttentionKind)),
    parents=st.frozensets(st.uuids(), max_size=2),
    workflow_ids=st.frozensets(texts, max_size=2),
    origins=st.frozensets(st.sampled_from(Origin)),
    id_prefix=st.none() | st.text("0123456789abcdef", min_size=4, max_size=32),
    finished_after=st.none() | times,
    finished_before=st.none() | times,
    accepted_after=st.none() | times,
    accepted_before=st.none() | times,
)
queries = st.builds(ListQuery, tenant=texts, criteria=filters, newest_first=st.booleans(), by=st.sampled_from(SortTime))
keys = st.builds(PageKey, at=times, operation_id=st.uuids())


@given(queries, keys)
def test_a_token_gives_back_its_position(query: ListQuery, key: PageKey) -> None:
    """To the microsecond. The token is short and needs no encoding in a query."""
    token = TOKENS.issue(query, key)
    assert TOKENS.read(query, token) == key
    assert len(token) == 54
    assert token.replace("-", "").replace("_", "").isalnum()


@given(queries, queries, keys)
def test_a_token_of_another_query_is_refused(query: ListQuery, other: ListQuery, key: PageKey) -> None:
    """Hazard 27."""
    token = TOKENS.issue(query, key)
    if query == other:
        assert TOKENS.read(other, token) == key
        return
    with pytest.raises(InvalidPageToken):
        TOKENS.read(other, token)


@given(queries, keys, st.data())
def test_a_changed_token_is_refused(query: ListQuery, key: PageKey, data: st.DataObject) -> None:
    """Any character changed, removed or added, also in the unused bits of the last one."""
    token = TOKENS.issue(query, key)
    place = data.draw(st.integers(0, len(token)))
    end = place + data.draw(st.integers(0, 1))
    changed = token[:place] + data.draw(st.text("AZaz09-_=+/ é\x00", max_size=2)) + token[end:]
    if changed != token:
        with pytest.raises(InvalidPageToken):
            TOKENS.read(query, changed)


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    """Like a changed token."""
    with pytest.raises(InvalidPageToken):
        TOKENS.read(ListQuery("t", OperationFilter(), True), text)


def test_a_token_of_another_key_is_refused() -> None:
    """Without the key none can be created."""
    query = ListQuery("t", OperationFilter(), True)
    token = PageTokens(b"o" * 32).issue(query, PageKey(datetime(2026, 1, 1, tzinfo=UTC), UUID(int=1)))
    with pytest.raises(InvalidPageToken):
        TOKENS.read(query, token)


def test_a_short_key_is_refused() -> None:
    """It could be guessed."""
    with pytest.raises(ValueError, match="at least 32 bytes"):
        PageTokens(b"short")
