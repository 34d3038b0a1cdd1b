"""PostgreSQL URLs, parsed as psql does."""

import socket
import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.postgres.connection.database_url import parse_url
from domain.errors import StartupError


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u@h1:5432,h2:5433/db", [("h1", 5432), ("h2", 5433)]),
        ("postgresql://u@h1,h2:5433/db", [("h1", None), ("h2", 5433)]),
        ("postgresql://u@h1,h2/db?port=6000", [("h1", 6000), ("h2", 6000)]),
        ("postgresql:///db?host=h1,h2&port=6000,6001", [("h1", 6000), ("h2", 6001)]),
        ("postgresql:///db?host=h1,/run/postgresql&port=6000", [("h1", 6000), ("/run/postgresql", 6000)]),
        ("postgresql://u@[::1]:5432,[2001:db8::2]/db", [("::1", 5432), ("2001:db8::2", None)]),
        ("postgresql://u@%2Frun%2Fpostgresql/db", [("/run/postgresql", None)]),
        ("postgresql:///db?port=6000", [("", 6000)]),
        ("postgresql:///db", []),
    ],
)
def test_hosts_come_from_the_authority_or_the_parameters(url: str, hosts: list[tuple[str, int | None]]) -> None:
    """One or several."""
    assert list(parse_url(url).hosts) == hosts


def test_login_is_decoded() -> None:
    """User, password and database. The part before the query takes precedence."""
    arguments = parse_url("postgresql://us%40er:p%2Fw+d@h/d%20b?user=other&dbname=other&passfile=/p").arguments
    assert {"user": "us@er", "password": "p/w+d", "database": "d b", "passfile": "/p"}.items() <= arguments.items()
    arguments = parse_url("postgresql://h?user=u&password=p%26w&dbname=d").arguments
    assert {"user": "u", "password": "p&w", "database": "d"}.items() <= arguments.items()


def test_repr_has_no_password() -> None:
    """So that no log or debugger shows it."""
    assert "secret" not in repr(parse_url("postgresql://u:secret@h/db?sslpassword=secret"))


@pytest.mark.parametrize(
    ("query", "target", "writable"),
    [
        ("", "any", False),
        ("target_session_attrs=any", "any", False),
        ("target_session_attrs=read-write", "read-write", True),
        ("target_session_attrs=primary", "primary", True),
    ],
)
def test_target_session_attrs_selects_the_kind_of_server(
    query: str, target: str, writable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values are those of libpq."""
    monkeypatch.delenv("PGTARGETSESSIONATTRS", raising=False)
    parsed = parse_url(f"postgresql://h/db?{query}")
    assert (parsed.arguments["target_session_attrs"], parsed.writable) == (target, writable)


def test_several_hosts_default_to_the_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger writes."""
    monkeypatch.delenv("PGTARGETSESSIONATTRS", raising=False)
    assert parse_url("postgresql://h1,h2/db").arguments["target_session_attrs"] == "read-write"
    assert parse_url("postgresql://h1,h2/db?target_session_attrs=any").arguments["target_session_attrs"] == "any"


def test_socket_options_have_libpqs_names_units_and_defaults() -> None:
    """Keepalives are on by default."""
    assert parse_url("postgresql://h/db").socket_options == [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    assert parse_url("postgresql://h/db?keepalives=0").socket_options == []
    query = "keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=20000"
    assert set(parse_url(f"postgresql://h/db?{query}").socket_options) == {
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20000),
    }


def test_url_of_a_pair_of_servers_is_parsed_whole() -> None:
    """Hosts, login, kind of server and socket options."""
    given = "target_session_attrs=read-write&keepalives_idle=30&tcp_user_timeout=20000"
    parsed = parse_url(f"postgresql://u@h1:5432,h2:5432/db?{given}")
    assert list(parsed.hosts) == [("h1", 5432), ("h2", 5432)]
    assert (parsed.arguments["user"], parsed.arguments["database"]) == ("u", "db")
    assert (parsed.arguments["target_session_attrs"], parsed.writable) == ("read-write", True)
    assert set(parsed.socket_options) == {
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20000),
    }
    assert dict(parsed.settings) == {}


def test_options_and_unknown_parameters_are_server_settings() -> None:
    """`options` as psql parses it."""
    options = "-c%20work_mem%3D8MB%20--search-path%3Da%2Cb%20-cDateStyle%3DISO%2C%5C%20DMY"
    parsed = parse_url(f"postgresql://h/db?application_name=mine&lock_timeout=1s&options={options}")
    assert parsed.settings == {
        "application_name": "mine",
        "lock_timeout": "1s",
        "work_mem": "8MB",
        "search_path": "a,b",
        "DateStyle": "ISO, DMY",
    }
    assert parse_url("postgresql://h/db?fallback_application_name=f").settings == {"application_name": "f"}
    named = "postgresql://h/db?fallback_application_name=f&application_name=a"
    assert parse_url(named).settings == {"application_name": "a"}


def test_values_that_match_the_driver_are_accepted() -> None:
    """Parameters that providers put into their URLs, and psql's defaults."""
    query = "channel_binding=prefer&gssencmode=disable&client_encoding=UTF8&sslsni=1&load_balance_hosts=disable"
    parsed = parse_url(f"postgresql://h/db?{query}&connect_timeout=3")
    assert (dict(parsed.settings), parsed.connect_timeout) == ({}, 3)


def test_tls_parameters_reach_the_driver(tmp_path: Path) -> None:
    """Also with the short form and JDBC's form of sslmode."""
    root = tmp_path / "root of ours.crt"
    root.touch()
    parsed = parse_url(f"postgresql://u:p@h/db?sslmode=verify-full&sslrootcert={root}")
    passed_on = parse_qs(urlsplit(parsed.arguments["dsn"]).query)
    assert passed_on == {"sslmode": ["verify-full"], "sslrootcert": [str(root)]}
    assert parse_url("postgresql://h/db?ssl=require").arguments["dsn"] == "postgresql://?sslmode=require"
    assert parse_url("postgresql://h/db?ssl=true").arguments["dsn"] == "postgresql://?sslmode=require"
    system = parse_url("postgresql://h/db?sslrootcert=system").arguments["ssl"]
    assert isinstance(system, ssl.SSLContext)
    assert (system.verify_mode, system.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "begins with postgresql://"),
        ("mysql://h/db", "begins with postgresql://, not mysql://"),
        ("postgresql://u:a#b@h/db", "a password it is written %23"),
        ("postgresql://h:x/db", "the port 'x': a port is a number from 1 to 65535"),
        ("postgresql://h1:1,h2:0/db", "the port '0': a port is a number from 1 to 65535"),
        ("postgresql://h1,h2,h3/db?port=1,2", "3 hosts and 2 ports"),
        ("postgresql://h/db?connect_timeout=soon", "connect_timeout=soon, which is not a whole number"),
        ("postgresql://h/db?keepalives_idle=-1", "keepalives_idle=-1, which is not a whole number"),
        ("postgresql://h/db?keepalives_idle=86400", "keepalives_idle=86400, which is more than 32767"),
        ("postgresql://h/db?keepalives_count=128", "keepalives_count=128, which is more than 127"),
        ("postgresql://h/db?tcp_user_timeout=9999999999", "tcp_user_timeout=9999999999"),
        ("postgresql://h/db?target_session_attrs=standby", "target_session_attrs=standby: the ledger writes"),
        ("postgresql://h/db?sslmode=verify", "sslmode=verify, which is one of allow, disable"),
        (
            "postgresql://h/db?sslmode=verify-full&sslrootcert=/no/such.crt",
            "sslrootcert=/no/such.crt: there is no such",
        ),
        ("postgresql://h/db?sslmode=require&sslrootcert=system", "needs sslmode=verify-full"),
        ("postgresql://h/db?channel_binding=require", "channel_binding=require, which the driver does not support"),
        ("postgresql://h/db?gssencmode=require", "gssencmode=require"),
        ("postgresql://h/db?client_encoding=latin1", "client_encoding=latin1"),
        ("postgresql://h/db?hostaddr=10.0.0.1", "hostaddr=10.0.0.1"),
        ("postgresql://h/db?require_auth=scram-sha-256", "require_auth=scram-sha-256"),
        ("postgresql://h/db?load_balance_hosts=random", "load_balance_hosts=random"),
        ("postgresql://h/db?replication=database", "replication=database"),
        ("postgresql://h/db?options=-E", "'-E' in options"),
        ("postgresql://h/db?sslmode", "a parameter without a value: sslmode"),
    ],
)
def test_unsupported_values_are_named(url: str, message: str) -> None:
    """The error has the setting, the parameter and what to do."""
    with pytest.raises(StartupError) as caught:
        parse_url(url, "OPLEDGER_DATABASE_DIRECT_URL")
    assert str(caught.value).startswith("OPLEDGER_DATABASE_DIRECT_URL ")
    assert message in str(caught.value)
