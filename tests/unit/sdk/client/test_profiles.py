"""Which ledger and which key a client uses: by argument, by the environment, or by a profile of the command line."""

import os
from pathlib import Path

import pytest

from opledger import AsyncClient, Client, _profiles
from opledger._address import find_address
from opledger._profiles import Profile

PROD = "https://prod.example.com"
STAGE = "https://stage.example.com"
Kind = type[Client] | type[AsyncClient]


@pytest.fixture(params=[Client, AsyncClient])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kind:
    """A class of client, with the profiles `prod`, which has a key, and `stage`."""
    for name in os.environ.keys() & {f"OPLEDGER_{end}" for end in ("URL", "PROFILE", "API_KEY", "API_KEY_FILE")}:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPLEDGER_PROFILES", str(tmp_path / "profiles.json"))
    (tmp_path / "key").write_text("opl_prod\n")
    _profiles.write({"prod": Profile(PROD, str(tmp_path / "key")), "stage": Profile(STAGE)})
    made: Kind = request.param
    return made


def used(client: Client | AsyncClient) -> tuple[str, str | None]:
    """The URL and the key."""
    return client._setup.address.url, client._setup.address.api_key


def test_profile_has_the_address_and_the_key(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """By argument, or by the environment. The key of the argument precedes that of the profile, which precedes that of
    the environment."""
    assert used(kind(profile="prod")) == (PROD, "opl_prod")
    assert used(kind(profile="stage")) == (STAGE, None)
    monkeypatch.setenv("OPLEDGER_API_KEY", "opl_environment")
    monkeypatch.setenv("OPLEDGER_PROFILE", "prod")
    assert used(kind()) == (PROD, "opl_prod")
    assert used(kind(profile="stage")) == (STAGE, "opl_environment")
    assert used(kind(api_key="opl_argument")) == (PROD, "opl_argument")


def test_url_of_the_argument_precedes_profiles(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile, also of the environment, precedes OPLEDGER_URL, which precedes the profile `default`: the order of the
    command line."""
    assert used(kind("http://given", profile="prod")) == ("http://given", None)
    _profiles.write({**_profiles.read(), "default": Profile("http://default")})
    assert used(kind()) == ("http://default", None)
    monkeypatch.setenv("OPLEDGER_URL", "http://environment")
    assert used(kind()) == ("http://environment", None)
    assert used(kind(profile="prod")) == (PROD, "opl_prod")
    monkeypatch.setenv("OPLEDGER_PROFILE", "stage")
    assert used(kind()) == (STAGE, None)
    assert used(kind("http://given")) == ("http://given", None)


def test_unknown_profile_is_an_error_that_names_the_others(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the environment has a URL."""
    monkeypatch.setenv("OPLEDGER_URL", "http://environment")
    with pytest.raises(ValueError, match="there is no profile 'prdo'; the profiles are: prod, stage"):
        kind(profile="prdo")
    _profiles.path().unlink()
    monkeypatch.setenv("OPLEDGER_PROFILE", "prod")
    with pytest.raises(ValueError, match="there is no profile 'prod'; `opledger profile add` makes one"):
        kind()


def test_unusable_profile_is_an_error(kind: Kind) -> None:
    """A key that cannot be read, a broken file, and none at all."""
    (_profiles.path().parent / "key").unlink()
    with pytest.raises(ValueError, match="the API key cannot be read"):
        kind(profile="prod")
    _profiles.path().write_text('{"prod": 7}')
    with pytest.raises(ValueError, match=r"profiles\.json is broken"):
        kind()
    _profiles.path().unlink()
    with pytest.raises(ValueError, match="url: required"):
        kind()


def test_plugin_reads_no_profile(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URL it does not use HTTP: `default` of the user who runs a worker must not change that."""
    _profiles.write({"default": Profile("http://default")})
    assert used(kind())[0] == "http://default"
    monkeypatch.setenv("OPLEDGER_PROFILE", "default")
    assert find_address() is None
