"""Which language a talk is in, by its letters and words."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.dialogue.language import language_of

TALKS = {
    "en": ["I lost my job and cannot sleep. | That is hard. What keeps you awake?", "Hi | Hello", "Why? | Because."],
    "zh": ["我失业了，很难受。 | 这一定很不容易。", "我失業了。 | 怎麼了？", "我感觉很down，想 quit my job | 说说看？"],
    "German": ["Ich habe meine Arbeit verloren. | Das ist schwer."],
    "French": ["J'ai perdu mon travail et je ne dors pas. | C'est dur."],
    "Spanish": ["Perdí mi trabajo y no puedo dormir. | Eso es muy duro."],
    "Portuguese": ["Perdi o meu emprego e não consigo dormir. | Isso é muito difícil para você."],
    "Italian": ["Ho perso il lavoro e non riesco a dormire. | Mi dispiace molto."],
    "Dutch": ["Ik ben mijn baan kwijt en ik slaap niet. | Dat is zwaar."],
    "Indonesian or Malay": ["Saya kehilangan pekerjaan saya. | Itu pasti berat."],
    "Vietnamese": ["Tôi mất việc và không ngủ được. | Điều đó rất khó khăn với bạn."],
    "Turkish": ["İşimi kaybettim ve çok üzgünüm. | Bu senin için zor."],
    "Telugu": ["నా ఉద్యోగం పోయింది. | అది కష్టం.", "Job పోయింది. నాకు చాలా బాధగా ఉంది | అది కష్టం"],
    "Devanagari": ["मेरी नौकरी चली गई। | यह कठिन है।"],
    "Cyrillic": ["Я потерял работу. | Это тяжело."],
    "Japanese": ["仕事を失いました。 | それは大変でしたね。"],
    "Korean": ["직장을 잃었어요. | 많이 힘드시겠어요."],
    "a language in Latin letters that is not English": [
        "mujhe bahut bura lag raha hai aaj kal kuch bhi accha nahi lagta | mere dost bhi mujhse baat nahi karte"
    ],
}


@pytest.mark.parametrize("language, talk", [(name, talk) for name, talks in TALKS.items() for talk in talks])
def test_languages_are_told_by_letters_and_words(language, talk):
    assert language_of(talk.split(" | ")) == language


def test_real_talks_are_in_their_language(shared_data):
    esconv = json.loads((shared_data / "esconv" / "ESConv.json").read_text(encoding="utf-8"))
    talks = [[one["content"] for one in row["dialog"]] for row in esconv]
    assert {language_of(talk) for talk in talks} == {"en"}
    # Two utterances are little to go by.
    pairs = [talk[start : start + 2] for talk in talks for start in range(0, len(talk) - 1, 8)]
    assert sum(language_of(pair) != "en" for pair in pairs) <= len(pairs) // 10_000
    smile = (shared_data / "smile" / "smile_300.jsonl").read_text(encoding="utf-8").splitlines()
    chinese = [[one["content"] for one in json.loads(line)["dialog"]] for line in smile]
    chinese += [
        json.loads(file.read_text(encoding="utf-8")) for file in shared_data.glob("cpsycoun/CPsyCounE/*/*.json")
    ]
    assert len(chinese) == 345
    assert {language_of(talk) for talk in chinese} == {"zh"}


@given(st.lists(st.text()))
def test_any_text_has_some_language(texts):
    assert language_of(texts)


def test_long_texts_take_little_time():
    began = time.process_time()
    for text in ("a'" * 500_000, "я" * 10**6, "x" * 10**6, "'" * 10**6, "".join(map(chr, range(0x20, 0xD800)))):
        language_of([text])
    assert time.process_time() - began < 10
