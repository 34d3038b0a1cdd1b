"""Which URLs may carry secrets."""

import pytest

from domain.access.confidential_url import is_confidential


@pytest.mark.parametrize(
    ("url", "confidential"),
    [
        ("https://id.example/token?a=b", True),
        ("http://127.0.0.1:80/", True),
        ("http://[::1]/", True),
        ("http://localhost/", True),
        ("http://id.example/", False),
        ("http://127.0.0.1.evil.example/", False),
        ("https://u@id.example/", False),
        ("https://id.example/#x", False),
        ("https:///x", False),
        ("https://id.example:x/", False),
        ("https://id.example/ x", False),
        ("https://id.example/\n", False),
        ("https://[/", False),
        ("javascript:alert(1)", False),
        ("//id.example", False),
    ],
)
def test_confidential_urls_are_https_or_loopback(url: str, confidential: bool) -> None:
    """Without user, fragment and characters that others read differently."""
    assert is_confidential(url) is confidential
