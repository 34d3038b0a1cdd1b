"""Checks a request's framing (RFC 9112) for what a proxy and this server could interpret differently.

The parser already refuses Content-Length with Transfer-Encoding, a repeated Content-Length, folded lines and bare line
feeds.
"""

import re
from typing import Final

from entrypoints.http.problems.problems import MalformedHead, UnsupportedTransferCoding, UnsupportedVersion

Headers = list[tuple[bytes, bytes]]
MAX_LENGTH_DIGITS: Final = 15
"""Digits of a Content-Length. Larger values are never valid, and int() refuses more than 4,300 digits."""
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#@]+)(?:[/?].*)?", re.IGNORECASE | re.DOTALL)


def check_framing(method: bytes, version: str, target: bytes, headers: Headers) -> None:
    """Raises MalformedHead, UnsupportedTransferCoding, UnsupportedVersion. `headers` have lower-case names; a host in
    the target replaces the Host header (RFC 9112, 3.2.2)."""
    if version not in {"1.1", "1.0"}:
        raise UnsupportedVersion
    if method == b"CONNECT":  # the parser treats what follows as a tunnel
        raise MalformedHead("the method CONNECT is not supported")
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise MalformedHead("send exactly one Host header")
    _check_codings(version, headers)
    for name, value in headers:
        if name == b"content-length" and len(value) > MAX_LENGTH_DIGITS:
            raise MalformedHead(f"the header Content-Length must have at most {MAX_LENGTH_DIGITS} digits")
    if not target.startswith(b"/") or b"#" in target:
        _check_target(target, headers)


def has_body(headers: Headers) -> bool:
    """Whether these headers announce a body."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")) for name, value in headers
    )


def without_upgrade(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """The request head without its upgrade headers."""
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"connection":
            options = [option for option in value.split(b",") if option.strip().lower() != b"upgrade"]
            lines.append(b"connection: " + b",".join(options))
        elif name != b"upgrade":
            lines.append(b"%s: %s" % (name, value))
    return b"\r\n".join([*lines, b"", b""])


def _check_codings(version: str, headers: Headers) -> None:
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if not codings:
        return
    if version == "1.0":
        raise MalformedHead("an HTTP/1.0 request must not have Transfer-Encoding")
    if [coding.strip().lower() for coding in codings] != [b"chunked"]:
        raise UnsupportedTransferCoding


def _check_target(target: bytes, headers: Headers) -> None:
    if target == b"*":
        return
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or b"#" in target:
        raise MalformedHead("the request target must be a path, or an http URL without user and fragment")
    headers[:] = [(name, value) for name, value in headers if name != b"host"] + [(b"host", absolute[1])]
