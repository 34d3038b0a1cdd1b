"""What a client shows to prove who it is, and what is wrong with it."""

from domain.errors import OpledgerError

MAX_NAME = 255
"""Characters of a tenant or an actor."""


class InvalidCredentials(OpledgerError):
    """The credentials are not valid."""


class MissingCredentials(InvalidCredentials):
    """The request shows no credentials."""


def is_name(text: object) -> bool:
    """Whether it can be a tenant's or an actor's: 1 to 255 printable characters, with no blank at either end."""
    return isinstance(text, str) and 1 <= len(text) <= MAX_NAME and text.isprintable() and text == text.strip()
