"""Settings: defaults < file < environment < flags, and errors that name the setting and the rule."""

from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import StartupError
from domain.evidence.finality import Finality
from entrypoints.settings.durations import parse_duration
from entrypoints.settings.loading import load_settings

JWT = {
    "OPLEDGER_ACCESS": "keys,jwt",
    "OPLEDGER_JWT_ISSUER": "https://id.example",
    "OPLEDGER_JWT_AUDIENCE": "opledger",
    "OPLEDGER_JWT_JWKS": "https://id.example/jwks",
}
OIDC = {**JWT, "OPLEDGER_OIDC_CLIENT_ID": "dashboard"}
KEYS = {"OPLEDGER_CALLBACK_KEYS": "first:" + "s3cret" * 6}


def test_flags_override_environment_file_and_defaults(tmp_path: Path) -> None:
    """In this order."""
    (tmp_path / "opledger.toml").write_text('port = 1001\nhost = "127.0.0.2"\nreconcile_every = "10s"\n')
    environment = {"OPLEDGER_PORT": "1002", "OPLEDGER_HOST": "127.0.0.3", "DATABASE_URL": "postgresql://x/y"}
    settings = load_settings({"port": 1003, "host": None}, environment, tmp_path)
    assert (settings.port, settings.host, settings.reconcile_every) == (1003, "127.0.0.3", timedelta(seconds=10))
    assert settings.finality is Finality.ENGINE
    assert settings.database_url == "postgresql://x/y"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"OPLEDGER_PORT": "http"}, "OPLEDGER_PORT"),
        ({"OPLEDGER_PORT": "70000"}, "OPLEDGER_PORT"),
        ({"OPLEDGER_RECONCILE_EVERY": "soon"}, "OPLEDGER_RECONCILE_EVERY: expected a duration"),
        ({"OPLEDGER_RECONCILE_EVERY": "0s"}, "reconcile_every must be between 1s and 1d"),
        ({"OPLEDGER_FINALITY": "both"}, "OPLEDGER_FINALITY"),
        ({"OPLEDGER_HOST": "0.0.0.0"}, "loopback address such as 127.0.0.1, not '0.0.0.0', without access control"),
        ({"OPLEDGER_HOST": "example.com"}, "loopback"),
        ({"OPLEDGER_PAGE_TOKEN_KEY": "k" * 31}, "page_token_key must have at least 32"),
        ({"OPLEDGER_VERIFY_EVERY": "9s"}, "verify_every must be between 10s and 1d"),
        ({"OPLEDGER_VERIFY_EVERY": "25h"}, "verify_every must be between 10s and 1d"),
        ({"OPLEDGER_WATCH_EVERY": "6m"}, "watch_every must be between 500ms and 5m"),
        ({"OPLEDGER_CLOSE_POLL": "100ms"}, "close_poll must be off, or between 500ms and 5m"),
        ({"OPLEDGER_CLOSE_POLL": "no"}, "OPLEDGER_CLOSE_POLL: expected a duration"),
        ({"OPLEDGER_STOP_DELAY": "6m"}, "stop_delay must be between 0s and 5m"),
        ({"OPLEDGER_VERIFY_RATE": "0"}, "OPLEDGER_VERIFY_RATE"),
        ({"OPLEDGER_VERIFY_RATE": "1001"}, "OPLEDGER_VERIFY_RATE"),
        ({"OPLEDGER_RETENTION": "23h59m"}, "retention must be at least 1d"),
        ({"OPLEDGER_EXPORT_FILE": "a", "OPLEDGER_EXPORT_COMMAND": "b"}, "set only one of the two"),
        ({"OPLEDGER_EXPORT_COMMAND": "sh -c 'cat"}, "export_command cannot be split into arguments: No closing"),
        ({"OPLEDGER_EXPORT_COMMAND": " "}, "export_command must name a program"),
        ({"OPLEDGER_RETENTION": "30"}, "OPLEDGER_RETENTION: expected a duration"),
        ({"OPLEDGER_METRICS_PORT": "0"}, "OPLEDGER_METRICS_PORT"),
        ({"OPLEDGER_METRICS_PORT": "x"}, "OPLEDGER_METRICS_PORT"),
        ({"OPLEDGER_CALLBACK_URL": "http://a"}, "set OPLEDGER_CALLBACK_KEYS to a name and a secret"),
        ({"OPLEDGER_ACCESS": "key"}, "OPLEDGER_ACCESS"),
        ({"OPLEDGER_ACCESS": "jwt"}, "access includes jwt, but jwt_issuer is not set"),
        ({"OPLEDGER_ACCESS": "jwt", "OPLEDGER_JWT_ISSUER": "i"}, "access includes jwt, but jwt_audience is not set"),
        ({**JWT, "OPLEDGER_JWT_ALGORITHM": "HS256"}, "OPLEDGER_JWT_ALGORITHM"),
        ({**JWT, "OPLEDGER_JWT_ALGORITHM": "none"}, "OPLEDGER_JWT_ALGORITHM"),
        ({**JWT, "OPLEDGER_JWT_JWKS": "http://id.example/jwks"}, "jwt_jwks must be a file or an https URL"),
        ({**JWT, "OPLEDGER_JWT_JWKS": "https://user:word@id.example/jwks"}, "jwt_jwks must be a file or an https URL"),
        ({**JWT, "OPLEDGER_JWT_JWKS": "https://id.example:x/jwks"}, "jwt_jwks must be a file or an https URL"),
        ({**JWT, "OPLEDGER_JWT_JWKS": "https:///jwks"}, "jwt_jwks must be a file or an https URL"),
        ({**JWT, "OPLEDGER_OIDC_CLIENT_SECRET": "s"}, "oidc_client_secret is set, but oidc_client_id is not"),
        ({**JWT, "OPLEDGER_OIDC_DISCOVERY_URL": "https://x"}, "oidc_discovery_url is set, but oidc_client_id is not"),
        ({"OPLEDGER_ACCESS": "keys", "OPLEDGER_OIDC_CLIENT_ID": "c"}, "access does not include jwt"),
        (
            {**OIDC, "OPLEDGER_OIDC_CLIENT_SECRET": "s", "OPLEDGER_OIDC_CLIENT_SECRET_FILE": "f"},
            "oidc_client_secret and oidc_client_secret_file are both set",
        ),
        ({**OIDC, "OPLEDGER_OIDC_SCOPES": "profile"}, "oidc_scopes must have openid among them"),
        ({**OIDC, "OPLEDGER_JWT_ISSUER": "http://id.example"}, "oidc_discovery_url, or without it jwt_issuer, must be"),
        ({**OIDC, "OPLEDGER_JWT_ISSUER": "id.example"}, "oidc_discovery_url, or without it jwt_issuer, must be"),
        ({**OIDC, "OPLEDGER_OIDC_DISCOVERY_URL": "https://u@id.example"}, "oidc_discovery_url, or without it"),
        ({"OPLEDGER_RATE_LIMIT": "0"}, "OPLEDGER_RATE_LIMIT"),
        ({"OPLEDGER_RATE_BURST": "0"}, "OPLEDGER_RATE_BURST"),
        ({"OPLEDGER_MAX_WAITERS": "0"}, "OPLEDGER_MAX_WAITERS"),
        ({"OPLEDGER_MAX_WAITERS_EACH": "0"}, "OPLEDGER_MAX_WAITERS_EACH"),
        ({"OPLEDGER_DATA_CONVERTER": "my_module"}, "data_converter must be module:name, such as"),
        ({"OPLEDGER_DATA_CONVERTER": "my module:it"}, "data_converter must be module:name, such as"),
        ({"OPLEDGER_CODEC_ENDPOINT": "codec.example"}, "codec_endpoint must be the base URL of a codec server"),
        ({"OPLEDGER_CODEC_ENDPOINT": "http://codec.example"}, "https, or http for a loopback address"),
        ({"OPLEDGER_CODEC_ENDPOINT": "https://u:p@codec.example"}, "no user, query or fragment"),
        ({"OPLEDGER_CODEC_ENDPOINT": "https://codec.example?a=1"}, "no user, query or fragment"),
        ({"OPLEDGER_CODEC_ENDPOINT": "https://codec.example:99999"}, "codec_endpoint must be the base URL"),
        ({"OPLEDGER_CODEC_AUTHORIZATION": "Bearer x"}, "codec_authorization is set, but codec_endpoint is not"),
        (
            {"OPLEDGER_CODEC_ENDPOINT": "https://codec.example", "OPLEDGER_CODEC_AUTHORIZATION": "Bearer x\r\nY: z"},
            "codec_authorization must be a header value such as `Bearer ...`: printable ASCII in one line",
        ),
        ({"OPLEDGER_DATABASE_DIRECT_URL": "postgresql://h/d"}, "database_direct_url is set, but database_url is not"),
        ({"OPLEDGER_PUBLIC_URL": "ledger.example"}, "public_url must be the base URL"),
        ({"OPLEDGER_PUBLIC_URL": "https://ledger.example/a?b"}, "public_url must be the base URL"),
        ({"OPLEDGER_PUBLIC_URL": "https://ledger.example//a"}, "public_url must be the base URL"),
        ({"OPLEDGER_PUBLIC_URL": "https://u@ledger.example"}, "public_url must be the base URL"),
        ({"OPLEDGER_ROOT_PATH": "ops"}, "root_path must be a path such as /ops"),
        ({"OPLEDGER_ROOT_PATH": "/../ops"}, "root_path must be a path such as /ops"),
        ({"OPLEDGER_TRUSTED_PROXIES": "10.0.0.0/8,proxy"}, "trusted_proxies must be addresses and networks"),
        ({"OPLEDGER_TRUSTED_PROXIES": "10.0.0.1/8"}, "trusted_proxies must be addresses and networks"),
        ({"OPLEDGER_CORS_ORIGINS": "dashboard.example"}, "cors_origins has 'dashboard.example'"),
        ({"OPLEDGER_CORS_ORIGINS": "https://a.example/"}, "cors_origins has 'https://a.example/'"),
        ({"OPLEDGER_CORS_ORIGINS": "https://*.example"}, "an origin must be scheme, host and port"),
        ({"OPLEDGER_CORS_ORIGINS": "https://A.example"}, "in lower case"),
        ({"OPLEDGER_CORS_ORIGINS": "https://a.example:443"}, "without a default port"),
        ({"OPLEDGER_CORS_ORIGINS": "http://a.example:80"}, "without a default port"),
        ({"OPLEDGER_CORS_ORIGINS": "null"}, "cors_origins has 'null'"),
        ({"OPLEDGER_CORS_ORIGINS": "*"}, "without access control"),
        ({"OPLEDGER_TEMPORAL_UI_URL": "javascript:alert(1)"}, "temporal_ui_url must be a URL"),
        ({"OPLEDGER_CONFIG": "does-not-exist.toml"}, "does-not-exist.toml"),
    ],
)
def test_an_invalid_setting_is_named(environment: dict[str, str], words: str, tmp_path: Path) -> None:
    """With the rule that it breaks."""
    with pytest.raises(StartupError, match=words.replace(".", r"\.")):
        load_settings({}, environment, tmp_path)


def test_a_direct_url_means_transaction_pooling(tmp_path: Path) -> None:
    """Without one DATABASE_URL is the server, also for connections that bypass a pooler."""
    environment = {"DATABASE_URL": "postgresql://server/d"}
    settings = load_settings({}, environment, tmp_path)
    assert (settings.transaction_pooling, settings.require_direct_url()) == (False, "postgresql://server/d")
    pooled = {"DATABASE_URL": "postgresql://pooler/d", "OPLEDGER_DATABASE_DIRECT_URL": "postgresql://server/d"}
    settings = load_settings({}, pooled, tmp_path)
    assert (settings.transaction_pooling, settings.require_direct_url()) == (True, "postgresql://server/d")
    assert settings.require_database_url() == "postgresql://pooler/d"


def test_close_poll_may_be_changed_or_turned_off(tmp_path: Path) -> None:
    """The default is 2 s."""
    assert load_settings({}, {}, tmp_path).close_poll == timedelta(seconds=2)
    assert load_settings({}, {"OPLEDGER_CLOSE_POLL": "5s"}, tmp_path).close_poll == timedelta(seconds=5)
    assert load_settings({}, {"OPLEDGER_CLOSE_POLL": "off"}, tmp_path).close_poll is None
    (tmp_path / "opledger.toml").write_text('close_poll = "off"')
    assert load_settings({}, {}, tmp_path).close_poll is None


def test_retention_is_off_by_default(tmp_path: Path) -> None:
    """Nothing is deleted unless a retention is set."""
    assert load_settings({}, {}, tmp_path).retention is None
    assert load_settings({}, {"OPLEDGER_RETENTION": "30d"}, tmp_path).retention == timedelta(days=30)
    (tmp_path / "opledger.toml").write_text('retention = "1d"')
    assert load_settings({}, {}, tmp_path).retention == timedelta(days=1)


def test_an_unknown_setting_in_the_file_is_an_error(tmp_path: Path) -> None:
    """A misspelled setting must not be ignored."""
    (tmp_path / "opledger.toml").write_text("reconcile_evry = '10s'\n")
    with pytest.raises(StartupError, match="unknown setting 'reconcile_evry'"):
        load_settings({}, {}, tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_addresses_need_no_access_control(host: str, tmp_path: Path) -> None:
    """Only this machine can reach them."""
    assert load_settings({"host": host}, {}, tmp_path).host == host


@pytest.mark.parametrize("environment", [{"OPLEDGER_ACCESS": "keys"}, JWT])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "ledger.example"])
def test_every_address_is_allowed_with_access_control(environment: dict[str, str], host: str, tmp_path: Path) -> None:
    """Clients need credentials."""
    settings = load_settings({"host": host}, environment, tmp_path)
    assert (settings.host, settings.access) == (host, environment["OPLEDGER_ACCESS"])


@pytest.mark.parametrize("place", ["jwks.json", "/etc/jwks.json", "http://127.0.0.1:8000/jwks", "http://[::1]/jwks"])
def test_valid_locations_of_a_key_set(place: str, tmp_path: Path) -> None:
    """A file, https, or a loopback address."""
    assert load_settings({}, {**JWT, "OPLEDGER_JWT_JWKS": place}, tmp_path).jwt_jwks == place


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """Settings end up in logs and tracebacks."""
    codec = {"OPLEDGER_CODEC_ENDPOINT": "https://c.example", "OPLEDGER_CODEC_AUTHORIZATION": "Bearer secret"}
    environment = {"OPLEDGER_PAGE_TOKEN_KEY": "k" * 32, "DATABASE_URL": "postgresql://u:secret@h/d", **KEYS, **codec}
    environment |= OIDC | {"OPLEDGER_OIDC_CLIENT_SECRET": "s3cret"}
    shown = repr(load_settings({}, environment, tmp_path))
    assert "kkk" not in shown
    assert "s3cret" not in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://ledger.example/", "https://ledger.example"),
        ("https://ledger.example/team/a//", "https://ledger.example/team/a"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("HTTPS://Ledger.Example", "HTTPS://Ledger.Example"),
        ("http://ledger/" + "a" * 886, "http://ledger/" + "a" * 886),
    ],
)
def test_a_valid_callback_url(given: str, taken: str, tmp_path: Path) -> None:
    """Its trailing slash is removed, because a path is appended."""
    assert load_settings({}, {"OPLEDGER_CALLBACK_URL": given, **KEYS}, tmp_path).callback_url == taken


@pytest.mark.parametrize(
    "url",
    [
        "ledger.example",
        "ftp://ledger.example",
        "http://",
        "http:///path",
        "http://user:s3cret@ledger",
        "http://ledger/?a=b",
        "http://ledger?",
        "http://ledger#",
        "http://ledger/a b",
        "http://ledger/\n",
        "http://ledger:0",
        "http://ledger:65536",
        "http://ledger:port",
        "http://[::1",
        "http://*.example",
        "http://lédger",
        "http://ledger/" + "a" * 887,
    ],
)
def test_an_invalid_callback_url(url: str, tmp_path: Path) -> None:
    """The error has the rule, and not the value, which may contain a password."""
    with pytest.raises(StartupError, match="callback_url must be the API's base URL") as caught:
        load_settings({}, {"OPLEDGER_CALLBACK_URL": url, **KEYS}, tmp_path)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("keys", ["s3cret" * 6, "a:s3cret", "a b:" + "s3cret" * 6, "a:" + "s3cret" * 6 + ",b"])
def test_invalid_callback_keys(keys: str, tmp_path: Path) -> None:
    """The error has the setting and the rule, and no secret."""
    with pytest.raises(StartupError, match="callback_keys: ") as caught:
        load_settings({}, {"OPLEDGER_CALLBACK_KEYS": keys}, tmp_path)
    assert "s3cret" not in str(caught.value)


def test_callbacks_are_off_by_default(tmp_path: Path) -> None:
    """Keys alone do not turn them on: they verify callbacks of an earlier configuration."""
    assert load_settings({}, {}, tmp_path).parsed_callback_keys() is None
    settings = load_settings({}, {**KEYS, "OPLEDGER_METRICS_PORT": "9100"}, tmp_path)
    assert (settings.callback_url, settings.metrics_port) == (None, 9100)
    keys = settings.parsed_callback_keys()
    assert keys is not None
    assert list(keys.secrets) == ["first"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("90s", 90), ("1h30m", 5400), ("2d", 172800), ("1.5s", 1.5)]
)
def test_durations_with_units_are_valid(text: str, seconds: float) -> None:
    """One unit or several."""
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "5", "5 s", "-1s", "1s2", "s", "1w", "9999999999999d"])
def test_durations_without_a_known_unit_are_refused(text: str) -> None:
    """No unit is guessed."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_a_refused_codec_authorization_is_not_shown(tmp_path: Path) -> None:
    """The error has the rule, and not the value."""
    environment = {"OPLEDGER_CODEC_ENDPOINT": "https://c.example", "OPLEDGER_CODEC_AUTHORIZATION": "Bearer s3cret\x00"}
    with pytest.raises(StartupError) as refused:
        load_settings({}, environment, tmp_path)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://codec.example/team-a/", "http://127.0.0.1:8081", "http://localhost:8081"])
def test_valid_codec_endpoints(url: str, tmp_path: Path) -> None:
    """https or a loopback address, because decoded payloads are plain text."""
    assert load_settings({}, {"OPLEDGER_CODEC_ENDPOINT": url}, tmp_path).codec_endpoint == url


def test_proxies_and_origins(tmp_path: Path) -> None:
    environment = {
        "OPLEDGER_ACCESS": "keys",
        "OPLEDGER_PUBLIC_URL": "https://ledger.example/ops/",
        "OPLEDGER_ROOT_PATH": "/ops/",
        "OPLEDGER_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
        "OPLEDGER_CORS_ORIGINS": "https://a.example, http://localhost:3000,",
    }
    settings = load_settings({}, environment, tmp_path)
    rules = settings.proxy_rules()
    assert (rules.public_url, rules.public_path, rules.root_path) == ("https://ledger.example/ops", "/ops", "/ops")
    assert [str(network) for network in rules.trusted] == ["10.0.0.0/8", "::1/128"]
    assert settings.allowed_origins() == {"https://a.example", "http://localhost:3000"}
    every = load_settings({}, {"OPLEDGER_ACCESS": "keys", "OPLEDGER_CORS_ORIGINS": "*"}, tmp_path)
    assert every.allowed_origins() == {"*"}
