"""Console for tables, panels and lines, on which words from outside can do no harm."""

import re
from collections.abc import Iterable
from typing import Any

_UNSEEN = re.compile(r"(?![\n\t])[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` with U+FFFD for each character that moves the cursor, changes a terminal's state or the order of reading.

    Those are control characters but for newline and tab, what overrides the direction of letters, and half characters.
    """
    return _UNSEEN.sub("\ufffd", text)


def safe_console(**options: Any) -> Any:
    """A rich console on which all text is `printable`, wherever in a table or a frame it stands.

    Args:
        options: of `rich.console.Console`. Names that look like rich's markup, such as `Qwen3 [thinking]`, are shown as
            they are unless `markup` is True. Where nobody reads any more, it raises BrokenPipeError.
    """
    from rich.console import Console

    console = Console(**{"markup": False} | options)
    console.push_render_hook(_Hook())
    console.on_broken_pipe = _reader_gone  # rich itself would end the program
    return console


def wide_console() -> Any:
    """A console for tables: as wide as the terminal, or wide enough for them where there is none."""
    console = safe_console()
    return console if console.is_terminal else safe_console(width=120)


def _reader_gone() -> None:
    raise BrokenPipeError


class _Hook:
    """What rich asks before it shows something; cursor movements of its own bars are `Control`s and pass."""

    def process_renderables(self, renderables: Iterable[Any]) -> list[Any]:
        from rich.control import Control

        return [one if isinstance(one, Control) else _Printable(one) for one in renderables]


class _Printable:
    def __init__(self, shown: Any):
        self.shown = shown

    def __rich_console__(self, console: Any, options: Any) -> Iterable[Any]:
        from rich.segment import Segment

        for text, style, control in console.render(self.shown, options):
            yield Segment(text if control else printable(text), style, control)
