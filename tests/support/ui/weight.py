"""What a first visit of a page transfers."""

import re
from typing import Final

import httpx

MAX_BYTES: Final = 60_000
"""For each page."""


async def weight(client: httpx.AsyncClient, page: httpx.Response) -> int:
    """Bytes on the wire of a page, the styles and the own scripts."""
    assert "content-encoding" not in page.headers
    files = set(re.findall(r'"(/static/app-[^"]+)"', page.text))
    assert len(files) == 2
    answers = [await client.get(path, headers={"Accept-Encoding": "gzip"}) for path in files]
    assert [answer.headers["content-encoding"] for answer in answers] == ["gzip", "gzip"]
    return len(page.content) + sum(int(answer.headers["content-length"]) for answer in answers)
