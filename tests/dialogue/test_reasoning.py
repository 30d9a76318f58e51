import dataclasses
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compeer_jax.dialogue.reasoning import CARE, COMPEER, FORMATS, ReasonedTurn
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError

# Pieces that a careless writer or reader of the formats would stumble over.
PIECES = [
    *(f"<{slash}{tag}>" for form in FORMATS.values() for tag in form.tags for slash in ("", "/", "\\", "\\/", "\\\\")),
    *(
        "< /Response >",
        "<RESPONSE\t>",
        "<hiſtory>",
        "<",
        ">",
        "\\",
        "/",
        "**",
        ";",
        "；",
        "\n",
        "\r\n",
        "\u3000",
        "\x1c",
    ),
    *("Stage: action", "阶段：行动", "Emotion : fear ;", "Strategy", "策略：", "Intensity: 9", "Sentiment: positive"),
]
any_text = st.lists(st.sampled_from(PIECES) | st.text(st.characters()), max_size=12).map("".join)
free_text = any_text.map(str.strip).filter(bool)
any_format = st.sampled_from(list(FORMATS.values()))


@st.composite
def complete_turns(draw) -> tuple:
    form = draw(any_format)
    steps = {step.tag: draw(free_text) for step in form.steps}
    labels = {label.name: draw(st.sampled_from(label.category.names())) for label in form.labels}
    return form, ReasonedTurn(steps, labels, draw(free_text))


TURN = ReasonedTurn(
    steps={
        "history": "She studied for weeks and still failed; she has told nobody.",
        "emotion": "She calls herself stupid twice, so the loss has turned against herself.",
        "strategy": "She needs to hear that the hurt makes sense before anything else.",
    },
    labels={
        "stage": "comforting",
        "sentiment": "negative",
        "emotion": "shame",
        "intensity": "4",
        "strategy": "Reflection of feelings",
    },
    response="It sounds as if failing hurts all the more because you gave it everything.",
)
ENGLISH = """\
<history>
She studied for weeks and still failed; she has told nobody.
Stage: comforting
</history>
<emotion>
She calls herself stupid twice, so the loss has turned against herself.
Sentiment: negative ; Emotion: shame ; Intensity: 4
</emotion>
<strategy>
She needs to hear that the hurt makes sense before anything else.
Strategy: Reflection of feelings
</strategy>
<response>
It sounds as if failing hurts all the more because you gave it everything.
</response>"""


def edited(old: str, new: str) -> str:
    assert ENGLISH.count(old) == 1
    return ENGLISH.replace(old, new)


def test_compeer_is_written_as_the_design_says():
    assert COMPEER.render(TURN) == ENGLISH
    assert COMPEER.parse(ENGLISH) == TURN
    assert COMPEER.parse(ENGLISH).format_ok


def test_chinese_labels_are_written_and_read_in_chinese():
    text = COMPEER.render(TURN, "zh")
    assert "\n阶段：安慰\n" in text
    assert "\n情感：消极；情绪：羞耻；强度：4\n" in text
    assert "\n策略：情感反映\n" in text
    assert COMPEER.parse(text) == TURN


def test_care_has_four_nodes_and_a_labelled_plan():
    assert CARE.tags == ("context", "cognition", "emotion", "plan", "response")
    turn = ReasonedTurn(dict.fromkeys(CARE.tags[:-1], "Words."), {"strategy": "Question"}, "What happened?")
    text = CARE.render(turn)
    assert text.endswith("<plan>\nWords.\nStrategy: Question\n</plan>\n<response>\nWhat happened?\n</response>")
    assert text.count(":") == 1
    assert CARE.parse(text) == turn


@given(complete_turns(), st.sampled_from(LANGUAGES))
def test_what_is_rendered_is_parsed_back_whatever_the_free_text(case, language):
    form, turn = case
    assert form.parse(form.render(turn, language)) == turn


def test_text_without_structure_is_written_unchanged():
    odd = "I <3 you &lt; <b>bold</b> <stage> </ > \\n history: <a plan> [the answer] ＜b＞ \\"
    assert odd in COMPEER.render(dataclasses.replace(TURN, response=odd))


@given(any_format, any_text)
@example(COMPEER, "\ud800<history>")
def test_parsing_any_text_gives_a_turn_or_says_what_is_wrong(form, text):
    turn = form.parse(text)
    assert set(turn.steps) <= {step.tag for step in form.steps}
    for label in form.labels:
        assert turn.labels.get(label.name) in (None, *label.category.names())
    assert len(set(turn.problems)) == len(turn.problems)
    if turn.format_ok:
        assert form.parse(form.render(turn)) == turn
    else:
        known = {"missing", "repeated", "unclosed", "unopened", "nested", "empty", "label", "order"}
        known |= {"extra_text", "structure"}
        assert {problem.partition(":")[0] for problem in turn.problems} <= known


@given(any_text, st.integers(0, len(ENGLISH)))
def test_a_stranger_text_put_anywhere_never_breaks_parsing(text, place):
    COMPEER.parse(ENGLISH[:place] + text + ENGLISH[place:])


@given(st.integers(0, len(ENGLISH) - 1))
def test_a_truncated_output_is_never_in_order(length):
    assert not COMPEER.parse(ENGLISH[:length]).format_ok


@pytest.mark.parametrize(
    "text",
    [
        ENGLISH.upper(),
        ENGLISH.replace("\n", " "),
        ENGLISH.replace("\n", "\r\n"),
        ENGLISH.replace("<", "\n < ").replace(">", " > \n"),
        ENGLISH.replace("Stage: comforting", "**Stage:** Comforting."),
        ENGLISH.replace("Stage: comforting", "阶段 ： 安慰阶段"),
        ENGLISH.replace(" ; ", "；"),
        ENGLISH.replace(" ; ", "\n"),
        ENGLISH.replace(": ", "："),
        ENGLISH.replace("Intensity: 4", "Intensity: ４"),
        ENGLISH.replace("Sentiment: negative ; Emotion: shame", "Emotion: ashamed, Sentiment: Negative"),
    ],
)
def test_case_spacing_and_full_width_signs_do_not_matter(text):
    turn = COMPEER.parse(text)
    assert turn.problems == ()
    assert turn.labels == TURN.labels
    assert turn.steps["history"].casefold() == TURN.steps["history"].casefold()
    assert turn.response.casefold() == TURN.response.casefold()


@pytest.mark.parametrize(
    "text, problems",
    [
        ("", "missing:history label:stage missing:emotion label:sentiment label:emotion label:intensity "
             "missing:strategy label:strategy missing:response"),
        (ENGLISH.partition("<response>")[0], "missing:response"),
        (ENGLISH.removesuffix("\n</response>"), "unclosed:response"),
        (ENGLISH.removeprefix("<history>\n"), "extra_text unopened:history missing:history label:stage"),
        ("Sure!\n" + ENGLISH, "extra_text"),
        (ENGLISH + "\nGood luck", "extra_text"),
        (ENGLISH + "<response>Another.</response>", "repeated:response"),
        (ENGLISH[ENGLISH.index("<emotion>") :] + ENGLISH[: ENGLISH.index("<emotion>")], "order"),
        (edited("</history>\n", ""), "unclosed:history"),
        (edited("She calls", "</history> She calls"), "unopened:history"),
        (edited("She needs", "<response>a</response> She needs"),
         "nested:strategy repeated:response extra_text empty:strategy label:strategy"),
        (edited("She needs", "<\\response>a</response> She needs"), "unopened:response"),
        (edited("She needs", "<\\response>a<\\/response> She needs"), ""),
        (edited("Stage: comforting\n", ""), "label:stage"),
        (edited("Stage: comforting", "Stage: comforting\nAnd so on."), "label:stage"),
        (edited("Emotion: shame", "Emotion: boredom"), "label:emotion"),
        (edited("Intensity: 4", "Intensity: 1-5"), "label:intensity"),
        (edited(TURN.steps["history"], ""), "empty:history"),
        (edited(TURN.response, ""), "empty:response"),
    ],
)  # fmt: skip
def test_each_fault_has_its_code(text, problems):
    turn = COMPEER.parse(text)
    assert sorted(turn.problems) == sorted(problems.split())
    assert turn.format_ok == (not problems)


def test_a_part_within_another_is_nested_and_still_read():
    text = ENGLISH.replace("\n</history>", "").replace("</emotion>", "</emotion>\n</history>")
    turn = COMPEER.parse(text)
    assert turn.problems == ("nested:history",)
    assert (turn.steps, turn.labels, turn.response) == (TURN.steps, TURN.labels, TURN.response)


def test_the_first_of_two_sections_counts():
    assert COMPEER.parse(ENGLISH + "<response>Another.</response>").response == TURN.response


def test_what_was_found_survives_what_is_missing():
    turn = COMPEER.parse("<strategy>\nAsk first.\nStrategy: Questions\n</strategy>")
    assert turn.steps == {"strategy": "Ask first."}
    assert turn.labels == {"strategy": "Question"}
    assert "missing:history" in turn.problems


def test_an_incomplete_turn_is_not_written():
    with pytest.raises(UserError, match="a compeer turn cannot be written without a text for <emotion>"):
        COMPEER.render(dataclasses.replace(TURN, steps={"history": "Words."}))
    with pytest.raises(UserError, match="without a text for <response>"):
        COMPEER.render(dataclasses.replace(TURN, response=" \n"))
    with pytest.raises(UserError, match="a compeer turn: unknown stage None"):
        COMPEER.render(dataclasses.replace(TURN, labels={}))
    with pytest.raises(UserError, match="unknown strategy 'Hug'"):
        COMPEER.render(dataclasses.replace(TURN, labels={**TURN.labels, "strategy": "Hug"}))
    with pytest.raises(UserError, match="unknown language 'fr'"):
        COMPEER.render(TURN, "fr")


@given(complete_turns(), st.sampled_from(LANGUAGES))
def test_a_section_is_what_stands_between_its_tags(case, language):
    form, turn = case
    text = form.render(turn, language)
    assert text == "\n".join(f"<{tag}>\n{form.section(turn, tag, language)}\n</{tag}>" for tag in form.tags)


def test_a_section_shows_what_there_is():
    turn = ReasonedTurn({"emotion": " She is hurt.\n"}, {"intensity": "4", "emotion": "shame", "stage": "action"})
    assert COMPEER.section(turn, "emotion") == "She is hurt.\nEmotion: shame ; Intensity: 4"
    assert COMPEER.section(turn, "emotion", "zh") == "She is hurt.\n情绪：羞耻；强度：4"
    assert COMPEER.section(turn, "history") == "Stage: action"
    assert COMPEER.section(turn, "strategy") == ""
    assert COMPEER.section(turn, "response") == ""
    assert CARE.section(turn, "emotion") == "She is hurt."
    with pytest.raises(UserError, match="the compeer format: unknown part 'plan'"):
        COMPEER.section(turn, "plan")


def test_formats_travel_to_other_processes():
    assert pickle.loads(pickle.dumps(FORMATS)) == FORMATS
