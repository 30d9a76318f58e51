"""The reply in an output that is still being written."""

from compeer_jax.dialogue.reasoning import RESPONSE, ReasoningFormat

CLOSING = f"</{RESPONSE}>"


def reply_so_far(format: ReasoningFormat, text: str) -> str:
    """What stands of the reply; "" before it begins, and where the form is broken already.

    Of a closing tag that has only begun nothing is shown. What comes after this may still break the form, and then it
    was no reply: only `ReasoningFormat.parse` of the whole output says.

    Args:
        format: what the output is written in.
        text: the output so far.
    """
    if not format.steps:
        return format.parse(text).response
    if f"<{RESPONSE}>" not in text:
        return ""
    if CLOSING not in text:
        begun = max((n for n in range(1, len(CLOSING)) if text.endswith(CLOSING[:n])), default=0)
        text = f"{text[: len(text) - begun]}\n{CLOSING}"
    turn = format.parse(text)
    return turn.response if turn.whole else ""
