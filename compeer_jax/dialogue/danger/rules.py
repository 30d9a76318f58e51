"""The rules that find danger in one turn: a small grammar over what is meant, not a list of phrases.

`words_en.yaml` and `words_zh.yaml` say which words mean which concept: "wanna" and "想" are both `want`. `rules.yaml`
says which concepts, in which order and how near each other, are which kind of danger: `want ~ kill_self`. A text is
read once, longest phrase first, into a string of one sign a phrase, and the rules are small regular expressions over
it.

A sign of danger inside a longer one, or partly under any other phrase, is read beside it; a phrase that means
something else hides what starts in it.

What a rule finds does not count where it is denied ("I'm not going to"; twice denied it counts: "I can't promise I
won't"), where people in general, a film, the news or a study are meant, or where it is past and over. Whoever says that
it is no joke is believed, whatever joke or everyday thing stands beside it.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from compeer_jax.dialogue.danger.kinds import content
from compeer_jax.dialogue.danger.normal import normalised

WORDS = ("words_en.yaml", "words_zh.yaml")
NEAR, FAR = 5, 12  # words (Chinese: characters) that "~" and "~~" may skip
NEGATION_REACH = 6  # words before what is denied
_TOKEN = re.compile(
    r"(?P<word>[a-z]+|[0-9]+|[\u3400-\u9fff])|(?P<end>[.!?。！？\n;；][.!?。！？\n;；]*)|(?P<pause>[,，、:：()（）\"“”「」—–…/])|\S"
)
_PLAIN, _PAUSE, _END = ".", ",", ";"
_FIRST_SIGN = 0xE000  # private letters: one a set of concepts
_FIRST_HAN = "\u3400"


@dataclass(frozen=True)
class _Rule:
    """One way to say one kind of danger: every part must be there, and none of `unless` in the sentence of any."""

    kind: str
    parts: tuple[re.Pattern, ...]
    needs: tuple[frozenset[str], ...]
    unless: frozenset[str]
    is_far: bool  # a denial may stand inside what it finds


@dataclass(frozen=True)
class _Grammar:
    trie: Mapping
    signs: Mapping[str, str]  # concept -> every sign that means it; a phrase may mean more than one
    meant: Mapping[str, frozenset[str]]  # sign -> the concepts that it means
    inside: frozenset[str]  # signs that are read inside another phrase, too, unless it is one of `hiding`
    hiding: frozenset[str]
    compounds: tuple[tuple[str, re.Pattern, frozenset[str]], ...]  # sign, what it stands for, what that needs
    rules: tuple[_Rule, ...]

    def any_of(self, *names: str) -> frozenset[str]:
        return frozenset("".join(self.signs[name] for name in names))


def rule_kinds(text: str) -> frozenset[str]:
    """The kinds of danger (names of `KINDS`) that the rules find in one turn's text, in time linear in its length."""
    return frozenset(kind for kind, _ in found_rules(text))


def found_rules(text: str) -> Iterator[tuple[str, str]]:
    """Each kind that the rules find in `text`, with the (normalised) words of the first part that say so."""
    grammar = _grammar()
    words, signs = _read(normalised(text), grammar)
    signs = _put_together(signs, grammar.compounds)
    present, known = frozenset(signs), set()
    over = _is_over(signs, grammar)
    for rule in grammar.rules:
        if rule.kind in known or any(need.isdisjoint(present) for need in rule.needs):
            continue
        spans = [_first(part, signs, rule, grammar, over) for part in rule.parts]
        if all(spans):
            known.add(rule.kind)
            yield rule.kind, " ".join(words[slice(*spans[0])])


def _read(text: str, grammar: _Grammar) -> tuple[list[str], str]:
    """The text's phrases, and one sign for each: its concept, a plain word, a pause or the end of a sentence.

    The longest phrase that starts at a word is read, and the next one after its end; but what is said of danger inside
    it or partly under it is read as well, if it means something new. One Chinese character of a longer word is no word.
    """
    tokens = [(found[0], found.lastgroup) for found in _TOKEN.finditer(text)]
    words, signs, known = [], [], frozenset()  # `known`: what the phrases up to `read` mean that lie over each other
    read = whole = hidden = 0  # ends of phrases: of all, of those that are no danger, of those that mean something else
    for at, (token, group) in enumerate(tokens):
        node, to, sign, length = grammar.trie, at, _PLAIN, 1
        while to < len(tokens) and (node := node.get(tokens[to][0])) is not None:
            to += 1
            if "" in node:
                sign, length = node[""], to - at
        meant = grammar.meant.get(sign, frozenset())
        if at < read:
            is_word = length > 1 or (group == "word" and token < _FIRST_HAN)
            if at < hidden or at + length <= whole or not (is_word and sign in grammar.inside) or meant <= known:
                continue
        else:
            known = frozenset()
            if sign == _PLAIN and group in ("end", "pause"):
                sign = _END if group == "end" else _PAUSE
        words.append(token if length == 1 else " ".join(word for word, _ in tokens[at : at + length]))
        signs.append(sign)
        read, known = max(read, at + length), known | meant
        if sign not in grammar.inside:
            whole = max(whole, at + length)
        if sign in grammar.hiding:
            hidden = max(hidden, at + length)
    return words, "".join(signs)


def _put_together(signs: str, compounds: tuple[tuple[str, re.Pattern, frozenset[str]], ...]) -> str:
    """`signs` with the compounds in place of what they are put together of; the rest of their words become plain."""
    for sign, pattern, needs in compounds:
        if all(not need.isdisjoint(signs) for need in needs):
            signs = pattern.sub(lambda found, sign=sign: sign + _PLAIN * (len(found[0]) - 1), signs)
    return signs


def _first(part: re.Pattern, signs: str, rule: _Rule, grammar: _Grammar, over: bool) -> tuple[int, int] | None:
    """Where `part` first stands and counts."""
    for found in part.finditer(signs):
        start, end = found.span()
        if not (over and rule.kind not in _NEVER_OVER) and not _is_excused(start, end, signs, rule, grammar):
            return start, end
    return None


_BLOCKING = ("i", "near", "person", "child", "everyone_else", "generic", "not", "clause")
_OF_ONESELF = ("passive_ideation", "active_ideation", "plan_or_means", "attempt", "self_harm", "harm_to_others")
_NEVER_OVER = ("harm_to_others", "acute_medical", "child_at_risk")


def _is_excused(start: int, end: int, signs: str, rule: _Rule, grammar: _Grammar) -> bool:
    sentence = signs.rfind(_END, 0, start) + 1
    close = signs.find(_END, end)
    around = signs[sentence : len(signs) if close < 0 else close]
    if len(around) > 400:  # no sentence: what is near
        around = signs[max(sentence, start - 200) : end + 200]
        sentence = max(sentence, start - 200)
    is_earnest = not grammar.any_of("earnest").isdisjoint(signs)
    if not (is_earnest or rule.unless.isdisjoint(around)):
        return True
    if _is_denied(signs[max(sentence, start - 12) : start], grammar):
        return True
    if rule.is_far and _is_denied(signs[start : end - 1], grammar):
        return True
    subject = _subject(signs[sentence:end], grammar)
    if subject in grammar.any_of("generic", "thing"):
        return rule.kind in _OF_ONESELF
    if subject in grammar.any_of("i", "near", "child"):
        return not grammar.any_of("quoted").isdisjoint(signs[sentence:start])
    where = signs if subject in grammar.any_of("person") else around
    return not grammar.any_of("report").isdisjoint(where)


def _is_denied(before: str, grammar: _Grammar) -> bool:
    """Whether an odd number of negations reaches what follows `before`; a pause, an "and" or a new "I" stop them."""
    denials, stops = grammar.any_of("not"), grammar.any_of("i", "and", "clause") | {_PAUSE, _END}
    count = skipped = 0
    for sign in reversed(before):
        if sign in denials:
            count, skipped = count + 1, 0
        elif sign in stops or (skipped := skipped + 1) > NEGATION_REACH:
            break
    return count % 2 == 1


def _subject(before: str, grammar: _Grammar) -> str | None:
    """The sign of the nearest somebody or something in the same clause; None if nobody is named."""
    subjects, stops = grammar.any_of("i", "near", "person", "child", "generic", "thing"), {_PAUSE, _END}
    for sign in reversed(before[-20:]):
        if sign in subjects:
            return sign
        if sign in stops:
            return None
    return None


def _is_over(signs: str, grammar: _Grammar) -> bool:
    """Whether the text speaks of what was, and of its having passed, and not of its coming back."""
    return not any(grammar.any_of(name).isdisjoint(signs) for name in ("past", "recovered")) and grammar.any_of(
        "again"
    ).isdisjoint(signs)


@cache
def _grammar() -> _Grammar:
    meant: dict[tuple[str, ...], set[str]] = {}
    for name in WORDS:
        listed = content(name)
        standing_for = {key: phrases for key, phrases in listed.items() if key.isupper()}
        for concept in listed.keys() - standing_for.keys():
            for phrase in listed[concept].split(","):
                for tokens in _spellings(phrase, standing_for):
                    meant.setdefault(tokens, set()).add(concept)
    trie, signs, of_set = {}, {}, {}
    for tokens, concepts in meant.items():
        sign = of_set.setdefault(frozenset(concepts), chr(_FIRST_SIGN + len(of_set)))
        node = trie
        for token in tokens:
            node = node.setdefault(token, {})
        node[""] = sign
    for concepts, sign in of_set.items():
        for concept in concepts:
            signs[concept] = signs.get(concept, "") + sign
    rules = content("rules.yaml")
    blocked = "".join(signs[name] for name in _BLOCKING) + _PAUSE + _END
    gaps = {"~": (blocked, NEAR), "~~": (_END, FAR), **{f"~{most}": (blocked, most) for most in range(1, 10)}}
    for concept in rules["compounds"]:  # a sign of its own, that no phrase has
        of_set["compound", concept] = sign = chr(_FIRST_SIGN + len(of_set))
        signs[concept] = signs.get(concept, "") + sign
    compounds = []
    for concept, lines in rules["compounds"].items():
        for line in lines:
            rule = _rule(concept, line, signs, gaps)
            compounds.append((of_set["compound", concept], rule.parts[0], rule.needs))
    for group, names in rules["groups"].items():
        signs[group] = "".join(signs[name] for name in names.split())
    read = [_rule(kind, line, signs, gaps) for kind, lines in rules["kinds"].items() for line in lines]
    return _Grammar(
        trie,
        signs,
        {sign: concepts for concepts, sign in of_set.items() if isinstance(concepts, frozenset)},
        frozenset(signs["inside"]),
        frozenset(signs["hiding"]),
        tuple(compounds),
        tuple(read),
    )


def _spellings(phrase: str, standing_for: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """The token sequences of a phrase: "a/b" is either, "a?" may be missing, "_" joins the words of an alternative."""
    slots = []
    for slot in phrase.split():
        choices = [standing_for.get(choice, choice) for choice in slot.removesuffix("?").split("/")]
        spelled = "/".join(choices).replace("_", " ").split("/")
        slots.append([tuple(found[0] for found in _TOKEN.finditer(choice)) for choice in spelled])
        if slot.endswith("?"):
            slots[-1].append(())
    for choice in itertools.product(*slots):
        if tokens := tuple(itertools.chain.from_iterable(_as_read(word) for words in choice for word in words)):
            yield tokens


@cache
def _as_read(word: str) -> tuple[str, ...]:
    """A word of the lists as it comes out of a text: "od" is "overdose" there."""
    return tuple(found[0] for found in _TOKEN.finditer(normalised(word)))


def _rule(kind: str, line: str, signs: Mapping[str, str], gaps: Mapping[str, tuple[str, int]]) -> _Rule:
    line, _, unless = line.partition(" unless ")
    parts = [part.split() for part in line.split(" & ")]
    patterns = tuple(re.compile("".join(_piece(piece, signs, gaps) for piece in part)) for part in parts)
    needs = tuple(
        frozenset(_class(piece, signs)) for part in parts for piece in part if piece[0] != "~" and piece[-1] != "?"
    )
    return _Rule(kind, patterns, needs, frozenset("".join(signs[name] for name in unless.split())), "~~" in line)


def _piece(piece: str, signs: Mapping[str, str], gaps: Mapping[str, tuple[str, int]]) -> str:
    if piece in gaps:
        blocked, most = gaps[piece]
        return f"[^{blocked}]{{0,{most}}}?"
    return f"[{_class(piece.removesuffix('?'), signs)}]{'?' if piece.endswith('?') else ''}"


def _class(piece: str, signs: Mapping[str, str]) -> str:
    return "".join(signs[name] for name in piece.removesuffix("?").split("|"))
