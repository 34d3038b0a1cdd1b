"""Conditional requests (RFC 9110, section 13): the entity tag is the operation's version."""

import re

from domain.operation import Operation

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def entity_tag(operation: Operation) -> str:
    """Strong: the same version is the same answer."""
    return f'"{operation.version}"'


def matches(if_none_match: list[str], tag: str) -> bool:
    """Whether the client has this version already. A header that makes no sense is ignored, as the RFC has it."""
    header = ", ".join(if_none_match).strip()
    return header == "*" or tag in _TAG.findall(header)
