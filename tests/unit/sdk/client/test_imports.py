"""The client needs neither Temporal's SDK nor anything of the service."""

import ssl
import subprocess
import sys

from opledger._client.setup import Setup

HEAVY = {"temporalio", "litestar", "sqlalchemy", "rich_click"}


def test_import_of_the_client_is_light() -> None:
    """In a new interpreter."""
    program = "import sys; from opledger import AsyncClient, Client, OperationFailed; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert HEAVY & set(shown.split()) == set()


def test_missing_extra_is_named() -> None:
    """Where Temporal's SDK is not installed."""
    program = "import sys; sys.modules['temporalio'] = None; import opledger; opledger.OpledgerPlugin"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ImportError: opledger.OpledgerPlugin needs Temporal's SDK: pip install 'opledger[worker]'" in result.stderr


def test_only_https_loads_certificates() -> None:
    """To load them takes a tenth of the time of `opledger get`. The context without them trusts no server."""
    plain = Setup("http://localhost", None, 1.0).verify
    assert isinstance(plain, ssl.SSLContext)
    assert (plain.verify_mode, plain.check_hostname, plain.get_ca_certs()) == (ssl.CERT_REQUIRED, True, [])
    assert Setup("https://localhost", None, 1.0).verify is True
