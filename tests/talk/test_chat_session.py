"""A talk at the terminal: only what keeps the form becomes a reply, and what was said is on disk at every moment."""

import io
import json
import os
import pty
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from chat_server_fixture import ChatHTTPServer, error
from hypothesis import given, settings
from hypothesis import strategies as st
from small_judges import CARD, parrot

from compeer_jax.chat.config import ChatModelConfig, LocalChatConfig
from compeer_jax.chat.models import open_chat_model
from compeer_jax.chat.types import WHY_NOT, Answer, ChatRequest
from compeer_jax.cli.chat import OWN_WORDS, plain
from compeer_jax.cli.main import main
from compeer_jax.cli.shorthand import written_out
from compeer_jax.data.corpora import iter_corpus, read_corpus
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.policy_data import DataConfig
from compeer_jax.dialogue.danger import danger_notice, opening_notice
from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.dialogue.danger.wording import reply_instructions, written_reply
from compeer_jax.dialogue.judging import JudgeCase
from compeer_jax.dialogue.reasoning import COMPEER, ReasonedTurn
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.dialogue.talk import chat_messages
from compeer_jax.errors import UserError
from compeer_jax.generation.sampling import SamplingConfig
from compeer_jax.models.source import ModelConfig
from compeer_jax.talk.config import ChatConfig, ChatPromptConfig
from compeer_jax.talk.judge import COMPARED, Finding, open_judge, rate_steps, rule_findings
from compeer_jax.talk.session import (
    COMMANDS,
    NO_REPLY,
    SHORTENED,
    Ask,
    AskJudge,
    Note,
    Output,
    Quit,
    Save,
    SaveCopy,
    Session,
    ShowHelp,
    ShowMalformed,
    ShowReasoning,
    ShowReply,
    on_input,
    on_output,
)
from compeer_jax.talk.speakers import open_speaker
from compeer_jax.talk.transcript import Transcript
from compeer_jax.training.small_model import SmallModelConfig, make_small_model

LABELS = {"stage": "exploration", "sentiment": "negative", "emotion": "anxiety", "intensity": "4"}
STEPS = {"history": "An exam is near.", "emotion": "They are tense.", "strategy": "Ask first."}


CARING = (
    "I'm glad that you told me, and I hear how much it hurts. Are you thinking of ending your life? "
    "A crisis line can be with you now: https://findahelpline.com."
)


def written(response="What worries you most?", strategy="Question") -> str:
    """A well-formed output."""
    return COMPEER.render(ReasonedTurn(STEPS, LABELS | {"strategy": strategy}, response))


def output(text: str, **also) -> Output:
    return Output(text, COMPEER.parse(text), **also)


GOOD = output(written())
BAD = output("I hear you. That sounds hard.")
NO_RESPONSE = output("\n".join(written().split("\n")[:-3]))


def go(session: Session, *events) -> Session:
    """The session after lines (texts) and outputs."""
    for event in events:
        session, _ = on_input(session, event) if isinstance(event, str) else on_output(session, event)
    return session


def said(session: Session) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in session.turns]


def test_a_reply_becomes_a_turn_with_its_strategy_and_the_reasoning_stays_out_of_the_talk():
    session, effects = on_input(Session(), "  I can't sleep.\n")
    assert effects == (Save(), Ask((Turn("seeker", "I can't sleep."),), 0))
    session, effects = on_output(session, GOOD)
    assert effects == (ShowReply(GOOD, False), Save())
    assert session.turns == (Turn("seeker", "I can't sleep."), Turn("supporter", "What worries you most?", "Question"))
    _, (_, asked) = on_input(session, "The exam.")
    assert [turn.content for turn in asked.history] == ["I can't sleep.", "What worries you most?", "The exam."]


@pytest.mark.parametrize("bad", [BAD, NO_RESPONSE, output(""), output(written(), truncated=True)])
def test_a_malformed_output_is_asked_for_once_more_and_then_shown_but_never_taken_for_a_reply(bad):
    session, effects = on_output(go(Session(), "Hello."), bad)
    assert effects == (ShowMalformed(bad, True), Ask(session.turns, 1))
    session, effects = on_output(session, bad)
    assert effects == (ShowMalformed(bad, False), Save())
    assert (said(session), session.malformed) == ([("seeker", "Hello.")], 2)
    session, effects = on_input(session, "Are you there?")
    assert effects[-1] == Ask((Turn("seeker", "Hello."), Turn("seeker", "Are you there?")), 0)
    assert said(go(session, bad, GOOD))[-1] == ("supporter", "What worries you most?")


def test_how_often_the_model_is_asked_is_a_setting():
    session = go(Session(tries=1), "Hello.")
    assert on_output(session, BAD)[1] == (ShowMalformed(BAD, False), Save())


def test_no_reply_leaves_the_words_waiting():
    session, effects = on_output(go(Session(), "Hello."), None)
    assert (effects, said(session)) == ((Note(NO_REPLY),), [("seeker", "Hello.")])
    assert on_input(session, "/again")[1] == (Save(), Ask(session.turns, 1))


def test_again_puts_another_reply_in_the_place_of_the_last_one():
    session, effects = on_input(go(Session(), "Hello.", GOOD), "/again")
    assert effects == (Save(), Ask((Turn("seeker", "Hello."),), 1))
    session = go(session, other := output(written("Tell me more.")))
    assert (said(session)[1:], session.outputs) == ([("supporter", "Tell me more.")], (other,))


def test_undo_takes_back_the_last_words_and_what_came_after_them():
    session = go(Session(), "One.", GOOD, "Two.", BAD, BAD, "Three.", GOOD)
    session, effects = on_input(session, "/undo")
    assert effects == (Note("Taken back: Three."), Save())
    assert said(session) == [("seeker", "One."), ("supporter", "What worries you most?"), ("seeker", "Two.")]
    session = go(session, "/undo")
    assert (len(session.turns), session.last) == (2, GOOD)
    session = go(session, "/undo")
    assert (session.turns, session.outputs) == ((), ())
    # The same words are another draw, or the model would say the same again.
    assert on_input(session, "One.")[1][-1] == Ask((Turn("seeker", "One."),), 1)


def test_reasoning_is_shown_at_once_and_from_then_on():
    session = go(Session(), "Hello.", GOOD)
    session, effects = on_input(session, "/reasoning")
    assert effects == (Note("Reasoning is shown."), ShowReasoning(GOOD))
    session = go(session, "And now?")
    assert on_input(session, "/REASONING ")[1] == (Note("Reasoning is hidden."),)
    assert on_output(session, GOOD)[1][0] == ShowReply(GOOD, True)
    assert on_input(Session(), "/reasoning")[1] == (Note("Reasoning is shown."),)


def test_the_judge_is_asked_about_the_last_output_be_it_a_reply_or_not():
    session = go(Session(), "Hello.", GOOD)
    assert on_input(session, "/judge") == (session, (AskJudge((Turn("seeker", "Hello."),), GOOD),))
    session = go(session, "And now?", BAD)
    assert on_input(session, "/judge")[1] == (AskJudge(session.turns, BAD),)


def test_the_other_commands():
    assert on_input(Session(), "/help") == (Session(), (ShowHelp(),))
    assert on_input(Session(), "/quit") == (Session(), (Quit(),))
    session = go(Session(), "Hello.")
    assert on_input(session, "/save  my talk.jsonl ")[1] == (SaveCopy("my talk.jsonl"),)
    assert on_input(session, "/save")[1] == (SaveCopy(""),)
    assert said(go(Session(), "//judge me not")) == [("seeker", "/judge me not")]
    assert said(go(Session(), "and/or")) == [("seeker", "and/or")]
    assert on_input(Session(), " \n") == on_input(Session(), "") == (Session(), ())


@pytest.mark.parametrize(
    "before, line, sentence",
    [
        ([], "/judge", "You have not said anything yet."),
        ([], "/undo", "You have not said anything yet."),
        ([], "/again", "You have not said anything yet."),
        ([], "/save a.jsonl", "You have not said anything yet. There is nothing to save."),
        (["Hello."], "/judge", "The model has not answered your last words; /again asks it to."),
        ([], "/judge me", "/judge takes nothing behind it; to say these words, begin the line with //."),
        (
            [],
            "/judg",
            "unknown command '/judg'; did you mean '/judge'? it can be one of: "
            + ", ".join(f"/{name}" for name in COMMANDS)
            + ".",
        ),
    ],
)
def test_a_command_that_can_not_be_done_is_one_sentence(before, line, sentence):
    with pytest.raises(UserError, match=f"^{re.escape(sentence)}$"):
        on_input(go(Session(), *before), line)


def test_it_is_said_once_that_the_oldest_turns_are_not_read():
    short = output(written(), shortened=True)
    session, effects = on_output(go(Session(), "Hello."), short)
    assert effects == (Note(SHORTENED), ShowReply(short, False), Save())
    assert on_output(go(session, "And?"), short)[1] == (ShowReply(short, False), Save())


EVENTS = st.lists(
    st.one_of(
        st.sampled_from([f"/{name}" for name in COMMANDS]),
        st.sampled_from(["One.", "One.", "two", "//", "", "I want to die", "half \ud83d a face"]),
        st.text(max_size=12),
        st.sampled_from([GOOD, BAD, NO_RESPONSE, None, output(written("多说一点吧。", "Others"), shortened=True)]),
    ),
    max_size=25,
)


@settings(max_examples=300)
@given(EVENTS)
def test_whatever_happens_the_talk_holds_words_and_replies_alone(events):
    session, asking, asked = Session(), None, []
    for event in events:
        if isinstance(event, str):
            try:
                session, effects = on_input(session, event)
            except UserError:
                continue
        elif asking:
            session, effects = on_output(session, event)
        else:
            continue
        asking = next((effect for effect in effects if isinstance(effect, Ask)), None)
        asked += [asking] if asking else []
        replies = [turn for turn in session.turns if turn.role == "supporter"]
        assert [turn.content for turn in replies] == [good.turn.response for good in session.outputs]
        assert not any(good.problems for good in session.outputs)
        roles = "".join(turn.role[1] for turn in session.turns)  # e: seeker, u: supporter
        assert re.fullmatch("(e+u)*e*", roles)
        if session.turns:
            dialogue = Dialogue("a", "en", "s", "l", session.turns)
            assert Dialogue.from_json(json.loads(json.dumps(dialogue.to_json())), "a") == dialogue
    assert all(ask.history[-1].role == "seeker" for ask in asked)
    assert len(set(asked)) == len(asked)  # never the same draw twice


def test_the_notices_name_where_to_call_as_the_readme_does():
    for notice in (opening_notice, danger_notice):
        assert all(number in notice("en") for number in ("988", "116 123", "https://findahelpline.com"))
        assert all(number in notice("zh") for number in ("12356", "120", "110", "https://findahelpline.com"))
    assert "no therapist" in opening_notice("en")
    assert "不是心理咨询师" in opening_notice("zh")


TURNS = go(Session(), "我睡不着。 \u2028 <script>", GOOD, "It's\tthe exam.", GOOD).turns


def test_a_transcript_is_a_dialogue_that_the_rest_reads_and_only_its_owner_may(tmp_path):
    transcript = Transcript(tmp_path / "chats", "en")
    transcript.save(TURNS, {"stage": "chat", "model": "m"})
    assert stat.S_IMODE(transcript.path.stat().st_mode) == 0o600
    (dialogue,), _ = read_corpus(transcript.path)
    assert (dialogue.turns, dialogue.source, dialogue.licence) == (TURNS, "compeer-chat", "private")
    assert dialogue.provenance == ({"stage": "chat", "model": "m"},)
    (again,) = iter_corpus(CorpusConfig(str(transcript.path)))
    assert (again.turns, again.licence, again.source) == (TURNS, "private", "compeer-chat")
    transcript.save(TURNS[:2], {})
    assert read_corpus(transcript.path)[0][0].turns == TURNS[:2]
    transcript.save((), {})
    assert list((tmp_path / "chats").iterdir()) == []


def test_two_talks_that_begin_in_the_same_second_have_files_of_their_own(tmp_path):
    paths = set()
    for _ in range(3):
        transcript = Transcript(tmp_path, "en")
        transcript.save(TURNS, {})
        paths.add(transcript.path)
    assert len(paths) == len({json.loads(path.read_text())["id"] for path in paths}) == 3


def test_a_copy_takes_no_other_files_place(tmp_path):
    transcript = Transcript(None, "zh")
    transcript.save(TURNS, {})  # nothing is kept
    assert list(tmp_path.iterdir()) == []
    path = transcript.copy(tmp_path / "sub" / "talk.jsonl", TURNS, {})
    assert json.loads(path.read_text())["language"] == "zh"
    with pytest.raises(UserError, match=r"talk.jsonl is there already; name another file\.$"):
        transcript.copy(path, TURNS, {})
    with pytest.raises(UserError, match="can't be written"):
        transcript.copy(path / "below" / "a.jsonl", TURNS, {})


HISTORY = (Turn("seeker", "I can't sleep."), Turn("supporter", "What worries you most?"), Turn("seeker", "The exam."))


def test_rules_know_form_and_repetition():
    right = Finding("form", "right")
    assert rule_findings(HISTORY[:1], GOOD)[0] == right
    assert rule_findings(HISTORY[:1], GOOD)[1].verdict == "no verdict"
    assert rule_findings(HISTORY, GOOD) == [right, Finding("response", "wrong", "it repeats a turn of the supporter")]
    form, response = rule_findings(HISTORY, BAD)
    assert form.verdict == "wrong"
    assert "extra_text" in form.critique
    assert "missing:response" in form.critique
    assert response == Finding("response", "wrong", "there is none")


def scripted(**replies: Answer):
    """A judge that replies to each step as given, however often it is asked."""
    return lambda conversations, key, **_: [tuple(replies[tag] for tag in one.tags) for one in conversations]


def test_a_reply_without_a_verdict_is_none_and_a_missing_step_is_wrong():
    judge = scripted(
        history=Answer("It fits.\nVerdict: True"), emotion=Answer("Verdict: False"), strategy=Answer("Hm.")
    )
    case = JudgeCase("en", HISTORY, STEPS, ("", "I see."))
    found = rate_steps(judge, [tuple(STEPS)], case)
    assert [one.verdict for one in found] == ["right", "wrong", "no verdict", COMPARED]
    assert [one.critique for one in found] == ["It fits.\nVerdict: True", "Verdict: False", "Hm.", ""]
    found = rate_steps(judge, [tuple(STEPS)], replace(case, steps=STEPS | {"history": " "}))
    assert found[0] == Finding("history", "wrong", "it is missing")


@pytest.mark.parametrize("ended", ["cut", "refused", "thinking"])
def test_a_reply_that_is_not_whole_has_no_verdict(ended):
    judge = scripted(history=Answer("Verdict: True", ended=ended))
    case = JudgeCase("en", HISTORY, {"history": "An exam is near."}, ("", "I see."))
    found, _ = rate_steps(judge, [("history",)], case)
    assert found.verdict == "no verdict"
    assert found.critique == f"the judge gave {WHY_NOT[ended]}"


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    """A model of random weights, which babbles."""
    folder = tmp_path_factory.mktemp("models") / "babbler"
    data = DataConfig(prompt="compeer_brief", silver_quotes=False)
    shape = {"hidden_size": 32, "layers": 1, "heads": 8, "kv_heads": 8, "intermediate_size": 32, "context": 640}
    make_small_model(SmallModelConfig(output=str(folder), data=data, vocab_size=2048, **shape))
    CARD.write(folder)
    return folder


def long_context(directory: Path) -> Path:
    """The same model, but one that reads more."""
    folder = directory.with_name("reader")
    if not folder.exists():
        shutil.copytree(directory, folder)
        settings = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(settings | {"max_position_embeddings": 4096}))
    return folder


def config(directory="", **also) -> ChatConfig:
    model = ModelConfig(str(directory), dtype="float32")
    data = ChatPromptConfig(prompt="compeer_brief", max_prompt_tokens=also.pop("most", 512))
    sampling = SamplingConfig(max_new_tokens=24, temperature=also.pop("temperature", 0.0))
    return ChatConfig(model, data=data, sampling=sampling, **also)


def test_a_model_in_this_process_writes_what_it_writes_elsewhere(directory):
    local = LocalChatConfig(dtype="float32", temperature=0.0, max_tokens=24)
    elsewhere = open_chat_model("babbler", ChatModelConfig(str(directory), local), folder=None, say=print)
    (answer,) = elsewhere.answer([ChatRequest(chat_messages(HISTORY, prompt="compeer_brief", language="en"))])
    speaker = open_speaker(config(directory), say=print)
    out = speaker.answer(HISTORY, 0)
    assert out.text == answer.text
    assert out.truncated == (answer.completion_tokens == 24)
    assert out.problems
    assert not out.shortened
    assert speaker.provenance["model"] == "babbler"
    assert speaker.provenance["prompt"].startswith("compeer_brief v")
    assert str(directory.parent) not in json.dumps(speaker.provenance)


def test_draws_differ_and_are_the_same_for_the_same_seed(directory):
    first, second = (open_speaker(config(directory, temperature=1.0, seed=7), say=print) for _ in range(2))
    texts = [first.answer(HISTORY, draw).text for draw in range(3)]
    assert len(set(texts)) == 3
    assert [second.answer(HISTORY, draw).text for draw in (2, 0)] == [texts[2], texts[0]]


def test_a_long_talk_loses_its_oldest_turns_and_says_so(directory):
    speaker = open_speaker(config(directory, most=120), say=print)
    long = tuple(turn for _ in range(12) for turn in HISTORY[:2]) + HISTORY[2:]
    assert speaker.answer(long, 0).shortened
    # What is left out plays no part: the answer is that to the turns that stay.
    assert speaker.answer(long[:1] + long, 0).text == speaker.answer(long, 0).text
    sentence = (
        r"^the prompt with the last words alone has \d{3} tokens, more than the 120 that the model reads; "
        r"say it in fewer words, raise data\.max_prompt_tokens, or take a model with a longer context\.$"
    )
    with pytest.raises(UserError, match=sentence):
        speaker.answer([Turn("seeker", "exam " * 300)], 0)
    with pytest.raises(UserError, match=r"sampling\.max_new_tokens is 900, but the model's context is 640"):
        open_speaker(ChatConfig(ModelConfig(str(directory)), sampling=SamplingConfig(900)), say=print)


def test_a_model_that_can_not_be_told_how_to_answer_danger_says_so_before_it_matters(directory):
    said = []
    speaker = open_speaker(config(directory, most=120), say=said.append)
    (line,) = said
    assert line.startswith("The model reads 120 tokens, too few to be told how to answer somebody in danger: the")
    with pytest.raises(UserError) as refusal:
        speaker.answer(HISTORY, 0, reply_instructions(["active_ideation"], "en"))
    assert re.fullmatch(
        r"the model can't be told how to answer this: that takes \d+ tokens, and it reads 120\.", str(refusal.value)
    )
    longest = max((reply_instructions([kind], "en") for kind in KINDS), key=len)
    roomy = replace(config(directory, most=4096), sampling=SamplingConfig(1, 0.0))
    speaker = open_speaker(replace(roomy, model=ModelConfig(str(long_context(directory)))), say=said.append)
    assert speaker.answer(HISTORY, 0, longest).truncated
    assert len(said) == 1


def test_a_judge_rates_the_steps_and_says_that_it_can_not_rate_the_reply(directory, tmp_path):
    judge = open_judge(config(judge=str(parrot(tmp_path / "unifi", directory, "unifi", "Verdict: True"))))
    right = [(tag, "right") for tag in STEPS]
    assert [(one.part, one.verdict) for one in judge(HISTORY, GOOD)] == [*right, ("response", COMPARED)]
    without = output(written().replace("<emotion>", "").replace("</emotion>", ""))
    assert [one.verdict for one in judge(HISTORY, without)][:3] == ["right", "wrong", "right"]


@pytest.mark.parametrize("rounds", [[tuple(STEPS)], [(tag,) for tag in STEPS]])
def test_a_judge_without_a_verdict_is_asked_once_more_about_what_lacks_one(rounds):
    asked = []

    def judge(conversations, key, *, group_size, retry=False):
        """Says True of the first step, and of the second when it is asked again."""
        asked.append(([one.rounds for one in conversations], retry))
        sure = ["history", "emotion"] if retry else ["history"]
        said = ((("Verdict: True" if tag in sure else "Hm.") for tag in one.rounds) for one in conversations)
        return [tuple(map(Answer, replies)) for replies in said]

    findings = rate_steps(judge, rounds, JudgeCase("en", HISTORY, STEPS, ("", "I see.")))
    assert [one.verdict for one in findings] == ["right", "right", "no verdict", COMPARED]
    lacking = [one for one in rounds if one != ("history",)]
    assert asked == [(rounds, False), (lacking, True)]


def test_a_judge_that_can_not_rate_a_talk_is_refused_before_it_begins(directory, tmp_path):
    orm = parrot(tmp_path / "orm", directory, "orm", "Verdict: similar")
    with pytest.raises(UserError, match="is a judge of kind 'orm', which compares two replies, but a talk has one"):
        open_judge(config(judge=str(orm)))
    with pytest.raises(UserError, match=r"is no judge: it has no judge\.json"):
        open_judge(config(judge=str(tmp_path)))
    care = ChatConfig(data=ChatPromptConfig("care", "care"), judge=str(directory))
    with pytest.raises(UserError, match=r"reads 'compeer' outputs, but data\.format is 'care'"):
        open_judge(care)


def test_settings_that_make_no_sense():
    with pytest.raises(UserError, match=r"^tries is 0; it must be at least 1\.$"):
        ChatConfig(tries=0)
    with pytest.raises(UserError, match="unknown prompt 'compere'; did you mean 'compeer'"):
        ChatConfig(data=ChatPromptConfig(prompt="compere"))
    assert main(["chat", "--model", "/nowhere", "--server.model", "m"]) == 2


def test_model_is_short_for_its_path():
    assert written_out(ChatConfig, ["--model", "a b", "--seed", "1"]) == ["--model.path", "a b", "--seed", "1"]
    assert written_out(ChatConfig, ["--model=runs/m"]) == ["--model.path=runs/m"]
    assert written_out(ChatConfig, ["--model", '{"path": "m"}']) == ["--model", '{"path": "m"}']
    assert written_out(ChatConfig, ["--model.path", "m"]) == ["--model.path", "m"]


def test_control_characters_of_a_model_can_not_write_over_the_screen():
    assert plain("a\x1b[2Jb\x07\tc\r\nd\x9b1A \ud800") == "a\ufffd[2Jb\ufffd\tc\nd\ufffd1A \ufffd"
    assert plain("家 👨‍👩‍👧 é") == "家 👨‍👩‍👧 é"


def talk(monkeypatch, capsys, lines: str | bytes, *arguments: str) -> tuple[int, str]:
    """Exit status and what `compeer chat` shows for these lines of standard input."""
    data = lines.encode() if isinstance(lines, str) else lines
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    status = main(["chat", *arguments])
    return status, capsys.readouterr().out


def test_a_talk_with_a_server_from_the_first_line_to_the_transcript(monkeypatch, capsys, tmp_path):
    def answer(body):
        last = body["messages"][-1]["content"]
        if "exam" in last:
            return written("What about [bold]it[/bold] keeps you awake?")
        return "As an answer, I only think." if "hard" in last else written(CARING, "Others")

    with ChatHTTPServer(answer) as server:
        status, shown = talk(
            monkeypatch,
            capsys,
            "My exam is near.\n/reasoning\n/judge\nIt is hard.\n/save\n/undo\nI want to die.\n/help\n/quit\nnot read\n",
            *("--server.url", server.url, "--server.model", "judge", "--output", str(tmp_path)),
        )
    assert status == 0
    assert shown.startswith("[Please read this first]\nThis is research software.")
    assert "988" in shown
    before, after = shown.split("Reasoning is shown.")
    assert "[reply]\nWhat about [bold]it[/bold] keeps you awake?" in before
    assert "An exam is near." not in before
    assert "[history]\nAn exam is near.\nStage: exploration" in after
    assert "form: right" in after
    assert "response: no verdict" in after
    assert "The model's output was malformed (extra_text, missing:history" in after
    assert "[malformed output, no reply (extra_text" in after
    assert "]\nAs an answer, I only think." in after
    assert "[reply]\nAs an answer" not in shown
    assert after.count("It sounds as if somebody may be in danger.") == 1
    assert "/undo " in after
    assert "not read" not in shown
    (path,) = tmp_path.glob("*.jsonl")
    assert f"Goodbye. The talk is in {path}." in shown.replace("\n", "")
    (dialogue,), _ = read_corpus(path)
    assert [(turn.role, turn.content, turn.strategy) for turn in dialogue.turns] == [
        ("seeker", "My exam is near.", None),
        ("supporter", "What about [bold]it[/bold] keeps you awake?", "Question"),
        ("seeker", "I want to die.", None),
        ("supporter", CARING, "Others"),
    ]
    (made,) = dialogue.provenance
    assert (made["stage"], made["model"], made["malformed"]) == ("chat", "judge", 2)
    # The last question showed the model the replies, and none of the reasoning.
    assert [message["content"] for message in server.asked[-1]["messages"][1:]] == [
        turn.content for turn in dialogue.turns[:3]
    ]


def test_what_goes_wrong_is_shown_and_the_talk_goes_on(monkeypatch, capsys, tmp_path):
    def answer(body):
        refused = len(server.asked) <= 2 and "\ufffd" in body["messages"][-1]["content"]
        return error(400, "too long") if refused else written()

    with ChatHTTPServer(answer) as server:
        (tmp_path / "file").write_text("")
        status, shown = talk(
            monkeypatch,
            capsys,
            "Hello \xff\xfe\n/nothing\n/again\n/save\n".encode("latin-1"),
            *("--server.url", server.url, "--server.model", "judge", "--output", str(tmp_path / "file")),
        )
    assert status == 0
    assert NO_REPLY in shown
    assert "unknown command '/nothing'" in shown
    assert "can't be written" in shown
    assert "[reply]\nWhat worries you most?" in shown
    assert "Goodbye. Nothing of the talk was kept." in shown


def test_a_babbling_model_is_never_passed_off_as_a_supporter(monkeypatch, capsys, tmp_path, directory):
    arguments = ["--model", str(directory), "--data.prompt", "compeer_brief", "--sampling.max_new_tokens", "24"]
    lines = "你好。\n我想自杀。\n"
    status, shown = talk(monkeypatch, capsys, lines, *arguments, "--language=zh", f"--output={tmp_path}")
    assert status == 0
    assert "[reply]" not in shown
    assert "malformed output, no reply" in shown
    assert "这是研究软件" in shown
    (path,) = tmp_path.glob("*.jsonl")
    obj = json.loads(path.read_text(encoding="utf-8"))
    kinds = obj["provenance"][0]["danger"]["kinds"]
    assert obj["turns"] == [
        {"role": "seeker", "content": "你好。"},
        {"role": "seeker", "content": "我想自杀。"},
        {"role": "supporter", "content": written_reply(kinds, "zh")},
    ]
    assert f"[{OWN_WORDS}]\n{written_reply(kinds, 'zh')}" in shown
    assert obj["provenance"][0]["malformed"] == 4


@pytest.mark.long
def test_at_a_terminal_ctrl_c_leaves_cleanly(tmp_path):
    with ChatHTTPServer(lambda body: written()) as server:
        command = [sys.executable, "-m", "compeer_jax.cli.main", "chat", "--server.url", server.url]
        shown, status = at_terminal([*command, "--server.model", "judge", f"--output={tmp_path}"], b"\x03")
    assert status == 0
    assert "Traceback" not in shown
    assert "What worries you most?" in shown
    assert "Goodbye. The talk is in" in shown
    (path,) = tmp_path.glob("*.jsonl")
    assert [turn.role for turn in read_corpus(path)[0][0].turns] == ["seeker", "supporter"]


def at_terminal(command: list[str], key: bytes) -> tuple[str, int]:
    """What a terminal shows, and the exit status: one line is said, then the key is pressed."""
    ours, theirs = pty.openpty()
    # Who opens a terminal as the first of a new session makes it the one that Ctrl-C speaks for. A shell's background
    # jobs, of which tests may be one, begin with Ctrl-C ignored, and so would what they start.
    launcher = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
        "terminal = os.open(sys.argv[1], os.O_RDWR); [os.dup2(terminal, number) for number in range(3)];"
        "os.execv(sys.argv[2], sys.argv[2:])"
    )
    through = [sys.executable, "-c", launcher, os.ttyname(theirs)]
    with subprocess.Popen([*through, *command], env=os.environ | {"TERM": "xterm"}, start_new_session=True) as process:
        shown = b""
        for sent in (b"Hello.\n", key):
            prompts = shown.count(b"you> ")
            while shown.count(b"you> ") == prompts:
                shown += os.read(ours, 4096)
            os.write(ours, sent)
        os.close(theirs)
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # Linux says so when the other side of a terminal is closed
            pass
        status = process.wait()
    os.close(ours)
    return shown.decode(errors="replace"), status
