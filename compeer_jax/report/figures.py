"""Style of the project's figures: colours of text, names that hold no formula, and the writing of a PNG."""

from pathlib import Path
from typing import Any

from compeer_jax.errors import UserError
from compeer_jax.files import replacing

INK, FAINT = "#22262b", "#6c737c"
COLOURS = ("#2563a8", "#d9722b", "#2f8f5b", "#a8447f", "#7a6cc4", "#8a8f98")


def escaped(name: str) -> str:
    """A name in which no sign begins a formula."""
    return name.replace("$", r"\$")


def save_figure(figure: Any, path: Path) -> None:
    """Writes a figure as a PNG, replaced at once; UserError if that can't be done."""
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png")
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}.") from error
