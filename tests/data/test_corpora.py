"""Corpora in all forms: what each row becomes, and what is said of rows that can't be read."""

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compeer_jax.data.corpora import Rejected, iter_corpus, merged, read_corpus
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.corpora.forms import CORPORA, FORMS
from compeer_jax.data.corpora.licences import is_allowed, licence_class, published_licence
from compeer_jax.data.corpora.published import nearest_strategy
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.dialogue.taxonomy import STRATEGIES
from compeer_jax.errors import UserError

SEEKER, SUPPORTER = Turn("seeker", "I failed."), Turn("supporter", "That hurts.")
TALK = [{"role": "seeker", "content": "I failed."}, {"role": "supporter", "content": "That hurts."}]
CHAT = [
    {"role": "system", "content": "You are kind."},
    {"role": "user", "content": "I failed."},
    {"role": "assistant", "content": "That hurts."},
]
OWN = {"id": "a", "language": "en", "source": "mine", "licence": "MIT", "turns": TALK}


def write(path, value, *, lines=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, str | bytes):
        path.write_bytes(value if isinstance(value, bytes) else value.encode())
    else:
        text = "\n".join(map(json.dumps, value)) if lines else json.dumps(value, indent=1)
        path.write_text(text, encoding="utf-8")
    return path


def read(path, **settings):
    return list(iter_corpus(CorpusConfig(path=str(path), **settings)))


@pytest.mark.parametrize(
    "row, form, fields",
    [
        (OWN, "own", {"id": "mine-a", "source": "mine", "licence": "MIT"}),
        (
            {
                "emotion_type": "Anxiety",
                "dialog": [{"speaker": "usr", "text": "I failed."}, {"speaker": "sys", "text": "That hurts."}],
            },
            "esconv",
            {"id": "rows-0001", "emotion_type": "anxiety", "licence": "unknown"},
        ),
        ({"id": 7, "dialog": TALK}, "messages", {"id": "rows-7"}),
        ({"turns": CHAT}, "messages", {"id": "rows-0001"}),
        ({"id": 7, "messages": CHAT}, "messages", {"id": "rows-7", "language": "en", "licence": "unknown"}),
        (
            {"conversations": [{"from": "human", "value": "I failed."}, {"from": "gpt", "value": "That hurts."}]},
            "messages",
            {"id": "rows-0001"},
        ),
        (
            {"conversation": [{"system": "Be kind.", "input": "I failed.", "output": "That hurts."}]},
            "exchanges",
            {"id": "rows-0001"},
        ),
        ({"instruction": "I failed.", "input": "", "output": "That hurts."}, "instructions", {"id": "rows-0001"}),
        ({"Context": "I failed.", "Response": "That hurts."}, "replies", {"id": "rows-0001"}),
        ({"prompt": "I failed.", "response": "That hurts.", "history": []}, "replies", {"id": "rows-0001"}),
        ({"prompt": CHAT[:2], "completion": CHAT[2:]}, "replies", {"id": "rows-0001"}),
        (
            {"scene": "Grief", "description": "Loss.", "content": [{"User": "I failed."}, {"AI": "That hurts."}]},
            "extes",
            {"problem_type": "Grief", "situation": "Loss."},
        ),
        ([["usr", "I failed."], ["sys", "That hurts."]], "pairs", {"id": "rows-0001"}),
        (["求助者：I failed.", "支持者: That hurts."], "transcript", {"id": "rows-0001"}),
        (
            {
                "problem_type": "Grief",
                "dialog": [
                    {"speaker": "user", "text": "I failed. The speaker seems sad.", "emotion": "sadness"},
                    {"speaker": "sys", "text": "That hurts. The emotion is not clear.", "emotion": "neutral"},
                ],
            },
            "mesc",
            {"problem_type": "Grief"},
        ),
        (
            {
                "conversation_id": "02",
                "topic": "exams",
                "turns": [
                    {"dialogue_history": [{"role": "speaker", "utterance": "I failed."}], "response": "That hurts."}
                ],
            },
            "avamerg",
            {"id": "rows-02", "problem_type": "exams"},
        ),
    ],
)
def test_every_form_is_told_by_its_content_and_gives_the_same_talk(tmp_path, row, form, fields):
    path = write(tmp_path / "rows.jsonl", json.dumps(row, ensure_ascii=False) + "\n")
    (dialogue,) = read(path)
    assert tuple(replace(turn, caption=None) for turn in dialogue.turns) == (SEEKER, SUPPORTER)
    captions = ("The speaker seems sad.", "The emotion is not clear.") if form == "mesc" else (None, None)
    assert tuple(turn.caption for turn in dialogue.turns) == captions
    assert dialogue.provenance[-1]["form"] == form
    expected = {"source": "rows", "licence": "unknown", "language": "en"} | fields
    assert {name: getattr(dialogue, name) for name in expected} == expected


@pytest.mark.parametrize(
    "form, row",
    [
        ("soulchat", {"id": 0, "topic": "love", "messages": CHAT}),
        ("emollm", {"messages": CHAT}),
        ("cpsycoun", {"instruction": "I failed.", "input": "", "output": "That hurts.", "history": []}),
        ("smile", [{"role": "client", "content": "I failed."}, {"role": "counselor", "content": "That hurts."}]),
    ],
)
def test_a_corpus_is_what_the_user_says_it_is(tmp_path, form, row):
    chinese = json.loads(json.dumps(row).replace("I failed.", "我没考上。").replace("That hurts.", "这很难受。"))
    (dialogue,) = read(write(tmp_path / "a.json", chinese), form=form)
    assert (dialogue.source, dialogue.language, dialogue.licence) == (form, "zh", published_licence(form))
    assert [turn.content for turn in dialogue.turns] == ["我没考上。", "这很难受。"]
    (ours,) = read(tmp_path / "a.json", form=form, name="clinic")
    assert (ours.source, ours.licence) == ("clinic", "unknown")
    (refused,) = read(write(tmp_path / "b.json", row), form=form)
    assert refused.reason.startswith(f"other language: its language is 'en' and that of {form} 'zh'")


def test_a_form_or_language_that_is_not_there_names_the_nearest(tmp_path):
    path = write(tmp_path / "a.json", [OWN])
    with pytest.raises(UserError, match=r"corpora: .*a\.json: unknown form 'esconf'; did you mean 'esconv'\?"):
        read(path, form="esconf")
    with pytest.raises(UserError, match=r"corpora: .*a\.json: unknown language 'fr'; it can be one of: en, zh\."):
        read(path, language="fr")


def test_histories_and_several_turns_come_in_their_order(tmp_path):
    row = {"instruction": "c", "input": "", "output": "d", "history": [["a", "b"]]}
    (dialogue,) = read(write(tmp_path / "a.jsonl", json.dumps(row)))
    assert [turn.content for turn in dialogue.turns] == ["a", "b", "c", "d"]
    history = [{"role": "speaker", "utterance": "a"}, {"role": "listener", "utterance": "b"}]
    turns = [{"dialogue_history": history[:1], "response": "b"}]
    turns.append({"dialogue_history": [*history, {"role": "speaker", "utterance": "c"}], "response": "d"})
    (dialogue,) = read(write(tmp_path / "b.json", [{"turns": turns}]))
    assert [turn.content for turn in dialogue.turns] == ["a", "b", "c", "d"]


def test_a_text_of_paragraphs_is_one_dialogue(tmp_path):
    text = "来访者：你好。\n\n心理咨询师：你好，\n请坐。\n\n来访者：谢谢。\n"
    (dialogue,) = read(write(tmp_path / "cases" / "case_0.txt", text).parent)
    assert (dialogue.id, dialogue.licence) == ("cases-case_0", "unknown")
    assert dialogue.turns == (
        Turn("seeker", "你好。"),
        Turn("supporter", "你好，\n请坐。"),
        Turn("seeker", "谢谢。"),
    )


def test_pictures_and_videos_keep_their_paths(tmp_path):
    talk = [
        {"speaker": "user", "text": "I failed.", "emotion": "sadness", "image": "1.png"},
        {"speaker": "sys", "text": "That hurts.", "emotion": "neutral", "images": ["2.png", "3.png"]},
    ]
    (dialogue,) = read(write(tmp_path / "a.json", [{"dialog": talk}]))
    assert [turn.images for turn in dialogue.turns] == [("1.png",), ("2.png", "3.png")]


def test_the_videos_of_avamerg_are_named_after_dialogue_utterance_and_profile(tmp_path):
    said = [{"index": n, "role": ("speaker", "listener")[n % 2], "utterance": f"Words {n}."} for n in range(3)]
    row = {
        "conversation_id": "01118",
        "speaker_profile": {"age": "young", "ID": 28},
        "listener_profile": {"age": "young", "ID": 7},
        "turns": [
            {"dialogue_history": said[:1], "response": "Words 1."},
            {"dialogue_history": said, "response": "Yes."},
        ],
    }
    (dialogue,) = read(write(tmp_path / "train.json", [row]))
    videos = [f"dia01118utt{n}_{(28, 7)[n % 2]}.mp4" for n in range(4)]
    assert [turn.images for turn in dialogue.turns] == [(video,) for video in videos]


def test_the_table_of_mesc_gives_its_dialogues_with_a_frame_for_the_end_of_each_turn(tmp_path):
    table = (
        "Utterance,Speaker,Emotion,Strategy,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
        '"You know,",Client,sadness,undefined,0,0,1,1,"00:00:54,097","00:00:55,113"\n'
        'I cried.,Client,sadness,undefined,0,1,1,1,"00:00:55,260","00:00:56,263"\n'
        'Why?,Therapist,neutral,Open question,0,2,1,1,"00:00:57,000","00:00:58,000"\n'
        'Hello.,Client,joy,undefined,1,0,1,1,"00:00:59,000","00:01:00,000"\n'
        'Hello.,Therapist,neutral,undefined,1,1,1,1,"00:01:01,000","00:01:02,000"\n'
    )
    first, second = read(write(tmp_path / "MESC.csv", table))
    assert first.turns == (
        Turn("seeker", "You know,"),
        Turn("seeker", "I cried.", images=("dia0_utt1.mp4",)),
        Turn("supporter", "Why?", "Question", ("dia0_utt2.mp4",)),
    )
    assert (first.id, second.id) == ("MESC-0", "MESC-1")
    assert second.turns[1] == Turn("supporter", "Hello.", images=("dia1_utt1.mp4",))
    (refused,) = read(write(tmp_path / "other.csv", "a,b\n1,2\n"))
    assert "a table without Utterance, Speaker" in refused.reason


def test_every_strategy_of_other_corpora_has_one_of_ours():
    names = ["Reflective Statements", "offer hope (OH)", "Promote Self-Care Practices", "Question", "Open question"]
    assert [nearest_strategy("extes" if i < 4 else "mesc", name, "here") for i, name in enumerate(names)] == [
        "Restatement or Paraphrasing",
        "Affirmation and Reassurance",
        "Providing Suggestions",
        "Question",
        "Question",
    ]
    assert nearest_strategy("mesc", " ", "here") is None
    for name in STRATEGIES.names():
        assert nearest_strategy("extes", name, "here") == name
    with pytest.raises(UserError, match="here: unknown strategy 'Hugging'"):
        nearest_strategy("extes", "Hugging", "here")


ESCONV = {"dialog": [{"speaker": "usr", "text": "a"}, {"speaker": "sys", "text": "b"}]}
EMOLLM = {"conversation": [{"input": "a", "output": "b"}]}


def own(*turns):
    return OWN | {"turns": list(turns)}


@pytest.mark.parametrize(
    "good, bad, said",
    [
        (OWN, own(TALK[0]), "only one side speaks: only the seeker speaks; a dialogue needs both sides."),
        (OWN, own(TALK[1], TALK[1]), "only one side speaks: only the supporter speaks; a dialogue needs both sides."),
        (OWN, own(*TALK, {"role": "seeker", "content": " "}), "empty turn: turn 3: field 'content' is empty."),
        (OWN, own({"role": "bot", "content": "a"}), "unknown role: turn 1: unknown role 'bot'"),
        (OWN, own(TALK[0], TALK[1] | {"strategy": "Hugging"}), "unknown strategy: turn 2: unknown strategy 'Hugging'"),
        (OWN, OWN | {"emotion_type": "hunger"}, "unknown emotion: unknown emotion 'hunger'"),
        (OWN, OWN | {"licence": None}, "malformed: field 'licence' is missing."),
        (OWN, OWN, "duplicate id: id 'mine-a' was given before; ids must differ."),
        (OWN, 3, "malformed: expected a JSON object, found a number."),
        (ESCONV, {"dialog": []}, "malformed: field 'dialog' must be a list of at least one utterance."),
        (ESCONV, {"dialog": [{"speaker": "him", "text": "a"}]}, "unknown role: utterance 0: unknown role 'him'"),
        ({"messages": CHAT}, {"messages": [{"role": "judge", "content": "a"}]}, "unknown role: turn 1: unknown role"),
        ({"messages": CHAT}, {"messages": CHAT[:1]}, "only one side speaks: nobody speaks; a dialogue needs both"),
        ({"messages": CHAT}, {"messages": []}, "malformed: field 'messages' must be a list of at least one turn."),
        (EMOLLM, {"conversation": [{"input": "a"}]}, "empty turn: exchange 1: field 'content' is missing."),
        (EMOLLM, {"conversation": [{"input": "", "output": "b"}]}, "empty turn: exchange 1: field 'content' is empty."),
        (["求助者：a", "支持者：b"], ["求助者：a", "b"], "unknown role: turn 2: the line begins with no role"),
        ([["usr", "a"], ["sys", "b"]], [["usr", "a"], ["sys"]], "malformed: turn 2: expected a pair of role and text."),
    ],
)
def test_a_bad_row_is_named_and_kept_and_those_around_it_go_on(tmp_path, good, bad, said):
    last = good | {"id": "last"} if isinstance(good, dict) else good
    first, refused, last = read(write(tmp_path / "a.jsonl", [good, bad, last], lines=True))
    assert (refused.where, refused.row) == ("a.jsonl, line 2", bad)
    assert refused.reason.startswith(said)
    assert "\n" not in refused.reason
    assert isinstance(first, Dialogue)
    assert isinstance(last, Dialogue)


def test_a_row_of_no_form_names_the_forms(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"question": "Who?"}, OWN], lines=True)
    refused, dialogue = read(path)
    assert refused.reason.startswith("unknown form: of no form that we read; name its form, one of: avamerg, own, mesc")
    assert dialogue.source == "mine"


def test_ids_may_not_meet_across_corpora_either(tmp_path):
    seen = set()
    one, two = (CorpusConfig(path=str(write(tmp_path / name / "a.json", [OWN]))) for name in "xy")
    assert [type(item) for item in iter_corpus(one, seen=seen)] == [Dialogue]
    assert [type(item) for item in iter_corpus(two, seen=seen)] == [Rejected]
    assert seen == {"mine-a"}


def test_what_the_user_says_goes_before_what_the_corpus_says(tmp_path):
    path = write(tmp_path / "a.jsonl", [OWN, OWN | {"id": "b"}], lines=True)
    first, second = read(path, name="ward", licence="CC BY 4.0", language="zh")
    assert (first.id, first.source, first.licence, first.language) == ("ward-a", "ward", "CC BY 4.0", "zh")
    assert second.id == "ward-b"
    assert read(path, limit=1) == [Dialogue.from_json(OWN | {"id": "mine-a"} | provenance(first), "here")]


def provenance(dialogue):
    return {"provenance": list(dialogue.provenance)}


def test_esconv_is_the_same_in_both_ways_of_reading(shared_data):
    path = shared_data / "esconv" / "ESConv.json"
    dialogues, report = read_corpus(path)
    pairs = [merged(dialogue) for dialogue in read(path)]
    assert len(pairs) == report.dialogues == 1_300
    assert sum(joins for _, joins in pairs) == report.merged == 7_973
    for (streamed, _), strict in zip(pairs, dialogues, strict=True):
        assert streamed.to_json() | strict.to_json() == streamed.to_json()
        assert streamed.provenance[0]["record"] == int(streamed.id.removeprefix("esconv-"))


def test_smile_has_its_300_of_which_one_is_a_monologue(shared_data):
    path = shared_data / "smile" / "smile_300.jsonl"
    items = read(path, form="smile")
    dialogues = [item for item in items if isinstance(item, Dialogue)]
    (monologue,) = (item for item in items if isinstance(item, Rejected))
    assert (len(items), sum(len(dialogue.turns) for dialogue in dialogues)) == (300, 3_483)
    assert (monologue.where, monologue.row["id"]) == ("smile_300.jsonl, line 73", 74)
    assert monologue.reason == "only one side speaks: only the seeker speaks; a dialogue needs both sides."
    assert {(one.language, one.source, one.licence) for one in dialogues} == {("zh", "smile", "CC0 1.0")}
    unsaid = [one for one in read(path) if isinstance(one, Dialogue)]
    assert {(one.language, one.source, one.licence) for one in unsaid} == {("zh", "smile_300", "unknown")}


def test_cpsycoun_has_its_45_cases_of_nine_topics(shared_data):
    dialogues = read(shared_data / "cpsycoun" / "CPsyCounE")
    assert len(dialogues) == len({dialogue.id for dialogue in dialogues}) == 45
    assert sum(len(dialogue.turns) for dialogue in dialogues) == 592
    assert all(merged(dialogue)[1] == 0 for dialogue in dialogues)
    assert len({dialogue.provenance[0]["file"].split("/")[0] for dialogue in dialogues}) == 9
    assert "cpsycoun-Emotion-Stress-3" in {dialogue.id for dialogue in dialogues}
    assert {(one.language, one.source, one.licence) for one in dialogues} == {("zh", "cpsycoun", "CC BY 4.0")}


def test_the_bundled_dialogues_are_a_corpus_too():
    dialogues = read("sample")
    assert {dialogue.source for dialogue in dialogues} == {"compeer-sample"}
    assert [merged(dialogue)[0].turns for dialogue in dialogues] == [one.turns for one in read_corpus("sample")[0]]


def test_licences_are_of_three_kinds_by_any_spelling():
    kinds = {corpus: licence_class(published_licence(corpus)) for corpus in (*CORPORA, "compeer-sample")}
    assert kinds.pop("compeer-sample") == kinds["smile"] == kinds["cpsycoun"] == "commercial"
    assert kinds["soulchat"] == kinds["emollm"] == "commercial"
    assert kinds["esconv"] == kinds["augesc"] == "research"
    assert {kinds[name] for name in ("extes", "mesc", "avamerg")} == {"unknown"}
    spelled = ("cc-by-nc-4.0", "CC BY NC 4.0", "apache-2.0", "mit", "my own", "", "Research")
    assert [licence_class(name) for name in spelled] == [
        *("research", "research", "commercial", "commercial", "unknown", "unknown", "research"),
    ]


@given(st.text(max_size=20), st.sampled_from(["MIT", "CC BY-NC 4.0"]))
def test_each_choice_of_licences_takes_in_the_one_before(text, known):
    for licence in (text, known):
        allowed = [is_allowed(licence, choice) for choice in ("commercial", "research", "all")]
        assert allowed == sorted(allowed)
        assert allowed[-1]
    assert not is_allowed("CC BY-NC 4.0", "commercial")


def test_local_parquet_gives_what_json_lines_give(tmp_path):
    from datasets import Dataset

    rows = [{"id": number, "messages": CHAT} for number in range(3)]
    Dataset.from_list(rows).to_parquet(str(tmp_path / "p" / "chats.parquet"))
    by_parquet = read(tmp_path / "p" / "chats.parquet", name="chats")
    by_lines = read(write(tmp_path / "l" / "chats.jsonl", rows, lines=True), name="chats")
    assert [(one.id, one.turns) for one in by_parquet] == [(one.id, one.turns) for one in by_lines]
    assert [one.provenance[0]["record"] for one in by_parquet] == [0, 1, 2]


def test_without_a_network_a_data_set_of_the_hub_is_one_sentence():
    said = r"^nobody/absent can't be read \(\w+: .*\); check its name, the split and the network, or give a file\.$"
    with pytest.raises(UserError, match=said):
        read("nobody/absent")


def test_a_row_of_plain_text_may_hold_json(tmp_path):
    texts = [{"text": json.dumps([["usr", "I failed."], ["sys", "That hurts."]])}, {"text": "no JSON"}]
    good, bad = read(write(tmp_path / "a.jsonl", texts, lines=True))
    assert good.turns == (SEEKER, SUPPORTER)
    assert bad.reason.startswith("malformed: field 'lines' must be a list")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["turns", "dialog", "messages", "conversation", "content", "instruction", "output", "history", "text", "id"]


@given(
    st.sampled_from(sorted(FORMS | CORPORA)),
    st.dictionaries(st.sampled_from(KEYS), json_values) | json_values,
    json_values,
)
def test_any_row_in_any_form_is_a_dialogue_or_one_line(tmp_path_factory, form, row, speech):
    rows = [row, {"dialog": [{"speaker": "usr", "text": speech}]}, {"content": [{"User": speech, "AI": speech}]}]
    path = write(tmp_path_factory.mktemp("fuzz") / "rows.jsonl", "\n".join(map(json.dumps, rows)))
    for settings, item in itertools.chain(((form, x) for x in read(path, form=form)), (("", x) for x in read(path))):
        if isinstance(item, Rejected):
            assert "\n" not in item.reason, settings
            assert item.where.startswith("rows.jsonl, line ")
            json.dumps([item.row, item.reason], ensure_ascii=False).encode()
        else:
            assert Dialogue.from_json(json.loads(json.dumps(item.to_json())), "here") == item
