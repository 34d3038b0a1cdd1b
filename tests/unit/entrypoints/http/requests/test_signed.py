"""Signed tokens: one key a purpose."""

import pytest

from entrypoints.http.requests.signed import MIN_KEY_BYTES, InvalidToken, Signer

KEY = b"k" * MIN_KEY_BYTES


def test_a_token_is_read_with_its_query() -> None:
    """The content comes back."""
    signer = Signer(KEY, "test")
    assert signer.read(b"query", signer.issue(b"query", b"content")) == b"content"
    with pytest.raises(InvalidToken):
        signer.read(b"other", signer.issue(b"query", b"content"))


def test_each_purpose_has_a_key_of_its_own() -> None:
    """Not a prefix of what is signed: no content of one purpose is a token of another."""
    keys = {Signer(KEY, purpose)._key for purpose in ("session 1", "form 1", "session")}
    assert len(keys) == 3
    assert KEY not in keys
    with pytest.raises(InvalidToken):
        Signer(KEY, "form 1").read(b"", Signer(KEY, "session 1").issue(b"", b"content"))


def test_a_short_key_is_refused() -> None:
    """It signs sessions."""
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Signer(KEY[:-1], "test")
