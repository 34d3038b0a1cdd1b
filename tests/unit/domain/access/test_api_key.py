"""Format, validity and scopes of API keys."""

import re
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.api_key import NewApiKey, check_prefix, make_api_key, prefix_of
from domain.access.credentials import InvalidCredentials
from domain.access.scope import ALL_SCOPES, MissingScope, Scope, check_scope
from domain.errors import InvalidInput
from tests.support.operations import at


def made(
    prefix: bytes = b"12345",
    secret: bytes = b"x" * 20,
    *,
    name: str = "ci",
    tenant: str = "t",
    scopes: frozenset[Scope] = ALL_SCOPES,
    expires_at: datetime | None = None,
) -> NewApiKey:
    """A key created at T0."""
    return make_api_key(prefix, secret, name=name, tenant=tenant, scopes=scopes, now=at(0), expires_at=expires_at)


@given(st.binary(min_size=5, max_size=5), st.binary(min_size=20, max_size=20))
def test_key_has_the_documented_format(prefix: bytes, secret: bytes) -> None:
    """`opl_<prefix>_<secret>`. The same random bytes give the same key, and different ones a different key."""
    key = made(prefix, secret)
    assert re.fullmatch(r"opl_[a-z2-7]{8}_[a-z2-7]{32}", key.text)
    assert prefix_of(key.text) == key.stored.prefix == key.text[4:12]
    check_prefix(key.stored.prefix)
    key.stored.check(key.text, at(0))
    other = made(prefix, bytes([secret[0] ^ 1]) + secret[1:])
    with pytest.raises(InvalidCredentials, match="no such"):
        key.stored.check(other.text, at(0))


@pytest.mark.parametrize(("prefix", "secret"), [(b"1234", b"x" * 20), (b"12345", b"x" * 19), (b"", b"")])
def test_too_few_random_bytes_are_refused(prefix: bytes, secret: bytes) -> None:
    """A secret always has 160 bits."""
    with pytest.raises(ValueError, match="random bytes"):
        made(prefix, secret)


@pytest.mark.parametrize(
    "text", ["", "opl_", "opl_aaaaaaaa_", made().text[:-1], made().text + "a", made().text.upper(), made().text + "\n"]
)
def test_malformed_key_is_refused(text: str) -> None:
    """Without a look-up in the database."""
    with pytest.raises(InvalidCredentials, match="form"):
        prefix_of(text)


@pytest.mark.parametrize("text", ["", "aaaaaaa", "aaaaaaaaa", "AAAAAAAA", "aaaaaaa1", "aaaaaaaa\n", made().text])
def test_malformed_prefix_is_refused(text: str) -> None:
    """The error does not contain the text, which may be a whole key."""
    with pytest.raises(InvalidInput) as caught:
        check_prefix(text)
    assert "x" * 8 not in str(caught.value)
    assert made().text not in str(caught.value)


def test_expired_or_revoked_key_is_refused() -> None:
    """A key is valid before its expiry. A client without the secret learns neither state."""
    key = made(expires_at=at(10))
    key.stored.check(key.text, at(9.999))
    with pytest.raises(InvalidCredentials, match="expired"):
        key.stored.check(key.text, at(10))
    revoked = replace(key.stored, revoked_at=at(1))
    with pytest.raises(InvalidCredentials, match="revoked"):
        revoked.check(key.text, at(2))
    with pytest.raises(InvalidCredentials, match="no such"):
        revoked.check(made(secret=b"y" * 20).text, at(11))


@pytest.mark.parametrize("name", ["", " a", "a\n", "a\x00b", "x" * 256])
def test_invalid_name_or_tenant_is_refused(name: str) -> None:
    """Both appear in histories and logs."""
    with pytest.raises(InvalidInput, match="name"):
        made(name=name)
    with pytest.raises(InvalidInput, match="tenant"):
        made(tenant=name)


def test_key_without_scope_or_lifetime_is_refused() -> None:
    """It would be useless."""
    with pytest.raises(InvalidInput, match="scopes: at least one of read submit cancel report admin"):
        made(scopes=frozenset())
    with pytest.raises(InvalidInput, match="later than the creation time"):
        made(expires_at=at(0))


def test_repr_does_not_contain_the_key() -> None:
    """So that logs and tracebacks do not contain it."""
    key = made()
    assert key.text not in repr(key) + str(key) + repr(key.stored)


@pytest.mark.parametrize("needed", Scope)
@pytest.mark.parametrize("held", Scope)
def test_scope_allows_itself_and_admin_allows_all(held: Scope, needed: Scope) -> None:
    """The error names the needed scope and the held ones."""
    if held in (needed, Scope.ADMIN):
        check_scope({held}, needed)
    else:
        with pytest.raises(MissingScope, match=f"needs the scope {needed}; the credential has {held}"):
            check_scope({held}, needed)
    with pytest.raises(MissingScope, match="has none"):
        check_scope(set(), needed)
