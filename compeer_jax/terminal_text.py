"""Words from outside, fit for a terminal."""

import re

_UNSEEN = re.compile(r"(?![\n\t])[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` with U+FFFD for each character that moves the cursor, changes a terminal's state or the order of reading.

    Those are control characters but for newline and tab, what overrides the direction of letters, and half characters.
    """
    return _UNSEEN.sub("\ufffd", text)
