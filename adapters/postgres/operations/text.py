"""Checks texts for PostgreSQL's `text`, which holds no NUL and no half of a surrogate pair."""

from collections.abc import Iterable

from domain.errors import InvalidInput
from domain.json_value import clean_text


def storable(text: str) -> bool:
    """Returns whether PostgreSQL can hold the text as it is."""
    return clean_text(text, limit=len(text)) == text


def identifier(text: str) -> str:
    """Returns a text that identifies something, unchanged. Raises InvalidInput: PostgreSQL cannot hold it."""
    if not storable(text):
        raise InvalidInput(f"{text!r} has a NUL or half a surrogate pair in it")
    return text


def cleaned(text: str | None) -> str | None:
    """Returns a text for people without the characters that PostgreSQL refuses: better a message without its NUL than
    no message."""
    return None if text is None else clean_text(text)


def text_size(values: Iterable[object]) -> int:
    """Returns the number of characters of the texts among the values, JSON that is not parsed included. Other values
    are small."""
    return sum(len(value) for value in values if isinstance(value, str))
