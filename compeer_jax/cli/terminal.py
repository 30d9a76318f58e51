"""What a person at the terminal sees of the log."""

import logging
import os
from typing import Any

from compeer_jax.terminal_text import printable


def show_log() -> None:
    """Shows our own log lines, plainly, and keeps the libraries' chatter down to warnings."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from rich.console import Console
    from rich.logging import RichHandler

    handler = RichHandler(
        console=Console(stderr=True, soft_wrap=True),
        show_time=False,
        show_path=False,
        show_level=False,
        markup=False,
        highlighter=None,
    )
    handler.addFilter(_printable)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("compeer_jax").setLevel(logging.INFO)
    logging.getLogger("absl").setLevel(logging.ERROR)


def _printable(record: logging.LogRecord) -> bool:
    """Lets every line through, with nothing in it that a terminal would obey."""
    record.msg, record.args = printable(record.getMessage()), ()
    return True


def wide_console() -> Any:
    """A rich console for tables: as wide as the terminal, or wide enough for them where there is none.

    Names that look like rich's markup, such as `Qwen3 [thinking]`, are shown as they are.
    """
    from rich.console import Console

    console = Console(markup=False)
    return console if console.is_terminal else Console(width=120, markup=False)
