"""What is not shown and not handed on: words of a supporter or a model that no output may say, see `forbidden`.

A seeker's words are evidence, and are kept whatever they say.
"""

import hashlib
from collections.abc import Iterable
from importlib import resources

from compeer_jax.dialogue.danger.forbidden import FORBIDDEN, forbidden
from compeer_jax.dialogue.schema import Turn

SAYS = {
    "method": "names a method",
    "urges_death": "urges to die",
    "claims_person": "claims to be a person",
    "claims_professional": "claims to be a professional",
}
"""Code of `FORBIDDEN` -> what a text of it does."""

WITHHELD = "withheld"
VERSION = hashlib.sha256(resources.files(__package__).joinpath("forbidden.yaml").read_bytes()).hexdigest()[:12]
"""Of the lists that decide."""


def why_withheld(*texts: str, turns: Iterable[Turn] = ()) -> str | None:
    """Why something is left out: "withheld (names a method)"; None where nothing is wrong with it.

    Args:
        texts: of a supporter or a model.
        turns: of a talk; the seeker's don't count.
    """
    texts = (*texts, *(turn.content for turn in turns if turn.role == "supporter"))
    found = {code for text in texts for code in forbidden(text)}
    said = [SAYS[code] for code in FORBIDDEN if code in found]
    return f"{WITHHELD} ({', '.join(said)})" if said else None


def shown(text: str, place: str) -> str:
    """`text`, of a supporter or a model; where it says what no output may say, a note with the `place` that has it."""
    why = why_withheld(text)
    return text if why is None else f"[{why}: {place}]"
