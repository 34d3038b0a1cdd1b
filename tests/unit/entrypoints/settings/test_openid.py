"""The settings about sign-in by OpenID Connect."""

from pathlib import Path

import pytest

from domain.errors import StartupError
from entrypoints.settings.loading import load_settings
from entrypoints.settings.openid import client_secret, discovery_url
from entrypoints.settings.settings import Settings
from tests.unit.entrypoints.settings.test_settings import OIDC


def settings(folder: Path, **other: str) -> Settings:
    return load_settings({}, {**OIDC, **other}, folder)


@pytest.mark.parametrize("issuer", ["https://id.example/realm", "https://id.example/realm/"])
def test_the_configuration_is_below_the_issuer(issuer: str, tmp_path: Path) -> None:
    """Or where the setting says, such as in a network in which the issuer has no name."""
    found = discovery_url(settings(tmp_path, OPLEDGER_JWT_ISSUER=issuer))
    assert found == "https://id.example/realm/.well-known/openid-configuration"
    other = "http://127.0.0.1:8000/configuration"
    assert discovery_url(settings(tmp_path, OPLEDGER_OIDC_DISCOVERY_URL=other)) == other


def test_the_secret_may_be_in_a_file(tmp_path: Path) -> None:
    """Without the blanks around it, which editors add."""
    assert client_secret(settings(tmp_path)) is None
    assert client_secret(settings(tmp_path, OPLEDGER_OIDC_CLIENT_SECRET="s3cret")) == "s3cret"
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    assert client_secret(settings(tmp_path, OPLEDGER_OIDC_CLIENT_SECRET_FILE=str(path))) == "s3cret"


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b" \n", "is empty"), (b"\xff", "it is not UTF-8")]
)
def test_a_file_without_a_secret_is_an_error(content: bytes | None, words: str, tmp_path: Path) -> None:
    """At the start, by the setting's name."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StartupError, match=f"oidc_client_secret_file: .*{words}"):
        client_secret(settings(tmp_path, OPLEDGER_OIDC_CLIENT_SECRET_FILE=str(path)))
