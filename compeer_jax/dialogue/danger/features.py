"""Features of the danger classifier: counts of its letters and words, its concepts, and pairs of concepts.

Letters alone know only the words they were trained on, and a few thousand sentences hold few of the ways in which
people say that they are in danger. So words of one meaning also stand under one name (`concepts.yaml`), in both
languages: what is learnt from "rope" holds for "noose", and for 绳子.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from zlib import crc32

import numpy as np
from jaxtyping import Int

from compeer_jax.dialogue.danger.kinds import content
from compeer_jax.dialogue.danger.normal import normalised

LETTER_BUCKETS = 1 << 16
"""N-grams of letters and of words share this many places; which one is a hash of what they are."""
LONGEST_LETTERS = 4
PAIR_REACH = 6
"""Two concepts make a pair if the second is at most so many concepts after the first."""

_HAN = "\u3400-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+")
_NO_LETTERS = re.compile(r"[\W_]+")
_LONGEST_WORD = {"han": 8, "latin": 5}  # in tokens: Chinese characters, English words
_SHORTEST_STEM = 3
_SENTENCE = re.compile(r"[^.!?。！？…\n]+[.!?。！？…\n]*")


@dataclass(frozen=True)
class Block:
    """Features of one sort, weighed among themselves: where they start and how many there are."""

    start: int
    size: int

    @property
    def stop(self) -> int:
        return self.start + self.size


@dataclass(frozen=True)
class Concepts:
    """Names, and for each word or stem the numbers of the names it stands under."""

    names: tuple[str, ...]
    words: Mapping[str, tuple[int, ...]]
    stems: Mapping[str, tuple[int, ...]]


@cache
def concepts() -> Concepts:
    """The concepts as shipped, their words folded as texts are."""
    listed = content("concepts.yaml")
    words: dict[str, tuple[int, ...]] = {}
    stems: dict[str, tuple[int, ...]] = {}
    for number, (english, chinese) in enumerate(listed.values()):
        for word in english.split() + normalised(chinese).split():
            known, key = (stems, word[:-1]) if word.endswith("*") else (words, word.replace("_", " "))
            if number not in known.get(key, ()):
                known[key] = (*known.get(key, ()), number)
    return Concepts(tuple(listed), words, stems)


@cache
def blocks() -> tuple[Block, Block, Block]:
    """The places of letters and words, of concepts, of pairs of concepts, one after the other."""
    number = len(concepts().names)
    return (
        Block(0, LETTER_BUCKETS),
        Block(LETTER_BUCKETS, number),
        Block(LETTER_BUCKETS + number, number * number),
    )


def sentences(text: str) -> list[str]:
    """`text` cut after the signs that end a sentence, in order, nothing else left out; one empty one if it is blank."""
    return [found[0].strip() for found in _SENTENCE.finditer(text) if found[0].strip()] or [""]


def features(text: str) -> Int[np.ndarray, " F"]:
    """The places of all features of `text`, once for each time they occur, in time linear in its length."""
    plain = normalised(text)
    tokens = _TOKEN.findall(plain)
    _, concept_block, pair_block = blocks()
    found = np.fromiter(_concepts_in(tokens), np.int64)
    pairs = [
        found[:-reach] * concept_block.size + found[reach:] for reach in range(1, min(PAIR_REACH, len(found) - 1) + 1)
    ]
    return np.concatenate(
        [_letters_and_words(plain, tokens), found + concept_block.start, *(pair + pair_block.start for pair in pairs)]
    )


def _letters_and_words(plain: str, tokens: list[str]) -> Int[np.ndarray, " F"]:
    """Places of n-grams of letters, words' ends among them, and of words alone and in twos, hashed."""
    spaced = f" {_NO_LETTERS.sub(' ', plain).strip()} "
    letters = np.frombuffer(spaced.encode("utf-32-le"), np.uint32)
    words = np.fromiter((crc32(token.encode()) for token in tokens), np.uint32)
    grams = [words, _mixed(words[:-1] * np.uint32(31) + words[1:])]
    gram = np.zeros(len(letters) + 1, np.uint32)
    for length in range(1, min(LONGEST_LETTERS, len(letters)) + 1):
        gram = _mixed(gram[: len(letters) - length + 1] + letters[length - 1 :] + np.uint32(length))
        grams.append(gram)
    return (np.concatenate(grams) % np.uint32(LETTER_BUCKETS)).astype(np.int64)


def _mixed(numbers: Int[np.ndarray, " F"]) -> Int[np.ndarray, " F"]:
    """32-bit numbers spread over all of their bits, equal ones equally (the finish of MurmurHash3)."""
    numbers = (numbers ^ (numbers >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    numbers = (numbers ^ (numbers >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return numbers ^ (numbers >> np.uint32(16))


def _concepts_in(tokens: list[str]) -> Iterator[int]:
    """Numbers of the concepts of `tokens`, in order; of words that start at one place the longest counts."""
    known, at = concepts(), 0
    while at < len(tokens):
        han = tokens[at] >= "\u3400"
        joint = "" if han else " "
        for length in range(min(_LONGEST_WORD["han" if han else "latin"], len(tokens) - at), 0, -1):
            if numbers := known.words.get(joint.join(tokens[at : at + length])):
                break
        else:
            length, numbers = 1, () if han else _by_stem(tokens[at], known)
        yield from numbers
        at += length


def _by_stem(word: str, known: Concepts) -> tuple[int, ...]:
    for length in range(min(len(word), 24), _SHORTEST_STEM - 1, -1):
        if numbers := known.stems.get(word[:length]):
            return numbers
    return ()
