"""An execution whose workflow task keeps failing or timing out runs, and does not get on: somebody has to look."""

from dataclasses import replace

from domain.attention import Attention, AttentionKind
from domain.evidence import Observation
from domain.json_value import clean_text
from domain.lifecycle import note_while_short, touched
from domain.operation import Cause, Change, Operation


def stall(operation: Operation, observation: Observation, cause: Cause) -> Change | None:
    """Raise, renew or clear the attention, as the observation of an open execution says; None where nothing changes.
    Raising and clearing are history lines, new words are not: a task may fail thousands of times."""
    attention = operation.attention
    known = attention is not None and attention.kind is AttentionKind.STALLED
    if observation.stalled is None:
        moved_on = replace(cause, reason="the execution gets on again")
        return note_while_short(replace(operation, attention=None), moved_on) if known else None
    message = clean_text(observation.stalled)
    if attention is None or not known:
        raised = replace(operation, attention=Attention(AttentionKind.STALLED, cause.now, message))
        return note_while_short(raised, replace(cause, reason=f"stalled: {message}"))
    if attention.message == message:
        return None
    return touched(replace(operation, attention=replace(attention, message=message)), cause.now)
