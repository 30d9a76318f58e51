"""Tokenisers of metrics that count tokens: which one is a setting, and every table says which it was.

In English tokens are words; in Chinese, which writes no spaces, single characters or jieba's words. All are in lower
case.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from compeer_jax.errors import UserError
from compeer_jax.evaluation.estimates import library

Flavour = Literal["standard", "esconv"]
TokenKind = Literal["auto", "words", "characters", "jieba"]

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Tokens:
    """A way to split a text.

    Attributes:
        kind: "words", "characters" or "jieba".
        note: what a table says of it.
        split: the text's tokens.
    """

    kind: str
    note: str
    split: Callable[[str], list[str]]


def tokens_of(kind: TokenKind, language: str, flavour: Flavour = "standard") -> Tokens:
    """The way to split texts of a language.

    "words" are those of mteval-v13a in the standard flavour, as sacrebleu has them, and NLTK's in ESConv's.
    "characters" takes each Chinese character as a token, and anything else as words of mteval-v13a. "auto" is words in
    English, characters in Chinese. ESConv's script splits Chinese with the rated model's own tokenizer, by which
    two models are never compared on the same tokens; ours does not.

    Raises:
        UserError: words of Chinese, or a library that is not installed.
    """
    if kind == "auto":
        kind = "characters" if language == "zh" else "words"
    if kind == "jieba":
        return Tokens(kind, "jieba's words", _jieba())
    if kind == "characters":
        return Tokens(kind, "Chinese characters, other text by words (sacrebleu's zh)", _sacrebleu("zh"))
    if language == "zh":
        raise UserError("tokens: 'words' are not told apart by spaces in Chinese; take characters or jieba.")
    if flavour == "standard":
        return Tokens(kind, "words and punctuation of mteval-v13a", _sacrebleu("13a"))
    return _nltk_words()


def _sacrebleu(name: str) -> Callable[[str], list[str]]:
    tokenizers = {"13a": "Tokenizer13a", "zh": "TokenizerZh"}
    tokenize = getattr(library(f"sacrebleu.tokenizers.tokenizer_{name}"), tokenizers[name])()
    return lambda text: tokenize(text.lower()).split()


@cache
def _jieba() -> Callable[[str], list[str]]:
    jieba = library("jieba")
    jieba.setLogLevel("WARNING")
    cut = jieba.Tokenizer().lcut
    return lambda text: [word for word in cut(text.lower()) if word.strip()]


def _nltk_words() -> Tokens:
    """NLTK's word_tokenize, as ESConv's script has it; without NLTK's data, sentences are split more simply."""
    nltk = library("nltk")
    try:
        nltk.data.find("tokenizers/punkt_tab/english/")
    except LookupError:
        tokenizer = library("nltk.tokenize").NLTKWordTokenizer()

        def split(text: str) -> list[str]:
            return [word for part in _SENTENCE_END.split(text.lower()) for word in tokenizer.tokenize(part)]

        note = "NLTK's words, sentences split after . ! ? as NLTK's punkt_tab is not installed"
        return Tokens("words", note, split)
    return Tokens("words", "NLTK's words", lambda text: nltk.word_tokenize(text.lower()))
