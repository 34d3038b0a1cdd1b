"""Parses a PostgreSQL URL as psql does, into arguments for asyncpg."""

import os
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit

from domain.errors import StartupError

Host = tuple[str, int | None]
SocketOption = tuple[int, int, int]

_SCHEMES = {"postgres", "postgresql", "postgresql+asyncpg"}
_SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
_TARGETS = {"any", "primary", "read-write"}
_FILES = ("sslcert", "sslkey", "sslrootcert", "sslcrl")
_OF_DRIVER = {
    *_FILES,
    *("sslmode", "sslpassword", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"),
    *("krbsrvname", "gsslib", "service"),
}
"""Parameters that asyncpg parses itself."""
_LOGIN = {"user": "user", "password": "password", "dbname": "database", "database": "database", "passfile": "passfile"}
_FIXED: Final[Mapping[str, set[str]]] = {
    "channel_binding": {"disable", "prefer"},
    "client_encoding": {"auto", "utf8", "utf-8"},
    "gssencmode": {"disable", "prefer"},
    "gssdelegation": {"0"},
    "load_balance_hosts": {"disable"},
    "max_protocol_version": {"3.0", "latest"},
    "min_protocol_version": {"3.0"},
    "replication": {"false", "off", "no", "0"},
    "sslcertmode": {"allow"},
    "sslcompression": {"0"},
    "sslsni": {"1"},
    **{name: set() for name in ("hostaddr", "require_auth", "requirepeer", "sslcrldir", "sslkeylogfile")},
    **{name: set() for name in ("scram_client_key", "scram_server_key", "servicefile")},
}
"""Parameters of libpq that asyncpg lacks, with the values that equal what asyncpg does."""
_KEEPALIVE: Final = {
    "keepalives_idle": ("TCP_KEEPIDLE", "TCP_KEEPALIVE"),  # the second name is macOS's
    "keepalives_interval": ("TCP_KEEPINTVL",),
    "keepalives_count": ("TCP_KEEPCNT",),
    "tcp_user_timeout": ("TCP_USER_TIMEOUT",),
}
"""Socket options by libpq's name. As libpq does, options that the system lacks are ignored."""
_LONGEST: Final = {"keepalives_idle": 32_767, "keepalives_interval": 32_767, "keepalives_count": 127}
"""The largest values that Linux accepts (tcp(7), `MAX_TCP_KEEPIDLE` and the like)."""


@dataclass(frozen=True, slots=True, repr=False)
class DatabaseUrl:
    """A parsed URL."""

    hosts: Sequence[Host]
    """In the order of attempts. Empty: the driver's default."""
    arguments: Mapping[str, Any]
    """For `asyncpg.connect`."""
    settings: Mapping[str, str]
    """Server settings of the session."""
    socket_options: Sequence[SocketOption]
    """For a TCP connection."""
    connect_timeout: float | None
    """Seconds for each host. 0: no limit. None: not given."""
    writable: bool
    """Whether servers that accept no writes are skipped."""


def parse_url(url: str, name: str = "DATABASE_URL") -> DatabaseUrl:
    """Parses the URL. Raises StartupError, which names the setting, the parameter and the rule."""
    try:
        return _parse(url)
    except ValueError as error:
        raise StartupError(f"{name} {error}") from None


def _parse(url: str) -> DatabaseUrl:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"begins with postgresql://, not {parts.scheme or 'nothing'}://")
    if parts.fragment:
        raise ValueError("has a '#' in it: in a password it is written %23")
    login, _, place = parts.netloc.rpartition("@")
    given = _query(parts.query)
    hosts = _hosts(place, given)
    user, _, password = login.partition(":")
    in_path = {"user": user, "password": password, "database": parts.path.removeprefix("/")}
    arguments: dict[str, Any] = {key: unquote(value) for key, value in in_path.items() if value}
    for key, argument in _LOGIN.items():
        if key in given:
            arguments.setdefault(argument, given.pop(key))
    target = _target(given, hosts)
    arguments["target_session_attrs"] = target
    socket_options = _socket_options(given)
    connect_timeout = _number(given, "connect_timeout")
    arguments |= _driver_arguments(given)
    for key, values in _FIXED.items():
        if key in given and (value := given.pop(key)).lower() not in values:
            raise ValueError(f"has {key}={value}, which the driver does not support: {_instead(values)}")
    return DatabaseUrl(hosts, arguments, _settings(given), socket_options, connect_timeout, target != "any")


def _query(query: str) -> dict[str, str]:
    """Returns the parameters, decoded as libpq does: a plus sign stays a plus sign."""
    given: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"has a parameter without a value: {key}")
        given[unquote(key)] = unquote(value)
    if "ssl" in given:
        mode = given.pop("ssl")
        given.setdefault("sslmode", "require" if mode == "true" else mode)
    return given


def _hosts(place: str, given: dict[str, str]) -> list[Host]:
    """Returns the hosts before the path, or else those of the parameters `host` and `port`."""
    named, ports = given.pop("host", ""), given.pop("port", "")
    hosts = [_host(unquote(one)) for one in (place or named).split(",")] if place or named else []
    if ports:
        hosts = hosts or [("", None)]
        numbers = [_port(one) for one in ports.split(",")]
        if len(numbers) not in {1, len(hosts)}:
            raise ValueError(f"has {len(hosts)} hosts and {len(numbers)} ports: give one port, or one for each host")
        numbers *= len(hosts) // len(numbers)
        hosts = [(host, port or number) for (host, port), number in zip(hosts, numbers, strict=True)]
    return hosts


def _host(text: str) -> Host:
    if text.startswith("/"):
        return text, None
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(.*))?", text)
    name, port = bracketed.groups() if bracketed else (text, None)
    if not bracketed and text.count(":") == 1:
        name, _, port = text.partition(":")
    return name, _port(port) if port else None


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ValueError(f"has the port {text!r}: a port is a number from 1 to 65535")
    return int(text)


def _target(given: dict[str, str], hosts: Sequence[Host]) -> str:
    """Returns the session target. The ledger writes: of several servers it needs the primary."""
    default = os.environ.get("PGTARGETSESSIONATTRS") or ("read-write" if len(hosts) > 1 else "any")
    target = given.pop("target_session_attrs", default)
    if target not in _TARGETS:
        raise ValueError(f"has target_session_attrs={target}: the ledger writes, so it is one of {_listed(_TARGETS)}")
    return target


def _socket_options(given: dict[str, str]) -> list[SocketOption]:
    """Returns socket options. As in libpq, idle connections are kept alive unless `keepalives` is 0."""
    keep_alive = _number(given, "keepalives")
    options = [] if keep_alive == 0 else [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for key, names in _KEEPALIVE.items():
        value = _number(given, key)
        if value is not None and value > _LONGEST.get(key, value):
            raise ValueError(f"has {key}={value}, which is more than {_LONGEST[key]}")
        number = next((getattr(socket, name) for name in names if hasattr(socket, name)), None)
        if value and number is not None:
            options.append((socket.IPPROTO_TCP, number, value))
    return options


def _number(given: dict[str, str], key: str) -> int | None:
    text = given.pop(key, None)
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or int(text) >= 2**31:
        raise ValueError(f"has {key}={text}, which is not a whole number")
    return int(text)


def _driver_arguments(given: dict[str, str]) -> dict[str, Any]:
    """Returns the arguments that asyncpg accepts only as part of a URL, as a URL."""
    dsn = {key: given.pop(key) for key in _OF_DRIVER & given.keys()}
    if dsn.get("sslmode", "disable") not in _SSL_MODES:
        raise ValueError(f"has sslmode={dsn['sslmode']}, which is one of {_listed(_SSL_MODES)}")
    if dsn.get("sslrootcert") == "system":
        return {"ssl": _verified_by_the_system(dsn)}
    for key in _FILES:
        if key in dsn and not Path(dsn[key]).is_file():
            raise ValueError(f"has {key}={dsn[key]}: there is no such file")
    return {"dsn": f"postgresql://?{urlencode(dsn, quote_via=quote)}"} if dsn else {}


def _verified_by_the_system(dsn: Mapping[str, str]) -> ssl.SSLContext:
    """Returns a TLS context with the system's certificate authorities. As libpq does, it requires verify-full."""
    if dsn.get("sslmode", "verify-full") != "verify-full":
        raise ValueError(f"has sslrootcert=system with sslmode={dsn['sslmode']}: it needs sslmode=verify-full")
    if others := dsn.keys() - {"sslmode", "sslrootcert"}:
        raise ValueError(f"has sslrootcert=system with {_listed(others)}, which the driver does not support together")
    return ssl.create_default_context()


def _settings(given: dict[str, str]) -> dict[str, str]:
    """Returns the remaining parameters as server settings. The server rejects unknown ones by name."""
    fallback = given.pop("fallback_application_name", None)
    settings = {**_options(given.pop("options", "")), **given}
    return settings if fallback is None else {"application_name": fallback, **settings}


def _options(text: str) -> dict[str, str]:
    """Parses `-c name=value` and `--name=value`, separated by blanks. A backslash escapes a blank or backslash."""
    words = iter(re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\\\s])+", text))
    settings = {}
    for word in words:
        whole = word + next(words, "") if word == "-c" else word
        found = re.fullmatch(r"(?:-c|--)([^=\s]+)=(.*)", whole, re.DOTALL)
        if found is None:
            raise ValueError(f"has {whole!r} in options, which may be -c name=value or --name=value")
        settings[found[1].replace("-", "_")] = found[2]
    return settings


def _instead(values: set[str]) -> str:
    return f"leave it out, or give {_listed(values)}" if values else "leave it out"


def _listed(values: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(values))
