"""The service's settings, and their rules."""

from datetime import timedelta
from typing import Annotated, Final, Literal

import msgspec

from application.operate.purge_operations import MIN_RETENTION
from domain.access.callback_token import CallbackKeys
from domain.access.token_bucket import Allowance
from domain.errors import StartupError
from domain.evidence.finality import Finality
from entrypoints.settings.access import AccessKind, Algorithm, check_access
from entrypoints.settings.callbacks import checked_callback_url, parsed_callback_keys
from entrypoints.settings.codec import check_codec
from entrypoints.settings.export import check_export_settings
from entrypoints.settings.openid import check_openid
from entrypoints.settings.proxy import ProxyRules, allowed_origins, proxy_rules

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
MIN_KEY_LENGTH: Final = 32
_SHORT_KEY = (
    f"page_token_key must have at least {MIN_KEY_LENGTH} characters, because it signs sessions; `openssl rand -hex 32` "
    "makes one"
)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every field is `OPLEDGER_<FIELD>` in the environment and `<field>` in the file; `database_url` is `DATABASE_URL`.

    The address of Temporal is not here: `temporalio.envconfig` reads TEMPORAL_ADDRESS and the related variables.
    """

    database_url: str | None = None
    """`postgresql://user:password@host/database`, with psql's parameters. `opledger up` and `opledger demo` start a
    database of their own without it."""
    database_direct_url: str | None = None
    """URL of the server itself, where `DATABASE_URL` is that of a transaction pooler."""
    host: str = "127.0.0.1"
    """Listen address of the API and of the worker's metrics; a loopback address while `OPLEDGER_ACCESS` is `none`."""
    port: Port = 8080
    """Port of the API; 0 takes a free one."""
    data_dir: str = ".opledger"
    """Folder of the embedded PostgreSQL and Temporal."""
    operations: str | None = None
    """File that declares the operation types. Default: `operations.toml` in the working folder; without it `api` and
    `worker` refuse to start, `up` and `demo` use the demo's types."""
    reconcile_every: timedelta = timedelta(minutes=1)
    """Interval of the scheduled reconciliation: 1 s to 1 d."""
    reconcile_grace: timedelta = timedelta(seconds=30)
    """Time after a start in which an execution that Temporal does not know counts as not visible yet: 0 s to 1 h."""
    finality: Finality = Finality.ENGINE
    """`engine`: a reported outcome becomes the status when Temporal confirms that the chain has closed. `workflow`: a
    report is final at once; every workflow then reports its outcome, and its body must drain its handlers first."""
    page_token_key: str | None = None
    """Signs page tokens, confirmations and the dashboard's sessions, each with a key derived from it; at least 32
    characters. Random by default: set it where several API processes serve the same clients."""
    access: AccessKind = "none"
    """How clients prove who they are: `none`, `keys`, `jwt` or `keys,jwt`."""
    jwt_issuer: str | None = None
    """Required value of a token's `iss`."""
    jwt_audience: str | None = None
    """Required value of a token's `aud`."""
    jwt_jwks: str | None = None
    """File or https URL of the issuer's keys (JWKS)."""
    jwt_algorithm: Algorithm = "RS256"
    """The only signature algorithm that is accepted: `RS`, `PS` or `ES` with 256, 384 or 512, or `EdDSA`."""
    jwt_tenant_claim: str = "tenant"
    """Claim that holds the tenant."""
    jwt_scope_claim: str = "scope"
    """Claim that holds the scopes."""
    oidc_client_id: str | None = None
    """Client id of the dashboard at the provider `OPLEDGER_JWT_ISSUER`: people sign in there (OpenID Connect)."""
    oidc_client_secret: str | None = None
    """Client secret of the dashboard. Without one the dashboard is a public client."""
    oidc_client_secret_file: str | None = None
    """File that holds the client secret, in place of `OPLEDGER_OIDC_CLIENT_SECRET`."""
    oidc_scopes: str = "openid"
    """Scopes that the dashboard requests, separated by spaces; `openid` among them."""
    oidc_discovery_url: str | None = None
    """URL of the provider's OpenID configuration. Default: `.well-known/openid-configuration` below the issuer."""
    rate_limit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 100
    """Requests per second of one credential, sustained, in each API process."""
    rate_burst: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 200
    """Requests of one credential that may come at once, in each API process."""
    max_waiters: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    """Waits and streams that an API process holds open at the same time; one more is answered 503."""
    max_waiters_each: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1_000
    """Waits and streams that one credential may hold open in an API process; one more is answered 429."""
    public_url: str | None = None
    """Base URL that clients use, such as `https://ledger.example/ops`, for links. Default: taken from the request."""
    temporal_ui_url: str | None = None
    """Base URL of Temporal's web page, such as `https://temporal.example`, to which the dashboard links workflows;
    `opledger up` uses its own."""
    root_path: str = ""
    """Path prefix that the proxy does not remove; every route is below it. Only for `opledger api`."""
    trusted_proxies: str = ""
    """Addresses and networks whose `X-Forwarded-*` headers are believed, separated by commas."""
    cors_origins: str = ""
    """Origins of web pages that may use the API, separated by commas; `*` only with access control."""
    callback_url: str | None = None
    """Base URL at which Temporal reaches the API. Without it callbacks are off; `opledger up` uses its own API."""
    callback_keys: str | None = None
    """`name:secret[,name:secret]`, secrets of at least 32 characters. The first key signs, all verify. The same for the
    API and every worker; `opledger up` makes one."""
    data_converter: str | None = None
    """`module:name` of the Temporal data converter that the workers use. Default: the SDK's."""
    codec_endpoint: str | None = None
    """URL of a remote codec server."""
    codec_authorization: str | None = None
    """`Authorization` header for the codec server."""
    close_poll: timedelta | None = timedelta(seconds=2)
    """Interval at which closed executions are listed while an operation is open whose close no callback will announce:
    500 ms to 5 m, or `off`."""
    watch_every: timedelta = timedelta(seconds=1)
    """Interval at which started executions are listed, if a type has `adopt = true`: 500 ms to 5 m."""
    verify_every: timedelta = timedelta(hours=1)
    """Maximum interval between two checks of an unfinished operation, as far as the rate allows: 10 s to 1 d."""
    verify_rate: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    """Maximum checks per second and worker."""
    stop_delay: timedelta = timedelta()
    """Time after SIGTERM in which `/readyz` answers 503 while requests are still served: 0 s to 5 m."""
    retention: timedelta | None = None
    """Age after which finished operations are deleted, with their history: at least 1 d, or `off`. A type may have its
    own, and an operation that is kept stays."""
    export_file: str | None = None
    """File to which retention appends operations as JSON lines before it deletes them. Without an export they are
    gone."""
    export_command: str | None = None
    """Command that takes them on its standard input instead; exit code 0 means that it has them. Without a shell."""
    metrics_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    """Port of the worker's own `/metrics` and `/livez`. Default: none are served."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """`console`, `json`, or `auto`: console on a terminal, else JSON."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """`debug`, `info`, `warning` or `error`."""

    def __post_init__(self) -> None:
        check_access(self)
        check_openid(self)
        check_codec(self)
        check_export_settings(self)
        self.proxy_rules()
        self.allowed_origins()
        if not timedelta(seconds=1) <= self.reconcile_every <= timedelta(days=1):
            raise ValueError("reconcile_every must be between 1s and 1d")
        if not timedelta() <= self.reconcile_grace <= timedelta(hours=1):
            raise ValueError("reconcile_grace must be between 0s and 1h")
        if self.page_token_key is not None and len(self.page_token_key) < MIN_KEY_LENGTH:
            raise ValueError(_SHORT_KEY)
        if not timedelta(seconds=10) <= self.verify_every <= timedelta(days=1):
            raise ValueError("verify_every must be between 10s and 1d")
        if not timedelta() <= self.stop_delay <= timedelta(minutes=5):
            raise ValueError("stop_delay must be between 0s and 5m")
        if self.close_poll is not None and not timedelta(seconds=0.5) <= self.close_poll <= timedelta(minutes=5):
            raise ValueError("close_poll must be off, or between 500ms and 5m")
        if not timedelta(seconds=0.5) <= self.watch_every <= timedelta(minutes=5):
            raise ValueError("watch_every must be between 500ms and 5m")
        if self.retention is not None and self.retention < MIN_RETENTION:
            raise ValueError("retention must be at least 1d, the lifetime of an idempotency key")
        if self.database_direct_url is not None and self.database_url is None:
            raise ValueError("database_direct_url is set, but database_url is not: set it to the URL of the pooler")
        self._check_temporal_ui()
        msgspec.structs.force_setattr(self, "callback_url", checked_callback_url(self))

    def _check_temporal_ui(self) -> None:
        if self.temporal_ui_url is not None and not self.temporal_ui_url.startswith(("http://", "https://")):
            raise ValueError("temporal_ui_url must be a URL such as https://temporal.example")

    def __repr__(self) -> str:
        """Omits secrets, because settings end up in logs."""
        return f"Settings(host={self.host!r}, port={self.port}, finality={self.finality}, ...)"

    def require_database_url(self) -> str:
        """Returns the URL of the database. Raises StartupError: DATABASE_URL is not set."""
        if not self.database_url:
            raise StartupError("DATABASE_URL is not set: set it, or run `opledger up`, which starts its own database")
        return self.database_url

    def require_direct_url(self) -> str:
        """Returns the URL of the database server, past a transaction pooler. Raises StartupError: DATABASE_URL is not
        set."""
        return self.database_direct_url or self.require_database_url()

    @property
    def transaction_pooling(self) -> bool:
        """Whether DATABASE_URL is the URL of a transaction pooler."""
        return self.database_direct_url is not None

    def proxy_rules(self) -> ProxyRules:
        """Returns how clients reach the API."""
        return proxy_rules(self)

    def allowed_origins(self) -> frozenset[str]:
        """Returns the origins of web pages that may use the API."""
        return allowed_origins(self)

    def allowance(self) -> Allowance:
        """Returns the rate limit of each credential in one process."""
        return Allowance(self.rate_limit, self.rate_burst)

    def parsed_callback_keys(self) -> CallbackKeys | None:
        """Returns the keys that sign and verify callbacks; None if there are none. Raises ValueError."""
        return parsed_callback_keys(self)
