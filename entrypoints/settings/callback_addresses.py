"""The Temporal server's setting that says where its callbacks may go."""

import json
from typing import Final
from urllib.parse import urlsplit

ALLOWED_ADDRESSES: Final = "callback.allowedAddresses"
"""Key in the server's dynamic configuration. Without it the server refuses every callback."""


def allowed_addresses(url: str) -> str:
    """The value of ALLOWED_ADDRESSES that lets the server call this URL's host and port, and no other."""
    parts = urlsplit(url)
    return json.dumps([{"Pattern": parts.netloc, "AllowInsecure": parts.scheme == "http"}], separators=(",", ":"))
