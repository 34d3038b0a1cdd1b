"""Callback tokens: each is for one operation, one tenant and one key."""

import string
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.access.callback_token import CallbackKeys

OLD, NEW = "o" * 32, "n" * 32
KEYS = CallbackKeys({"new": NEW, "old": OLD})
ids = st.uuids()
tenants = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255)


@given(ids, tenants)
def test_token_contains_its_tenant(operation_id: object, tenant: str) -> None:
    """The receiver learns the tenant without reading the row."""
    assert KEYS.verify(operation_id, KEYS.sign(operation_id, tenant)) == tenant  # type: ignore[arg-type]


@given(ids, ids, tenants)
def test_another_operation_s_token_is_refused(one: object, other: object, tenant: str) -> None:
    """A user who may describe one execution sees its token, and must not be able to end another operation."""
    if one != other:
        assert KEYS.verify(other, KEYS.sign(one, tenant)) is None  # type: ignore[arg-type]


@example(UUID(int=1), "00\x80\x80\U00108afb", 17, "0")  # the same tenant, in base64 with non-zero unused bits
@given(ids, tenants, st.integers(0, 400), st.sampled_from(string.printable))
def test_a_changed_token_is_refused(operation_id: object, tenant: str, place: int, letter: str) -> None:
    """The HMAC covers the key name, the tenant and the operation."""
    token = KEYS.sign(operation_id, tenant)  # type: ignore[arg-type]
    place %= len(token)
    forged = token[:place] + letter + token[place + 1 :]
    assert (KEYS.verify(operation_id, forged) is None) == (forged != token)  # type: ignore[arg-type]


@given(ids, st.text(max_size=2000))
def test_arbitrary_text_is_refused(operation_id: object, token: str) -> None:
    """No input raises an error."""
    assert KEYS.verify(operation_id, token) is None  # type: ignore[arg-type]


@given(ids)
def test_new_key_signs_and_old_key_verifies(operation_id: object) -> None:
    """A removed key does not verify any more."""
    before = CallbackKeys({"old": OLD}).sign(operation_id, "t")  # type: ignore[arg-type]
    assert KEYS.sign(operation_id, "t").startswith("new.")  # type: ignore[arg-type]
    assert KEYS.verify(operation_id, before) == "t"  # type: ignore[arg-type]
    assert CallbackKeys({"new": NEW}).verify(operation_id, before) is None  # type: ignore[arg-type]
    same_name = CallbackKeys({"old": NEW})
    assert same_name.verify(operation_id, before) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "name:secret"),
        ("no-colon", "name:secret"),
        (f"a:{NEW},b:{NEW},c:{NEW}", "1 or 2"),
        ("a:short", "at least 32"),
        (f"a b:{NEW}", "1 to 32 letters"),
        (f"a:{NEW},a:{OLD}", "same name"),
    ],
)
def test_invalid_keys_are_refused(text: str, words: str) -> None:
    """The error names the rule, and contains no secret."""
    with pytest.raises(ValueError, match=words) as caught:
        CallbackKeys.parse(text)
    assert NEW not in str(caught.value)
    assert "short" not in str(caught.value)


def test_repr_does_not_contain_secrets() -> None:
    """Settings may appear in logs."""
    assert NEW not in repr(KEYS)
    assert CallbackKeys.parse(f"new:{NEW}, old:{OLD}") == KEYS
