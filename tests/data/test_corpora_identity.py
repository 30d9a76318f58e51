"""What a corpus is: never settled by the form of a file, but by the user, its publisher or its words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.data.corpora import Rejected, iter_corpus, read_corpus
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.corpora.forms import CORPORA, FORMS
from compeer_jax.data.corpora.identity import fingerprint, known_corpus, settled
from compeer_jax.data.corpora.licences import is_allowed, published_at, published_licence
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.errors import UserError

SAID = {
    "en": ("I lost my job and told nobody.", "That is hard. Who could you tell?"),
    "zh": ("我失业了，没告诉任何人。", "这一定很不容易。你想跟谁说？"),
}


def own_words(form, seeker, supporter):
    """A row of the form with these words."""
    chat = [{"role": "user", "content": seeker}, {"role": "assistant", "content": supporter}]
    speakers = [{"speaker": "seeker", "content": seeker}, {"speaker": "supporter", "content": supporter}]
    rows = {
        "avamerg": {"turns": [{"dialogue_history": [{"role": "speaker", "utterance": seeker}], "response": supporter}]},
        "mesc": {"dialog": [one | {"emotion": "sadness"} for one in speakers]},
        "esconv": {"emotion_type": "sadness", "dialog": speakers},
        "exchanges": {"conversation": [{"system": "s", "input": seeker, "output": supporter}]},
        "extes": {"content": [{"User": seeker}, {"AI": supporter}]},
        "messages": {"dialog": chat},
        "instructions": {"instruction": seeker, "input": "", "output": supporter},
        "replies": {"Context": seeker, "Response": supporter},
        "transcript": [f"来访者：{seeker}", f"咨询师：{supporter}"],
        "pairs": [["usr", seeker], ["sys", supporter]],
    }
    return rows[form]


def write(path, *rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path, **settings):
    return list(iter_corpus(CorpusConfig(path=str(path), **settings)))


@pytest.mark.parametrize("language", SAID)
@pytest.mark.parametrize("form", sorted(FORMS.keys() - {"own"}))
def test_a_form_settles_nothing(tmp_path, form, language):
    path = write(tmp_path / "clinic.jsonl", own_words(form, *SAID[language]))
    (dialogue,) = read(path)
    assert dialogue.provenance[-1]["form"] == form
    assert (dialogue.source, dialogue.licence, dialogue.language) == ("clinic", "unknown", language)
    assert not is_allowed(dialogue.licence, "commercial")
    assert not is_allowed(dialogue.licence, "research")
    (strict,), report = read_corpus(path)
    assert (strict.source, strict.licence, strict.language) == ("clinic", "unknown", language)
    assert (strict.id, report.source) == ("clinic-0000", "clinic")


@given(st.text(), st.text(), st.sampled_from(sorted(FORMS.keys() - {"own"})))
def test_no_words_of_ones_own_are_a_published_corpus(seeker, supporter, form):
    try:
        draft = FORMS[form].read(own_words(form, seeker, supporter), "here")
        about = settled(draft.turns, draft.fields, FORMS[form], data_set="", name="mine", given={}, where="here")
    except UserError:
        return
    assert (about["source"], about["licence"]) == ("mine", "unknown")


@pytest.mark.parametrize("form", sorted(FORMS.keys() - {"own"}))
def test_a_third_language_is_said_in_one_sentence(tmp_path, form):
    path = write(tmp_path / "other.jsonl", own_words(form, "నా ఉద్యోగం పోయింది.", "అది కష్టం."))
    (item,) = read(path)
    assert isinstance(item, Rejected)
    assert item.reason.startswith("other language: in another language (Telugu); dialogues are read in English and")
    with pytest.raises(UserError, match=r"other\.jsonl, line 1: in another language \(Telugu\)"):
        read_corpus(path)
    (named,) = read(path, language="en")
    assert named.language == "en"


def test_real_dialogues_are_known_by_their_words_in_any_form(tmp_path, shared_data):
    (real, *_), _ = read_corpus(shared_data / "esconv" / "ESConv.json")
    chat = [{"role": "user" if turn.role == "seeker" else "assistant", "content": turn.content} for turn in real.turns]
    path = write(tmp_path / "chats.jsonl", {"messages": chat}, {"messages": chat[:-1]})
    whole, less = read(path)
    assert (whole.source, whole.licence) == ("esconv", "CC BY-NC 4.0")
    assert (less.source, less.licence) == ("chats", "unknown")
    (renamed, _) = read(path, name="ours")
    assert (renamed.source, renamed.licence) == ("ours", "CC BY-NC 4.0")
    assert known_corpus(real.turns) == "esconv"
    assert known_corpus([Turn("seeker", "Hello")]) is None


@given(st.lists(st.text(min_size=1), min_size=1), st.data())
def test_a_fingerprint_is_of_letters_and_digits(texts, data):
    spaced = ["  ".join(text) + data.draw(st.sampled_from(["", " ", "\n", "。", "!?"])) for text in texts]
    assert fingerprint(spaced) == fingerprint(["".join(texts)])
    assert fingerprint([*texts, "x"]) != fingerprint(texts)


def test_what_authors_publish_on_the_hub_is_theirs():
    assert published_at("thu-coai/esconv") == published_at("Thu-Coai/ESConv:default") == "esconv"
    assert [published_at(path) for path in ("someone/esconv", "", "-", "sample")] == [None] * 4
    turns = (Turn("seeker", SAID["en"][0]), Turn("supporter", SAID["en"][1]))
    about = settled(turns, {}, FORMS["esconv"], data_set="thu-coai/esconv", name="esconv", given={}, where="here")
    assert about == {"source": "esconv", "licence": "CC BY-NC 4.0", "language": "en"}


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_named_corpus_has_its_licence_and_its_language(tmp_path, corpus):
    form = {"smile": "messages", "soulchat": "messages", "emollm": "exchanges"}.get(corpus, corpus)
    form = {"cpsycoun": "transcript", "augesc": "pairs"}.get(form, form)
    language, other = ("zh", "en") if CORPORA[corpus].language == "zh" else ("en", "zh")
    path = write(tmp_path / "a.jsonl", own_words(form, *SAID[language]), own_words(form, *SAID[other]))
    dialogue, refused = read(path, form=corpus)
    assert (dialogue.source, dialogue.licence) == (corpus, published_licence(corpus))
    assert refused.reason.startswith(f"other language: its language is '{other}' and that of {corpus} '{language}'")
    ours = read(path, form=corpus, name="clinic", language=language)
    assert [(one.source, one.licence) for one in ours] == [("clinic", "unknown")] * 2
    said = read(path, form=corpus, licence="my own", limit=1)
    assert [one.licence for one in said] == ["my own"]
    assert all(isinstance(one, Dialogue) for one in [*ours, *said])
