"""The reason of an action, as a field of its form."""

from domain.errors import InvalidInput
from domain.json_value import MAX_TEXT, clean_text
from entrypoints.ui.request import UiRequest


def given_reason(request: UiRequest) -> str | None:
    """The reason, if there is one. Raises InvalidInput: it has more than MAX_TEXT characters."""
    reason = request.fields.get("reason", "").strip()
    if len(reason) > MAX_TEXT:
        raise InvalidInput(f"the reason has more than {MAX_TEXT} characters", pointer="/reason")
    return clean_text(reason) or None
