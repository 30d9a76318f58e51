"""What a person at the terminal sees of the log."""

import logging
import os


def show_log() -> None:
    """Shows our own log lines, plainly, and keeps the libraries' chatter down to warnings."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from rich.logging import RichHandler

    handler = RichHandler(show_time=False, show_path=False, show_level=False, markup=False, highlighter=None)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("compeer_jax").setLevel(logging.INFO)
    logging.getLogger("absl").setLevel(logging.ERROR)
