"""The service's settings: defaults < opledger.toml < environment < flags."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from application.operate.purge_operations import SHORTEST_RETENTION
from domain.access.callback_token import CallbackKeys
from domain.access.token_bucket import Allowance
from domain.errors import StartupError
from domain.evidence.finality import Finality
from entrypoints.files import exists, read_toml
from entrypoints.settings.access import AccessKind, Algorithm, check_access
from entrypoints.settings.codec import check_codec
from entrypoints.settings.durations import parse_duration
from entrypoints.settings.proxy import ProxyRules, allowed_origins, proxy_rules

CONFIG_FILE = "opledger.toml"
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
LONGEST_CALLBACK_URL: Final = 900
"""Characters. The server takes 1000, and the path of a callback is added."""
_CALLBACK_URL = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[!-~]*)?", re.IGNORECASE)
_CALLBACK_URL_RULE = (
    "callback_url is the API's base URL as Temporal reaches it, such as https://ledger.example: http or https, a host, "
    f"no user, query or fragment, at most {LONGEST_CALLBACK_URL} characters"
)
_NO_KEYS = (
    "callback_url is set and callback_keys is not: set OPLEDGER_CALLBACK_KEYS to a name and a secret, the same for the "
    "API and every worker; `echo first:$(openssl rand -hex 32)` makes one"
)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every field is `OPLEDGER_<FIELD>` in the environment and `<field>` in the file, DATABASE_URL apart.

    How Temporal is reached is not here: `temporalio.envconfig` reads TEMPORAL_ADDRESS and its like itself.
    """

    database_url: str | None = None
    database_direct_url: str | None = None
    host: str = "127.0.0.1"
    port: Port = 8080
    data_dir: str = ".opledger"
    operations: str | None = None
    reconcile_every: timedelta = timedelta(minutes=1)
    reconcile_grace: timedelta = timedelta(seconds=30)
    finality: Finality = Finality.ENGINE
    page_token_key: str | None = None
    access: AccessKind = "none"
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_jwks: str | None = None
    jwt_algorithm: Algorithm = "RS256"
    jwt_tenant_claim: str = "tenant"
    jwt_scope_claim: str = "scope"
    rate_limit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 100
    rate_burst: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 200
    max_waiters: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    max_waiters_each: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1_000
    public_url: str | None = None
    root_path: str = ""
    trusted_proxies: str = ""
    cors_origins: str = ""
    callback_url: str | None = None
    callback_keys: str | None = None
    data_converter: str | None = None
    codec_endpoint: str | None = None
    codec_authorization: str | None = None
    close_poll: timedelta | None = timedelta(seconds=2)
    verify_every: timedelta = timedelta(hours=1)
    verify_rate: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    stop_delay: timedelta = timedelta()
    retention: timedelta | None = None
    metrics_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __post_init__(self) -> None:
        check_access(self)
        check_codec(self)
        self.proxy_rules()
        self.allowed_origins()
        if not timedelta(seconds=1) <= self.reconcile_every <= timedelta(days=1):
            raise ValueError("reconcile_every is between 1s and 1d")
        if not timedelta() <= self.reconcile_grace <= timedelta(hours=1):
            raise ValueError("reconcile_grace is between 0s and 1h")
        if self.page_token_key is not None and len(self.page_token_key) < 16:
            raise ValueError("page_token_key has at least 16 characters")
        if not timedelta(seconds=10) <= self.verify_every <= timedelta(days=1):
            raise ValueError("verify_every is between 10s and 1d")
        if not timedelta() <= self.stop_delay <= timedelta(minutes=5):
            raise ValueError("stop_delay is between 0s and 5m")
        if self.close_poll is not None and not timedelta(seconds=0.5) <= self.close_poll <= timedelta(minutes=5):
            raise ValueError("close_poll is off, or between 500ms and 5m")
        if self.retention is not None and self.retention < SHORTEST_RETENTION:
            raise ValueError("retention is at least 1d: so long idempotency keys hold")
        if self.database_direct_url is not None and self.database_url is None:
            raise ValueError("database_direct_url is set and database_url is not: it is the server behind that pooler")
        self._check_callbacks()

    def _check_callbacks(self) -> None:
        self.parsed_callback_keys()
        if self.callback_url is None:
            return
        url = self.callback_url.rstrip("/")
        if not _is_callback_url(url):
            raise ValueError(_CALLBACK_URL_RULE)
        if self.callback_keys is None:
            raise ValueError(_NO_KEYS)
        msgspec.structs.force_setattr(self, "callback_url", url)

    def __repr__(self) -> str:
        """Without secrets: settings end up in logs."""
        return f"Settings(host={self.host!r}, port={self.port}, finality={self.finality}, ...)"

    def require_database_url(self) -> str:
        """Where the database is. Raises StartupError where nobody has said."""
        if not self.database_url:
            raise StartupError(
                "DATABASE_URL is not set: set it, or run `opledger up`, which brings a database of its own"
            )
        return self.database_url

    def require_direct_url(self) -> str:
        """URL of the server itself, which may have a transaction pooler in front. Raises StartupError: DATABASE_URL is
        not set."""
        return self.database_direct_url or self.require_database_url()

    @property
    def transaction_pooling(self) -> bool:
        """Whether DATABASE_URL is a transaction pooler's."""
        return self.database_direct_url is not None

    def proxy_rules(self) -> ProxyRules:
        """How the API is reached."""
        return proxy_rules(self)

    def allowed_origins(self) -> frozenset[str]:
        """Origins of web pages that may use the API."""
        return allowed_origins(self)

    def allowance(self) -> Allowance:
        """What each credential may ask of a process."""
        return Allowance(self.rate_limit, self.rate_burst)

    def parsed_callback_keys(self) -> CallbackKeys | None:
        """The keys that sign and verify callbacks, if there are any."""
        if self.callback_keys is None:
            return None
        try:
            return CallbackKeys.parse(self.callback_keys)
        except ValueError as error:
            raise ValueError(f"callback_keys: {error}") from None


def load_settings(
    flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> Settings:
    """Read the settings from everywhere. Raises StartupError, which names the setting and the rule.

    `flags` that are None were not given. The file is `opledger.toml` in the directory, or what OPLEDGER_CONFIG names.
    """
    environment = os.environ if environment is None else environment
    layers = [_from_file(environment, directory or Path()), _from_environment(environment), _given(flags or {})]
    merged: dict[str, tuple[Any, str]] = {}
    for layer in layers:
        merged.update(layer)
    values = {name: _typed(name, value, origin) for name, (value, origin) in merged.items()}
    try:
        return Settings(**values)
    except ValueError as error:
        raise StartupError(f"settings: {error}") from None


Layer = dict[str, tuple[Any, str]]


def _from_file(environment: Mapping[str, str], directory: Path) -> Layer:
    named = environment.get("OPLEDGER_CONFIG")
    path = Path(named) if named else directory / CONFIG_FILE
    if not named and not exists(path):
        return {}
    content = read_toml(path)
    for name in content:
        if name not in Settings.__struct_fields__:
            raise StartupError(f"{path}: unknown setting {name!r}")
    return {name: (value, f"{path}: {name}") for name, value in content.items()}


def _from_environment(environment: Mapping[str, str]) -> Layer:
    layer: Layer = {}
    for name in Settings.__struct_fields__:
        variable = "DATABASE_URL" if name == "database_url" else f"OPLEDGER_{name.upper()}"
        if environment.get(variable):
            layer[name] = (environment[variable], variable)
    return layer


def _given(flags: Mapping[str, Any]) -> Layer:
    return {name: (value, "--" + name.replace("_", "-")) for name, value in flags.items() if value is not None}


_FIELDS = {field.name: field.type for field in msgspec.structs.fields(Settings)}


def _typed(name: str, value: Any, origin: str) -> Any:
    kind = _FIELDS[name]
    try:
        if kind == timedelta | None and value == "off":
            return None
        if kind in (timedelta, timedelta | None):
            return value if isinstance(value, timedelta) else parse_duration(str(value))
        return msgspec.convert(value, kind, strict=False)
    except ValueError as error:
        raise StartupError(f"{origin}: {error}") from None


def _is_callback_url(url: str) -> bool:
    if len(url) > LONGEST_CALLBACK_URL or "?" in url or "#" in url or not _CALLBACK_URL.fullmatch(url):
        return False
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    return port != 0
