"""Words that are withheld from every output: methods of suicide or self-harm, urging to die, claims to be a person.

Closed lists of patterns, in English and Chinese (`forbidden.yaml`). They find what is said as an instruction or offer,
not every mention (what a reply to somebody in danger must not even name is in `conduct`), and not every way to say it.
Only words of a supporter or a model are searched: a seeker's are evidence, and stay whatever they say.
"""

import hashlib
from collections.abc import Iterable, Mapping
from importlib import resources

from compeer_jax.dialogue.danger.kinds import content
from compeer_jax.dialogue.danger.sayings import Saying, sayings, sentences
from compeer_jax.dialogue.schema import Turn

_CONTENT = content("forbidden.yaml")
FORBIDDEN: Mapping[str, tuple[Saying, ...]] = sayings(_CONTENT["forbidden"], _CONTENT["words"])

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


def forbidden(text: str) -> tuple[str, ...]:
    """What `text` says that no output may say, one code each of `FORBIDDEN`; empty where there is nothing."""
    said = sentences(text)
    return tuple(code for code, listed in FORBIDDEN.items() if any(saying.in_any(said) for saying in listed))


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
