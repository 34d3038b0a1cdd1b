"""Which URLs and hosts keep secrets from the network."""

import ipaddress
from urllib.parse import urlsplit


def is_confidential(url: str) -> bool:
    """Whether the URL is https without user and fragment, or http to this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    return plain and safe and bool(host) and parts.username is None and not parts.fragment


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
