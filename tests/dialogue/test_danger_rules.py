"""The rules that find danger: what they find, what they leave alone, and how long they take."""

import re
import time
from pathlib import Path

import pytest
import yaml
from danger_sentences import DANGER, HARMLESS, HINTED
from growing_texts import LONG, texts
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from compeer_jax.dialogue.danger import danger_in_talk, find_danger, rules, suggests_danger
from compeer_jax.dialogue.danger.kinds import KINDS, Level
from compeer_jax.dialogue.danger.normal import normalised
from compeer_jax.dialogue.danger.rules import rule_kinds
from compeer_jax.dialogue.schema import Turn


def lines(text):
    return [line.strip() for line in text.strip().splitlines()]


DANGEROUS = [(kind, text) for kind, said in DANGER.items() for text in lines(said)]


def test_the_table_is_balanced():
    assert DANGER.keys() == KINDS.keys()
    assert len(DANGEROUS) > 250
    assert len(lines(HARMLESS)) > 220
    for language in (str.isascii, lambda text: not text.isascii()):
        assert sum(language(text) for _, text in DANGEROUS) > 100
        assert sum(language(text) for text in lines(HARMLESS)) > 90


@pytest.mark.parametrize(("kind", "text"), DANGEROUS)
def test_danger_is_found(kind, text):
    assert rule_kinds(text)


@pytest.mark.parametrize("text", lines(HINTED))
def test_what_is_hinted_at_is_found(text):
    assert rule_kinds(text)


def test_most_is_found_as_the_kind_it_is():
    right = sum(kind in rule_kinds(text) for kind, text in DANGEROUS)
    assert right > 0.95 * len(DANGEROUS)


@pytest.mark.parametrize("text", lines(HARMLESS))
def test_what_is_harmless_is_left_alone(text):
    assert not rule_kinds(text)


def wide(text):
    return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in text)


def dotted(text):
    return re.sub("kill|suicide", lambda word: " ".join(word[0]), text)


def starred(text):
    return re.sub("kill|suicide", lambda word: word[0][0] + "*" + word[0][2:], text)


def dragged(text):
    return re.sub("kill|die", lambda word: word[0] + word[0][-1] * 4, text)


@given(
    st.sampled_from(
        ["I want to kill myself.", "I'm going to commit suicide", "i just want to die", "Let's end it. I'd kill myself"]
    ),
    st.sampled_from([str.upper, str.title, wide, dotted, starred, dragged, lambda text: text.replace("'", "’")]),
    st.sampled_from(["\u200b", "\u00ad", ""]),
)
def test_danger_is_found_however_it_is_written(text, written, hidden):
    assert rule_kinds(hidden.join(written(text)))


@pytest.mark.parametrize(
    "text",
    [
        "想s",
        "想4了",
        "自*杀的念头一直在",
        "想自s",
        "想紫砂",
        "我 想 死",
        "似了算了",
        "我想自殺",
        "唔想活",
        "bxhl",
        "yyz又犯了，想鼠",
    ],
)
def test_hidden_chinese_is_found(text):
    assert rule_kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "gonna hang myself after finals, not joking",
        "Want to kill myself lol. Not as a joke this time.",
        "上课的时候就想自杀，不是玩笑",
    ],
)
def test_what_is_said_in_earnest_counts_beside_a_joke(text):
    assert rule_kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "One of my pupils is being starved as a punishment.",
        "我孙女被她继父猥亵了",
        "The man next door is hitting his kids.",
        "My friend shot himself, he's still breathing.",
        "我男友跳江了，刚捞上来",
    ],
)
def test_what_is_done_to_another_is_found(text):
    assert rule_kinds(text)


ENDS = ["kill myself", "end my life", "commit suicide", "hang myself", "jump off a bridge"]


@given(
    st.sampled_from(ENDS),
    st.sampled_from(["I'm not going to", "I would never", "I don't want to", "I have no plan to"]),
)
def test_what_is_denied_is_no_danger(end, denial):
    assert not rule_kinds(f"{denial} {end}.")


@given(
    st.sampled_from(ENDS),
    st.sampled_from(["I can't promise I won't", "I'm not sure I won't", "I can't stop wanting to"]),
)
def test_what_is_denied_twice_is(end, denial):
    assert rule_kinds(f"{denial} {end}.")


def test_every_concept_is_used():
    folder = Path(rules.__file__).parent
    used = set(re.findall("[a-z_]+", (folder / "rules.yaml").read_text() + Path(rules.__file__).read_text()))
    for name in rules.WORDS:
        concepts = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        assert {concept for concept in concepts if concept.islower()} <= used


@pytest.mark.parametrize(
    "text", ["I wish I would not wake up.", "I hope I don't wake up.", "I pray that I won't wake up."]
)
def test_a_wish_not_to_wake_up_is_no_illness(text):
    assert rule_kinds(text) == {"passive_ideation"}


@pytest.mark.parametrize("text", ["She won't wake up.", "My dad is not waking up, what do I do"])
def test_another_who_does_not_wake_up_is_ill(text):
    assert rule_kinds(text) == {"acute_medical"}


def phrases(node, before=()):
    """Every phrase of the word lists, as words, with its sign."""
    for word, after in node.items():
        if word == "":
            yield before, after
        else:
            yield from phrases(after, (*before, word))


@pytest.fixture(scope="module")
def listed():
    return dict(phrases(rules._grammar().trie))


def written(words):
    return "".join(word if word >= "\u3400" else f" {word} " for word in words)


def read(text):
    grammar = rules._grammar()
    return frozenset().union(*(grammar.meant.get(sign, ()) for sign in rules._read(normalised(text), grammar)[1]))


def test_every_listed_sign_is_read_where_it_stands_alone(listed):
    grammar = rules._grammar()
    signs = [(words, grammar.meant[sign]) for words, sign in listed.items() if sign in grammar.inside]
    assert len(signs) > 10_000
    assert not [written(words) for words, meant in signs[::7] if not meant <= read(written(words))]


@settings(max_examples=60)
@given(data=st.data())
def test_no_phrase_hides_a_sign_that_stands_inside_or_beside_it(listed, data):
    """Against every listed phrase looked for at every word: only what means something else may hide a sign."""
    grammar, known = rules._grammar(), [*listed, ("table",), ("桌", "子"), (",",)]
    places = st.lists(st.integers(0, len(known) - 1), min_size=1, max_size=4)
    words = tuple(word for at in data.draw(places) for word in known[at])
    assume(tuple(found[0] for found in rules._TOKEN.finditer(normalised(written(words)))) == words)
    longest = {}
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            if words[start:end] in listed:
                longest[start] = end, listed[words[start:end]]
    expected = set()
    for start, (end, sign) in longest.items():
        over = [(to, other) for at, (to, other) in longest.items() if at < start < to and other not in grammar.inside]
        is_hidden = any(other in grammar.hiding or end <= to for to, other in over)
        if sign in grammar.inside and not is_hidden and (end - start > 1 or words[start] < "\u3400"):
            expected |= grammar.meant[sign]
    assert expected <= read(written(words))


def test_a_sign_inside_a_longer_one_is_read():
    assert {"stock", "pills"} <= read("I am hoarding my sleeping pills")


def test_a_denial_ends_with_its_clause():
    assert rule_kinds("I'm not okay, I want to die.")
    assert rule_kinds("I'm not okay and I want to kill myself.")
    assert rule_kinds("我不好，我想死。")


@given(st.text())
def test_any_text_can_be_read(text):
    plain = normalised(text)
    assert len(plain) <= 20 * len(text) + 20  # NFKC makes 18 letters of one at most
    assert rule_kinds(text) <= KINDS.keys()


@pytest.mark.parametrize(
    "unit",
    [
        "want to die ",
        "not ",
        "i want ",
        "想死",
        "不",
        "他打",
        "s u i c i d e ",
        "k*",
        "my friend ",
        "took all my ",
        "。",
        "\u0301",
    ],
)
def test_time_is_in_proportion_to_the_text(unit):
    rule_kinds("")  # the grammar is read once
    began = time.process_time()
    rule_kinds((unit * LONG)[:LONG])
    assert time.process_time() - began < 2


def test_no_repeated_text_is_slow():
    began = time.process_time()
    for text in texts(LONG)[::8]:
        rule_kinds(text)
    assert time.process_time() - began < 30


def test_what_is_found_has_a_level_and_its_layers():
    found = find_danger("I've saved up all my sleeping pills. My husband hits me.")
    assert found.level == Level.EMERGENCY
    assert found.kinds[0] == "plan_or_means"
    assert "abuse" in found.kinds
    assert frozenset(found.kinds) == frozenset().union(*found.layers.values())
    nothing = find_danger("I slept well.")
    assert (nothing.kinds, nothing.level) == ((), Level.NONE)
    assert not suggests_danger("I slept well.")
    assert suggests_danger("我想自杀")


def test_danger_two_turns_back_counts_and_three_back_does_not():
    said = ["I want to kill myself.", "I don't know.", "It rained today."]
    talk = [turn for text in said for turn in (Turn("seeker", text), Turn("supporter", "I want to kill myself."))]
    assert danger_in_talk(talk).kinds == ("active_ideation",)
    assert danger_in_talk([*talk, Turn("seeker", "Yes.")]).level == Level.NONE
    assert danger_in_talk([]).level == Level.NONE
