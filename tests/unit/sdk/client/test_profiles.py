"""Which ledger and which key a client uses: by argument, by the environment, or by a profile of the command line."""

import json
import os
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    "fields",
    [{}, {"url": ""}, {"url": None}, {"url": 5}, {"url": PROD, "api_key_file": 5}, {"url": PROD, "api_key_file": ""}],
)
def test_profile_of_a_wrong_form_is_an_error(kind: Kind, monkeypatch: pytest.MonkeyPatch, fields: object) -> None:
    """Its key never goes to another ledger, such as that of the environment."""
    monkeypatch.setenv("OPLEDGER_URL", "http://environment")
    _profiles.path().write_text(json.dumps({"prod": fields}))
    with pytest.raises(ValueError, match=r"profiles\.json is broken"):
        kind(profile="prod")


def test_empty_key_file_is_not_replaced_by_another_key(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that was mounted without its content: of the profile, or of the environment."""
    monkeypatch.setenv("OPLEDGER_API_KEY", "opl_environment")
    key = _profiles.path().parent / "key"
    key.write_text("\n")
    with pytest.raises(ValueError, match=r"the API key cannot be read: .*key is empty"):
        kind(profile="prod")
    monkeypatch.delenv("OPLEDGER_API_KEY")
    monkeypatch.setenv("OPLEDGER_API_KEY_FILE", str(key))
    with pytest.raises(ValueError, match=r"OPLEDGER_API_KEY_FILE cannot be read: .*key is empty"):
        kind(profile="stage")


@pytest.mark.parametrize("empty", ["url", "api_key", "profile"])
def test_empty_argument_is_an_error(kind: Kind, empty: str) -> None:
    """A variable that is not set must not mean another ledger, or another key."""
    arguments: dict[str, Any] = {"profile": "prod", empty: ""}
    with pytest.raises(ValueError, match=f"{empty}: empty"):
        kind(**arguments)


@pytest.mark.parametrize(
    "url",
    [
        "http://h:port",
        "http://h:99999",
        "http://h ost",
        "http://h\n",
        "http://u\u2100er:SECRET@h",
        "http://u:SECRET@h",
        "http://h?q=SECRET",
        "http://[h",
        "http://xn--zz\u00fc.h",
        "ftp://h",
    ],
)
def test_url_of_a_wrong_form_is_an_error_without_secrets(kind: Kind, url: str) -> None:
    """The exception is a ValueError, as the docstring says, and does not repeat what may be a password."""
    with pytest.raises(ValueError, match="the ledger's URL") as refused:
        kind(url)
    assert "SECRET" not in str(refused.value)


def test_user_without_a_home_has_no_profiles(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Service accounts have the home /dev/null."""
    monkeypatch.delenv("OPLEDGER_PROFILES")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", "/dev/null")
    assert used(kind(PROD)) == (PROD, None)
    with pytest.raises(ValueError, match="url: required"):
        kind()


def test_plugin_reads_no_profile(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URL it does not use HTTP: `default` of the user who runs a worker must not change that."""
    _profiles.write({"default": Profile("http://default")})
    assert used(kind())[0] == "http://default"
    monkeypatch.setenv("OPLEDGER_PROFILE", "default")
    assert find_address() is None
