"""What a person at the terminal sees of the log."""

import logging
import os
from typing import Any

from compeer_jax.report.terminal_text import safe_console


def show_log() -> None:
    """Shows our own log lines, plainly, and keeps the libraries' chatter down to warnings."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from rich.logging import RichHandler

    handler = RichHandler(
        console=safe_console(stderr=True, soft_wrap=True),
        show_time=False,
        show_path=False,
        show_level=False,
        markup=False,
        highlighter=None,
    )
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("compeer_jax").setLevel(logging.INFO)
    logging.getLogger("absl").setLevel(logging.ERROR)


def wide_console() -> Any:
    """A console for tables: as wide as the terminal, or wide enough for them where there is none."""
    console = safe_console()
    return console if console.is_terminal else safe_console(width=120)
