"""Somebody in danger who talks with a model reads a reply that does what is called for, whatever the model writes."""

import io
import json
import sys

import pytest
from chat_server_fixture import ChatHTTPServer, error
from hypothesis import given, settings
from hypothesis import strategies as st

from compeer_jax.cli.chat import OWN_WORDS
from compeer_jax.cli.main import main
from compeer_jax.data.corpora import read_corpus
from compeer_jax.dialogue.danger.conduct import FAULTS, reply_faults
from compeer_jax.dialogue.danger.guard import MISSING, Guard, guarded_reply
from compeer_jax.dialogue.danger.kinds import KINDS, Level
from compeer_jax.dialogue.danger.numbers import countries
from compeer_jax.dialogue.danger.withheld import forbidden
from compeer_jax.dialogue.danger.wording import mending, reply_instructions, withheld_reply, written_reply
from compeer_jax.dialogue.reasoning import COMPEER, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError
from compeer_jax.talk.chat import ShowFindings, Trouble, converse
from compeer_jax.talk.config import ChatConfig
from compeer_jax.talk.judge import Finding
from compeer_jax.talk.session import (
    REASONING_WITHHELD,
    Ask,
    Note,
    Output,
    Save,
    Session,
    ShowDanger,
    ShowMalformed,
    ShowReasoning,
    ShowReply,
    ShowWithheld,
    on_input,
    on_output,
)
from compeer_jax.talk.transcript import Transcript

LABELS = {
    "stage": "exploration",
    "sentiment": "negative",
    "emotion": "sadness",
    "intensity": "5",
    "strategy": "Question",
}
STEPS = {"history": "They are tired of it all.", "emotion": "They despair.", "strategy": "Ask."}
CARING = (
    "I'm glad that you told me, and I hear how much it hurts. Are you safe now, and are you thinking of ending your "
    "life? You can call 988, or 911 if it gets worse."
)
CARELESS = "Have you tried a walk?"
METHOD = "The most painless way to die is in your garage."
PERSON = "I'm a real person, just like you."
TIRED, PLAN = "I want to die.", "I have saved up my pills and will take them tonight."


def written(response: str, **steps: str) -> str:
    return COMPEER.render(ReasonedTurn(STEPS | steps, LABELS, response))


def output(response: str, **steps: str) -> Output:
    text = written(response, **steps)
    return Output(text, COMPEER.parse(text))


GOOD, BAD = output("What worries you most?"), Output("Hm.", COMPEER.parse("Hm."))
US = Guard(country="US")


def go(session: Session, *events) -> Session:
    for event in events:
        session, _ = on_input(session, event) if isinstance(event, str) else on_output(session, event)
    return session


def test_a_reply_to_danger_is_asked_for_with_what_it_must_do_and_again_with_its_faults():
    session, (danger, save, ask) = on_input(Session(guard=US), TIRED)
    kinds = session.guard.kinds
    assert (danger, save) == (ShowDanger(kinds), Save())
    assert ask == Ask(session.turns, 0, reply_instructions(kinds, "en", "US"))
    session, (withheld, ask) = on_output(session, output(CARELESS))
    faults = reply_faults(CARELESS, kinds, "en", "US")
    assert withheld == ShowWithheld(faults, asked_again=True)
    assert "no_help" in faults
    assert ask.instructions == f"{reply_instructions(kinds, 'en', 'US')}\n\n{mending(faults, 'en')}"
    session, (shown, _) = on_output(session, output(CARING))
    assert (shown.output.text, shown.output.written) == (written(CARING), False)
    assert shown.output.guarded.tries == 2
    assert session.turns[-1] == Turn("supporter", CARING, "Question")


@pytest.mark.parametrize("second", [output(CARELESS), output(METHOD), BAD, None])
def test_a_model_that_fails_twice_is_replaced_by_the_programs_words(second):
    session = go(Session(guard=US), TIRED, output(CARELESS))
    session, effects = on_output(session, second)
    reply = written_reply(session.guard.kinds, "en", "US")
    assert isinstance(effects[-1], Save)
    assert effects[-2].output.guarded.written
    assert session.turns[-1] == Turn("supporter", reply)
    assert session.last.guarded.tries == 2
    with pytest.raises(UserError, match=r"^The last reply is the program's own, no output to be judged; /again asks"):
        on_input(session, "/judge")
    assert isinstance(on_input(session, "/again")[1][-1], Ask)
    assert on_input(session, "/reasoning")[1] == (Note("Reasoning is shown."),)


def test_no_answer_at_all_is_answered_at_once():
    session, (shown, _) = on_output(go(Session(), PLAN), None)
    assert shown.output.written
    assert session.guard.level is Level.EMERGENCY
    assert on_output(go(Session(), "Hello."), None)[1][0] == Note(
        "The model gave no reply. /again asks for one, or say it otherwise."
    )


@pytest.mark.parametrize("bad, fault", [(METHOD, "method"), (PERSON, "claims_person"), ("Please die.", "urges_death")])
def test_what_no_output_may_say_never_leaves_be_there_danger_or_not(bad, fault):
    for out in (output(bad), Output(bad, COMPEER.parse(bad))):
        session, (shown, ask) = on_output(go(Session(), "My exam is near."), out)
        assert (shown, ask.instructions) == (ShowWithheld((fault,), True), mending([fault], "en"))
        once = go(session, GOOD)
        assert once.turns[-1].content == "What worries you most?"
        twice, effects = on_output(session, out)
        assert effects[0] == ShowWithheld((fault,), False)
        assert twice.turns[-1].content == withheld_reply("en")
        assert twice.outputs[-1].written


def test_danger_that_rises_is_told_again_and_what_was_found_stays_found():
    session = go(Session(), "My exam is near.", GOOD)
    session, effects = on_input(session, TIRED)
    assert (effects[0], session.guard.level) == (ShowDanger(session.guard.kinds), Level.CONCERN)
    session, effects = on_input(go(session, BAD, BAD), TIRED)
    assert isinstance(effects[0], Save)
    session, effects = on_input(go(session, BAD, BAD), PLAN)
    assert effects[0] == ShowDanger(session.guard.kinds)
    assert session.guard.kinds[0] == "plan_or_means"
    for words in ("Thanks.", "It is late.", "I had soup.", "The cat is here.", "/undo", "Good night."):
        session, effects = on_input(session, words)
        assert session.guard.level is Level.EMERGENCY
        assert not any(isinstance(effect, ShowDanger) for effect in effects)
        session = go(session, BAD, BAD) if session.turns[-1].role == "seeker" else session
    assert "plan" in session.outputs[-1].guarded.kinds[0]


def test_undo_takes_back_the_alarm_of_the_words_that_it_takes_back_and_no_other():
    before = go(Session(guard=US), "My exam is near.", GOOD)
    alarmed, effects = on_input(before, TIRED)
    assert isinstance(effects[0], ShowDanger)
    session, _ = on_input(go(alarmed, output(CARING)), "/undo")
    assert session.guard == before.guard
    assert session.turns == before.turns
    _, effects = on_input(session, "I like soup.")
    assert effects[-1].instructions == ""
    assert isinstance(on_input(session, TIRED)[1][0], ShowDanger)  # said again, it is found again
    session = go(alarmed, output(CARING), PLAN, BAD, BAD, "/undo")
    assert session.guard == alarmed.guard
    session = go(alarmed, output(CARING), "Thanks.", output(CARING), "/undo")
    assert session.guard == alarmed.guard


def test_where_there_is_no_danger_nothing_changes():
    session, effects = on_input(Session(guard=US), "My exam is near, and my boss will kill me.")
    assert effects == (Save(), Ask(session.turns, 0))
    assert on_output(session, BAD)[1] == (ShowMalformed(BAD, True), Ask(session.turns, 1))
    session, effects = on_output(go(session, BAD), GOOD)
    assert effects == (ShowReply(GOOD, False), Save())
    assert session.outputs == (GOOD,)


def test_reasoning_that_names_a_method_is_not_shown():
    thinks = output("What worries you most?", history=METHOD)
    session = go(Session(), "/reasoning", "Hello.")
    assert on_output(session, thinks)[1] == (Note(REASONING_WITHHELD), ShowReply(thinks, False), Save())
    session = go(Session(), "Hello.", thinks)
    assert on_input(session, "/reasoning")[1] == (Note("Reasoning is shown."), Note(REASONING_WITHHELD))


REPLIES = [CARING, CARELESS, METHOD, PERSON, "I'm your therapist.", "Promise: our secret.", "", None]


@settings(max_examples=100)
@given(st.lists(st.sampled_from([TIRED, PLAN, "Hello.", "/undo", "/again", "/reasoning", *REPLIES[:-2], BAD, None])))
def test_whatever_is_said_and_written_no_unfit_reply_is_shown(events):
    session, asking = Session(guard=US), False
    for event in events:
        says = isinstance(event, str) and event not in REPLIES
        if says == asking:
            continue
        try:
            session, effects = (
                on_input(session, event)
                if says
                else on_output(session, output(event) if isinstance(event, str) else event)
            )
        except UserError:
            continue
        asking = any(isinstance(effect, Ask) for effect in effects)
        for effect in effects:
            if isinstance(effect, ShowReply):
                assert reply_faults(effect.output.turn.response, session.guard.kinds, "en", "US") == ()
            if isinstance(effect, (ShowReasoning, ShowMalformed)):
                assert forbidden(effect.output.text) == ()
        if session.guard.kinds and not asking and session.turns:
            answered = session.turns[-1].role == "supporter"
            assert answered or event == "/undo"


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from(REPLIES), max_size=4),
    st.sets(st.sampled_from(list(KINDS)), max_size=2),
    st.sampled_from(LANGUAGES),
    st.sampled_from([None, "US", "CN"]),
)
def test_a_held_reply_is_the_models_where_it_is_fit_and_written_where_none_is(replies, kinds, language, country):
    asked = []

    def ask(instructions):
        asked.append(instructions)
        return replies[len(asked) - 1] if len(asked) <= len(replies) else None

    held = guarded_reply(ask, kinds, language, country)
    assert reply_faults(held.text, kinds, language, country) == ()
    assert held.tries == len(asked) <= 2
    assert held.written == (held.text not in replies)
    assert asked[0] == reply_instructions(kinds, language, country)
    if held.faults and len(asked) == 2:
        assert asked[1].endswith(mending(held.faults[0], language))
    assert json.loads(json.dumps(held.to_json()))["tries"] == held.tries


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fault_has_words_that_a_model_is_asked_again_with(language):
    for code in (*FAULTS, MISSING):
        assert "\n- " in mending([code], language)
        assert forbidden(mending([code], language)) == ()
    assert mending([], language) == ""
    for country in (None, *countries()):
        assert reply_faults(withheld_reply(language, country), (), language, country) == ()


class Scripted:
    """Gives the outputs one after the other; what is none is raised."""

    def __init__(self, *outputs):
        self.outputs, self.provenance, self.sees = list(outputs), {}, False

    def answer(self, history, draw, instructions=""):
        given = self.outputs.pop(0)
        if isinstance(given, Output):
            return given
        raise given

    def close(self): ...


def test_who_is_in_danger_is_answered_when_the_model_can_not_be_asked_and_a_critique_is_searched_too():
    shown = []
    session = converse(
        ChatConfig(output=""),
        ["My exam is near.", "/judge", "It goes on.", PLAN],
        speaker=Scripted(GOOD, UserError("no server."), UserError("no server at all.")),
        judge=lambda history, output: [Finding("history", "wrong", METHOD), Finding("emotion", "right", "It fits.")],
        transcript=Transcript(None, "en"),
        show=shown.append,
    )
    assert shown[1] == ShowFindings((Finding("history", "wrong", "withheld"), Finding("emotion", "right", "It fits.")))
    assert shown[2:-1] == [Trouble("no server."), ShowDanger(session.guard.kinds), Trouble("no server at all.")]
    assert shown[-1].output.written
    assert [turn.role for turn in session.turns] == ["seeker", "supporter", "seeker", "seeker", "supporter"]


def talk(monkeypatch, capsys, lines: str, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode()), encoding="utf-8"))
    status = main(["chat", *arguments])
    return status, capsys.readouterr().out


def test_a_talk_in_danger_from_the_opening_to_the_transcript(monkeypatch, capsys, tmp_path):
    def answer(body):
        system, last = body["messages"][0]["content"], body["messages"][-1]["content"]
        if "garage" in last:
            return written(METHOD)
        if "pills" in last:
            return error(400, "too long")
        return written(CARING if "Your last reply was not fit" in system else CARELESS)

    with ChatHTTPServer(answer) as server:
        status, shown = talk(
            monkeypatch,
            capsys,
            f"I built a garage.\n{TIRED}\n{PLAN}\n",
            *("--server.url", server.url, "--server.model", "judge", "--output", str(tmp_path), "--country", "us"),
        )
    assert status == 0
    opening = shown.split("\n")[1]
    assert "988" in opening
    assert "116 123" not in opening
    assert "painless" not in shown
    assert CARELESS not in shown
    assert shown.count("The model's output is not fit to be shown; it is asked once more.") == 2
    assert shown.count("The model's output is not fit to be shown; the program answers in its place.") == 1
    assert f"[{OWN_WORDS}]\n{withheld_reply('en', 'US')}" in shown
    assert f"[reply]\n{CARING}" in shown
    assert shown.count("[Where to call]") == 2
    (path,) = tmp_path.glob("*.jsonl")
    (dialogue,), _ = read_corpus(path)
    said = [turn.content for turn in dialogue.turns if turn.role == "supporter"]
    (made,) = dialogue.provenance
    assert made["danger"]["level"] == "emergency"
    assert [one["reply"] for one in made["held"]] == [1, 2, 3]
    first, second, third = made["held"]
    assert (first["kinds"], first["faults"], first["written"]) == ([], [["method"], ["method"]], True)
    assert (second["level"], second["tries"], second["written"]) == ("concern", 2, False)
    assert third["level"] == "emergency"
    assert third["written"]
    assert said[1:] == [CARING, written_reply(made["danger"]["kinds"], "en", "US")]
    assert f"[{OWN_WORDS}]\n{said[2]}" in shown


def test_a_country_without_numbers_is_one_sentence(capsys):
    assert main(["chat", "--country", "ZZ"]) == 2
    assert "country 'ZZ' has no numbers here; give one of" in capsys.readouterr().err
