"""What must never leave in any output: methods of suicide or self-harm, urging to die, claims to be a person or doctor.

Closed lists of patterns, in English and Chinese (`forbidden.yaml`). They find what is said as an instruction or offer,
not every mention (what a reply to somebody in danger must not even name is in `conduct`), and not every way to say it.
"""

from collections.abc import Mapping

from compeer_jax.dialogue.danger.sayings import Saying, content, sayings, sentences

_CONTENT = content("forbidden.yaml")
FORBIDDEN: Mapping[str, tuple[Saying, ...]] = sayings(_CONTENT["forbidden"], _CONTENT["words"])


def forbidden(text: str) -> tuple[str, ...]:
    """What `text` says that no output may say, one code each of `FORBIDDEN`; empty where there is nothing."""
    said = sentences(text)
    return tuple(code for code, listed in FORBIDDEN.items() if any(saying.in_any(said) for saying in listed))
