"""Masking of what can lead to a person: contacts, numbers, addresses, names as they are given; English and Chinese.

    mask("Write to ann@example.org", "en")  ->  ("Write to [email]", {"email": 1})

It finds what has a form of its own, and names where somebody says "my name is". It does not find names elsewhere,
employers, schools or stories: a text that went through it is not anonymous. Numbers of help lines stay.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from compeer_jax.curation.privacy.contacts import email_spans, url_spans
from compeer_jax.curation.privacy.documents import birthday_spans, id_number_spans, plate_spans
from compeer_jax.curation.privacy.handles import handle_spans
from compeer_jax.curation.privacy.names import name_spans
from compeer_jax.curation.privacy.numbers import Span, phone_spans
from compeer_jax.curation.privacy.places import address_spans, network_address_spans
from compeer_jax.curation.privacy.plain_text import plain
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.dialogue.taxonomy import Language, check_language
from compeer_jax.errors import unknown

_FINDERS: Mapping[str, Callable[[str], Iterator[Span]]] = {  # where two overlap, the upper one has it
    "email": email_spans,
    "url": url_spans,
    "network_address": network_address_spans,
    "id_number": id_number_spans,
    "birthday": birthday_spans,
    "plate": plate_spans,
    "handle": handle_spans,
    "phone": phone_spans,
    "address": address_spans,
    "name": name_spans,
}
KINDS = tuple(_FINDERS)
TOKENS: Mapping[str, Mapping[str, str]] = {
    "en": {kind: f"[{kind.replace('_', ' ')}]" for kind in KINDS},
    "zh": {
        "email": "[邮箱]",
        "url": "[网址]",
        "network_address": "[网络地址]",
        "id_number": "[证件号]",
        "birthday": "[生日]",
        "plate": "[车牌]",
        "handle": "[账号]",
        "phone": "[电话]",
        "address": "[地址]",
        "name": "[姓名]",
    },
}
"""language -> kind -> what stands for it in a masked text."""

_PASSES = 8  # what a mask lays bare is masked in the next pass; real texts need two


def check_kinds(kinds: Collection[str], where: str = "") -> None:
    """Raises UserError for a kind that is none of `KINDS`."""
    for kind in kinds:
        if kind not in KINDS:
            raise unknown("kind of span", kind, KINDS, where)


def mask(text: str, language: Language, kinds: Collection[str] = KINDS) -> tuple[str, dict[str, int]]:
    """The text with a token in place of each span of these kinds, and how many there were of each kind.

    Masking a masked text changes nothing. Linear time.

    Args:
        language: of the tokens; what is found doesn't depend on it.

    Raises:
        UserError: an unknown kind or language.
    """
    check_kinds(kinds)
    tokens = TOKENS[check_language(language)]
    found: Counter[str] = Counter()
    for _ in range(_PASSES):
        read, places = plain(text)
        spans = _spans(read, kinds)
        if not spans:
            break
        pieces, done = [], 0
        for start, end, kind in spans:
            pieces += [text[done : places[start]], tokens[kind]]
            done = places[end - 1] + 1
            found[kind] += 1
        text = "".join([*pieces, text[done:]])
    return text, dict(found)


def mask_dialogue(dialogue: Dialogue, kinds: Collection[str] = KINDS) -> tuple[Dialogue, dict[str, int]]:
    """The dialogue with turns, captions and situation masked, and how many spans of each kind there were."""
    found: Counter[str] = Counter()

    def masked(text: str) -> str:
        text, counts = mask(text, dialogue.language, kinds)
        found.update(counts)
        return text

    turns = tuple(
        replace(turn, content=masked(turn.content), caption=turn.caption and masked(turn.caption))
        for turn in dialogue.turns
    )
    situation = None if dialogue.situation is None else masked(dialogue.situation)
    return replace(dialogue, turns=turns, situation=situation), {kind: found[kind] for kind in KINDS if found[kind]}


def _spans(text: str, kinds: Collection[str]) -> list[tuple[int, int, str]]:
    """(start, end, kind) of what is masked, in the text's order, none within or across another."""
    spans: list[tuple[int, int, str]] = []
    taken = None
    for kind, find in _FINDERS.items():
        for start, end in find(text) if kind in kinds else ():
            if taken is None:
                taken = bytearray(len(text))
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                spans.append((start, end, kind))
    return sorted(spans)
