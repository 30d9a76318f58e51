"""Whether two chat models are one: a model that judges finds its own words good, so its own are not shown to it.

A model is known by what it is, not by what the settings call it: by its name at the server or that of its directory,
without owner and case ("Qwen/Qwen2.5-7B-Instruct" at one server is "qwen2.5-7b-instruct" at another), or by the
contents of its directory. Several sizes or versions of a family are several models.
"""

from collections.abc import Iterable, Mapping
from typing import Any

_ANY = ("", "model", "checkpoint", "latest", "export", "exported", "merged")  # directories that are called alike


def identities(settings: Mapping[str, Any], nickname: str) -> frozenset[str]:
    """What a chat model can be known by.

    Args:
        settings: of the model, as its answers' provenance has them: "model" its name, "weights" its fingerprint.
        nickname: what the settings call it; counts where they say nothing else.
    """
    found = set()
    parts = str(settings.get("model") or "").casefold().rstrip("/").split("/")
    if parts[-1] not in _ANY:
        found.add(f"name {parts[-1]}")
    elif len(parts) > 1:
        found.add(f"name {'/'.join(parts[-2:])}")
    if settings.get("weights"):
        found.add(f"weights {settings['weights']}")
    return frozenset(found or {f"nickname {nickname.casefold()}"})


def written_by(judge: frozenset[str], authors: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Which of the authors, by nickname, the judge is."""
    return frozenset(name for name, known in authors.items() if known & judge)


def too_few(authors: Iterable[str], own: Mapping[str, frozenset[str]], annotators: int) -> list[str]:
    """The authors whose candidates fewer than `annotators` models may judge, where there would be enough of them.

    Args:
        authors: nicknames of the candidates' models.
        own: judge -> authors that it is.
        annotators: how many votes an item needs.
    """
    others = {author: sum(author not in is_it for is_it in own.values()) for author in authors}
    return [author for author, count in others.items() if count < annotators <= len(own)]
