"""The Temporal server's setting that allows callback addresses."""

import json
from typing import Final
from urllib.parse import urlsplit

ALLOWED_ADDRESSES: Final = "callback.allowedAddresses"
"""Key in the server's dynamic configuration. Without it the server refuses every callback."""


def allowed_addresses(url: str) -> str:
    """Returns the value of ALLOWED_ADDRESSES that allows callbacks to this URL's host and port only."""
    parts = urlsplit(url)
    return json.dumps([{"Pattern": parts.netloc, "AllowInsecure": parts.scheme == "http"}], separators=(",", ":"))
