"""Silver answers: a real reply in slightly other words, and replies that are flawed in a known way."""

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources

import numpy as np
import yaml

from compeer_jax.data.record import Record
from compeer_jax.errors import UserError

FLAWS = ("elsewhere", "elsewhere", "shuffled", "looping", "echo", "cold", "pleading")  # drawn from
LEAST = {"en": 6, "zh": 8}  # words, characters in Chinese; shorter ones fit anywhere and can hardly be garbled

_SENTENCE_END = {"en": re.compile(r"(?<=[.!?])\s+"), "zh": re.compile(r"(?<=[。！？])")}


@functools.cache
def judging_texts(language: str) -> Mapping:
    """The words of `judging.yaml` in `language`."""
    text = resources.files(__package__).joinpath("judging.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)[language]


class Replies:
    """The supporters' replies of a corpus that say something, by language and dialogue, to borrow from."""

    def __init__(self, records: Iterable[Record]):
        self._of: dict[str, dict[str, list[str]]] = {}
        for record in sorted(records, key=lambda record: record.id):
            reply = record.reference.response
            if len(split_words(reply, record.language)) >= LEAST[record.language]:
                self._of.setdefault(record.language, {}).setdefault(dialogue_id(record), []).append(reply)
        self._dialogues = {language: sorted(dialogues) for language, dialogues in self._of.items()}

    def elsewhere(self, record: Record, generator: np.random.Generator) -> str:
        """A reply of another dialogue in the record's language; UserError when there is none."""
        for dialogue in _in_random_order(self._dialogues.get(record.language, ()), generator):
            replies = [text for text in self._of[record.language][dialogue] if text != record.reference.response]
            if dialogue != dialogue_id(record) and replies:
                return _choose(replies, generator)
        raise UserError(
            f"{record.id}: silver judge records borrow replies of other dialogues in the same language, and there is "
            f"none ({record.language}); give more dialogues."
        )


def flawed_answer(
    record: Record, generator: np.random.Generator, replies: Replies, but: Sequence[str] = ()
) -> tuple[str, str]:
    """A bad answer to the record's talk, none of `but`, and its flaw, one of `FLAWS`.

    - elsewhere: a good reply to somebody else;
    - shuffled: the words of a reply out of order;
    - looping: a reply that says the same few words again and again;
    - echo: what either side has said before;
    - cold: something that no supporter should say;
    - pleading: a reply, maybe the real one, that asks the judge to prefer it.
    """
    for flaw in generator.permutation(FLAWS):
        text = _FLAWED[flaw](record, generator, replies)
        if text is not None and text not in (*but, record.reference.response):
            return text, str(flaw)
    raise UserError(f"{record.id}: no flawed answer can be made from it; leave the record out.")


def light_variant(text: str, language: str, generator: np.random.Generator) -> str:
    """`text` so that it says much the same: phrases in another form, a few words around it, a short sentence less."""
    texts = judging_texts(language)
    sentences = [sentence for sentence in _SENTENCE_END[language].split(text) if sentence.strip()]
    shorten = len(sentences) > 1 and generator.random() < 0.5
    if shorten:
        sentences.remove(min(sentences, key=len))
    space = " " if language == "en" else ""
    varied = functools.reduce(_swap, texts["swaps"], space.join(sentences))
    if shorten and generator.random() < 0.5:
        return varied
    if generator.random() < 0.5:
        return _choose(texts["openers"], generator) + space + varied
    return varied + space + _choose(texts["closers"], generator)


def garble(text: str, language: str, generator: np.random.Generator, *, loop: bool) -> str | None:
    """`text` without sense: its words out of order, or a few of them in a loop. None if it is too short for that."""
    words = split_words(text, language)
    if len(set(words)) < LEAST[language]:
        return None
    if loop:
        size = int(generator.integers(1, 4)) if language == "en" else int(generator.integers(2, 6))
        start = int(generator.integers(len(words) - size))
        times = max(3, (len(words) - start) // size)
        garbled = words[:start] + words[start : start + size] * times
    else:
        order = generator.permutation(len(words))
        garbled = [words[place] for place in order]
    result = join_words(garbled, language)
    return None if result == join_words(words, language) else result


def plead(text: str, language: str, generator: np.random.Generator) -> str:
    """`text`, and a sentence that asks the judge for a good verdict before or after it."""
    sentences = [text, _choose(judging_texts(language)["pleas"], generator)]
    return join_words(sentences if generator.random() < 0.5 else sentences[::-1], language)


def split_words(text: str, language: str) -> list[str]:
    """Words between spaces; in Chinese each character."""
    return text.split() if language == "en" else [character for character in text if not character.isspace()]


def join_words(words: Sequence[str], language: str) -> str:
    """The text of words."""
    return (" " if language == "en" else "").join(words)


def dialogue_id(record: Record) -> str:
    """The dialogue that a record is from."""
    return record.id.rpartition("#")[0]


def _garbled(record: Record, generator: np.random.Generator, replies: Replies, loop: bool) -> str | None:
    own = garble(record.reference.response, record.language, generator, loop=loop)
    return own or garble(replies.elsewhere(record, generator), record.language, generator, loop=loop)


def _echo(record: Record, generator: np.random.Generator, replies: Replies) -> str | None:
    """The seeker's last turn, or another one when that is short."""
    said = [turn.content for turn in reversed(record.history)]
    long = [text for text in said if len(split_words(text, record.language)) >= LEAST[record.language]]
    if not long:
        return None
    return long[0] if generator.random() < 0.5 else _choose(long, generator)


def _cold(record: Record, generator: np.random.Generator, replies: Replies) -> str:
    return _choose(judging_texts(record.language)["cold"], generator)


def _pleading(record: Record, generator: np.random.Generator, replies: Replies) -> str:
    real = generator.random() < 0.5
    return plead(
        record.reference.response if real else replies.elsewhere(record, generator), record.language, generator
    )


_FLAWED: Mapping[str, Callable[[Record, np.random.Generator, Replies], str | None]] = {
    "elsewhere": lambda record, generator, replies: replies.elsewhere(record, generator),
    "shuffled": functools.partial(_garbled, loop=False),
    "looping": functools.partial(_garbled, loop=True),
    "echo": _echo,
    "cold": _cold,
    "pleading": _pleading,
}


def _swap(text: str, pair: Sequence[str]) -> str:
    """`text` with one phrase of the pair in place of the other, whichever is there."""
    for old, new in (pair, pair[::-1]):
        pattern = rf"\b{re.escape(old)}\b" if old.isascii() else re.escape(old)
        if re.search(pattern, text):
            return re.sub(pattern, new, text)
    return text


def _choose(options: Sequence[str], generator: np.random.Generator) -> str:
    return options[int(generator.integers(len(options)))]


def _in_random_order(options: Sequence[str], generator: np.random.Generator) -> Iterable[str]:
    """The options from a random one on, round."""
    start = int(generator.integers(len(options))) if options else 0
    return (options[(start + step) % len(options)] for step in range(len(options)))
