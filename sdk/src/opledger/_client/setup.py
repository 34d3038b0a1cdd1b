"""What both clients are made from."""

import ssl
import time
from typing import Final

import httpx

from opledger._address import LedgerAddress, find_ledger
from opledger._client.calls import Answer
from opledger._client.exchange import CONNECT_TIMEOUT, Backoff, ConnectionFailed, Send

TIMEOUT: Final = 30.0
"""Seconds for a call with its repeats."""
_CONNECTIONS: Final = 20


class Setup:
    """Address, headers and times of a client."""

    def __init__(self, url: str | None, api_key: str | None, timeout: float, profile: str | None = None) -> None:
        """Raises ValueError."""
        address = find_ledger(url, api_key, profile)
        if address is None:
            raise ValueError("url: required, unless OPLEDGER_URL, OPLEDGER_PROFILE or the profile named default has it")
        try:
            httpx.URL(address.url)
        except httpx.InvalidURL as error:
            raise ValueError(f"the ledger's URL is invalid: {error}") from None
        self.address: LedgerAddress = address
        self.timeout = timeout
        self.verify: ssl.SSLContext | bool = (
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if address.url.lower().startswith("http:") else True
        )
        """A plain http URL needs no certificates; to load them takes 20 ms. The empty context trusts no server."""
        self.limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        self.headers = {"Content-Type": "application/json", "User-Agent": "opledger-python"}
        if address.api_key is not None:
            self.headers["Authorization"] = f"Bearer {address.api_key}"

    def backoff(self, within: float | None = None) -> Backoff:
        """Pauses for `within` seconds, by default the client's timeout."""
        return Backoff(self.address.url, self.timeout if within is None else within, time.monotonic)


def attempt_timeout(attempt: Send) -> httpx.Timeout:
    """Timeouts of one attempt. Waiting for a free connection, and sending a large body, may take longer than the
    response: httpx writes the whole body in one step."""
    connect = min(attempt.within, CONNECT_TIMEOUT)
    return httpx.Timeout(connect=connect, write=attempt.within, read=attempt.silence, pool=attempt.within)


def answer_of(response: httpx.Response) -> Answer:
    """The answer of a response that has been read."""
    return Answer(response.status_code, response.headers, response.content)


def failed(error: httpx.RequestError) -> ConnectionFailed:
    """The failure of an attempt."""
    return ConnectionFailed(reason_of(error), isinstance(error, httpx.ReadTimeout))


def reason_of(error: httpx.HTTPError) -> str:
    """What went wrong, in a few words."""
    return f"{type(error).__name__} {error}".rstrip()
