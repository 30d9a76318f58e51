"""Rules that leave a dialogue out: each is looked at by itself, no model asked.

The rules are slow to leave a dialogue out: people in distress write short, make mistakes and say things twice.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from compeer_jax.curation.filter.machine_style import machine_like
from compeer_jax.dialogue.schema import Dialogue, Role

ONE_SIDED = 0.92  # share of the characters
LONG_TURN = 20  # letters and digits of a turn that nobody says three times
REPEATS = 0.25  # share of the turns that say again what the same side has said
EMPTY_TALK = 0.5  # share of the turns without a word
CODE = 0.2  # share of the turns with code
FOREIGN = 0.3  # share of the letters of another script
FUNCTION_WORDS = 0.1  # least share of an English talk's words; ESConv's dialogues have 0.23 and more
ENOUGH_WORDS = 40  # to tell the language by them
GARBLED = 0.005  # share of the characters
SOME = 3  # garbled characters that may be there in any talk

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+")
_KANA_OR_HANGUL = re.compile("[\u3040-\u30ff\uac00-\ud7af]+")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")
# Frequent English words that are none of another language in Latin script.
_OWN_WORDS = """the and to of that is you it for on with was are my have but this not so what can your just they at i'm
don't it's about when would know like how think will feel really get want been there were had which she has"""
_IS_OWN = frozenset(_OWN_WORDS.split())
_MOJIBAKE = re.compile(
    "\ufffd|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]"
    "|[ÃÂ][\u00a0-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
    "|â€.|ï»¿|ï¿½|[ä-é][\u00a0-\u00bf\u2013-\u203a\u20ac\u2122\u0152-\u0192]{2}|锟斤拷?|烫烫烫|屯屯屯"
)
# What most talks are written with; without 屯, 烫 and 锟, which are mostly rubbish.
_CLEAN = re.compile("[\t\n\r -~‘’“”…—\u3000-\u303f\u4e00-\u5c6e\u5c70-\u70ea\u70ec-\u951e\u9520-\u9fff\uff00-\uffef]*")
_CODE = re.compile(
    r"^[^\S\n]*(?:def \w+\(|class \w+[(:]|import \w+$|from \w[\w.]* import |#include\b|public (?:static )?\w+ \w+\("
    r"|(?:var|let|const) \w+ =|return .*;|SELECT .+ FROM |\$ (?:sudo|pip|git) |<!DOCTYPE|<\?php)"
    r"|</(?:div|span|p|a|td|tr|li|ul|body|html|script)>|^[^\S\n]*[\w.]+\([^()\n]*\);[^\S\n]*$|^[^\S\n]*[{}];?[^\S\n]*$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Limits:
    """Limits of a dialogue's and of a turn's length; see `FilterConfig`."""

    min_exchanges: int = 2
    max_turn_characters: int = 4000


def why_left_out(dialogue: Dialogue, limits: Limits = Limits()) -> str | None:
    """Why the dialogue is left out, the first reason that holds; None if it stays. Linear time.

    Returns:
        The reason, the same words for the same fault, then perhaps a colon and what is special to the dialogue:
        "too few exchanges: 1", "machine-like, markdown: turn 4".
    """
    return next(_reasons(dialogue, limits), None)


def exchanges(dialogue: Dialogue) -> int:
    """How many of the seeker's turns are followed by the supporter's."""
    roles = [turn.role for turn in dialogue.turns]
    return sum(pair == ("seeker", "supporter") for pair in pairwise(roles))


def _reasons(dialogue: Dialogue, limits: Limits) -> Iterator[str]:
    turns = dialogue.turns
    for number, (before, turn) in enumerate(pairwise(turns), start=2):
        if before.role == turn.role:
            yield f"roles don't alternate: turn {number} is the {turn.role}'s again"
    if exchanges(dialogue) < limits.min_exchanges:
        yield f"too few exchanges: {exchanges(dialogue)}"
    for number, turn in enumerate(turns, start=1):
        if len(turn.content) > limits.max_turn_characters:
            yield f"a turn is too long: turn {number} has {len(turn.content):,} characters"
    text = "\n".join(turn.content for turn in turns)
    garbled = 0 if _CLEAN.fullmatch(text) else _count(_MOJIBAKE, text)
    if garbled >= SOME and garbled > GARBLED * len(text):
        yield f"garbled: {garbled} of {len(text):,} characters"
    if not_a_talk := _not_a_talk(dialogue):
        yield not_a_talk
    if other := _other_language(dialogue, text):
        yield f"not in its language: {other}"
    for role in ("seeker", "supporter"):
        share = sum(len(turn.content) for turn in turns if turn.role == role) / max(len(text), 1)
        if share > ONE_SIDED:
            yield f"mostly one side: the {role} says {share:.0%}"
        if again := _repeats(dialogue, role):
            yield f"repeated turns: {again}"
    for number, turn in enumerate(turns, start=1):
        if sign := machine_like(turn.content, dialogue.language):
            yield f"machine-like, {sign}: turn {number}"


def _not_a_talk(dialogue: Dialogue) -> str | None:
    count = len(dialogue.turns)
    empty = sum(not turn.images and not _LETTERS.search(turn.content) for turn in dialogue.turns)
    if empty > EMPTY_TALK * count:
        return f"not a dialogue, hardly a word: {empty} of {count} turns have none"
    code = sum(bool(_CODE.search(turn.content)) for turn in dialogue.turns)
    if code > CODE * count:
        return f"not a dialogue, code: {code} of {count} turns"
    return None


def _other_language(dialogue: Dialogue, text: str) -> str | None:
    """What the letters or words are, if they are not of the language that the dialogue is said to be in."""
    han, latin, others = (_count(pattern, text) for pattern in (_HAN, _LATIN, _KANA_OR_HANGUL))
    letters = _count(_LETTERS, text)
    if letters < ENOUGH_WORDS:
        return None
    if dialogue.language == "zh":
        # A Latin word has some five letters, a Chinese one two characters.
        foreign = latin / 5 + others / 2 + max(letters - han - latin - others, 0) / 5
        ours = han / 2
        return (
            None if foreign <= FOREIGN * (foreign + ours) else f"{foreign / (foreign + ours):.0%} of it is not Chinese"
        )
    if letters - latin > FOREIGN * letters:
        return f"{(letters - latin) / letters:.0%} of its letters are not Latin"
    words = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    known = sum(word in _IS_OWN for word in words)
    if len(words) >= ENOUGH_WORDS and known < FUNCTION_WORDS * len(words):
        return f"{known} of {len(words):,} words are frequent English ones"
    return None


def _repeats(dialogue: Dialogue, role: Role) -> str | None:
    said = [re.sub(r"[\W_]+", "", turn.content).casefold() for turn in dialogue.turns if turn.role == role]
    counts = Counter(filter(None, said))
    for text, count in counts.items():
        if count > 2 and len(text) >= LONG_TURN:
            return f"the {role} says one thing {count} times"
    again = sum(count - 1 for count in counts.values())
    if again > 1 and again > REPEATS * len(said):
        return f"the {role} says {again} of {len(said)} turns again"
    return None


def _count(pattern: re.Pattern, text: str) -> int:
    """How many characters match."""
    return sum(map(len, pattern.findall(text)))
