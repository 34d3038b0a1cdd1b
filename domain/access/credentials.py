"""Rules for credentials, and the errors of authentication."""

from domain.errors import OpledgerError

MAX_NAME = 255
"""Maximum length of a tenant or an actor, in characters."""


class InvalidCredentials(OpledgerError):
    """The credentials are not valid."""


class MissingCredentials(InvalidCredentials):
    """The request has no credentials."""


def is_name(text: object) -> bool:
    """Whether this can name a tenant or an actor: 1 to 255 printable characters, without leading or trailing spaces."""
    return isinstance(text, str) and 1 <= len(text) <= MAX_NAME and text.isprintable() and text == text.strip()
