import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compeer_jax.dialogue.judging import PREFERENCES, judge_reply
from compeer_jax.dialogue.verdicts import parse_preference, parse_step_verdict

# Pieces that judges write, in orders that nobody would.
PIECES = [
    *(
        "Verdict",
        "verdict",
        "结论",
        "判断",
        ":",
        "：",
        " is ",
        "是",
        "为",
        "|",
        "/",
        " or ",
        "或",
        "not ",
        "不",
        "\n",
        " ",
    ),
    *("True", "False", "正确", "错误", "对", "错", "否", "first", "second", "similar", "neither", "第一个", "后者"),
    *(
        "**",
        "`",
        "\\boxed{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "?",
        "!",
        "，",
        "。",
        "ſ",
        "İ",
        "\ud800",
        "\x85",
        "都不好",
        "相近",
    ),
]
any_text = st.lists(st.sampled_from(PIECES) | st.text(st.characters()), max_size=15).map("".join)

TRUE = [
    "Verdict: True",
    "verdict:true",
    "VERDICT: TRUE.",
    "Verdict：True",
    "Ｖｅｒｄｉｃｔ：Ｔｒｕｅ",
    "**Verdict:** True",
    "**Verdict**: **True**",
    "### Verdict: `True`",
    "> Verdict: True",
    "- *Verdict*: “True”",
    "Verdict: 'True'",
    "Verdict is True",
    "The verdict is: True.",
    "My verdict is True, because the stage fits.",
    "Verdict = True",
    "Verdict - True",
    "Verdict → True",
    "[Verdict] True",
    "[Verdict: True]",
    "<verdict>True</verdict>",
    "Verdict: $\\boxed{\\text{True}}$",
    "Verdict (True/False): True",
    "Verdict (True or False): **True**",
    "The stage is exploration. Verdict: True",
    "Verdict: True\nThis verdict is mine alone.",
    "Verdict: True\n\nThe step says what the conversation says.",
    "Verdict: True (high confidence)",
    "Verdict: True - the need is seen rightly.",
    "Verdict: True. The correct stage is given.",
    "Verdict:\nTrue",
    "## Verdict\n\n**True**",
    "Verdict: False\nNo, I overlooked the second turn.\nVerdict: True",
    "Verdict: True\r\n",
    "Verdict: Verdict: True",
    "Verdict: 正确",
    "结论：正确",
    "结论：正确。",
    "【结论】正确",
    "**结论**：正确的",
    "结论是正确",
    "结论为：正确。",
    "最终判断：对",
    "判定：是",
    "判定：是的",
    "裁决：真",
    "结论：True",
    "阶段判断：探索。结论：正确",
    "结论：正确。阶段没有错，情绪也没有错误。",
    "对方只说了一句，阶段是探索。\n结论：正确",
]
FALSE = [
    "Verdict: False",
    "Verdict：**False**。",
    "Verdict: False. The correct stage is comforting.",
    "结论：错误",
    "结论：不正确",
    "结论：不对。",
    "判断：错的",
    "判断：否",
    "裁决：假",
    "结论：错误，正确的阶段是安慰。",
    "Verdict: True\nVerdict: False",
]
NO_STEP_VERDICT = [
    "",
    "True",
    "The step is true.",
    "False, since the stage is comforting.",
    "正确",
    "该步骤的结论正确",
    "Verdict",
    "Verdict:",
    "Verdict: \n\n",
    "Verdict: True|False",
    "Verdict: True or False",
    "Verdict: True/False",
    "Verdict: <True|False>",
    "Verdict: [True, False]",
    "Verdict: True. No, False.",
    "Verdict: not True",
    "Verdict: not false",
    "The verdict is not True.",
    "Verdict: neither True nor False",
    "Verdict: !True",
    "Verdict ≠ True",
    "Verdict: True?",
    "Verdict: Truest",
    "Verdict: True-ish",
    "Verdict: Untrue",
    "Verdict: Tru",
    "Verdict: unclear",
    "Verdict: partly true",
    "Verdict: True that the stage is right, but not the rest",
    "Verdict: first",
    "Verdicts: True",
    "Verdict: True\nVerdict: unclear",
    "Verdict: True\nVerdict: True|False",
    "Verdict: True\nOn reflection, the verdict is not true.",
    "Verdict:\nThe step is true.",
    "结论：正确/错误",
    "结论：正确或错误",
    "结论：对错难分",
    "结论：对方很焦虑",
    "结论：正确的阶段是安慰",
    "结论：是否正确",
    "结论：是因为失业",
    "结论：真假",
    "结论：未必正确",
    "阶段判断：正确，情绪判断：错误",
]

PREFERENCE = {
    "first": [
        "Verdict: first",
        "Verdict: First.",
        "**Verdict: first**",
        "Verdict: the first",
        "Verdict: The first reply is better.",
        "Verdict: first one",
        "Verdict: 1st",
        "Verdict: Response 1",
        "Verdict: Reply A is better",
        "Verdict: answer #1",
        "Verdict is first, because it asks about safety.",
        "Verdict: first. The second ignores the danger.",
        "Verdict: second\nNo: the second ignores the danger.\nVerdict: first",
        "Verdict: 第一个",
        "结论：第一个更好",
        "结论：第一个回复更好。",
        "结论：前者",
        "结论：前者更好",
        "结论：回复一",
        "结论：回复1更好",
        "裁决：第1条",
    ],
    "second": [
        "Verdict: second",
        "verdict：SECOND",
        "Verdict: the second response",
        "Verdict: Response B",
        "Verdict: second - it names the feeling",
        "结论：第二个",
        "结论：后者。",
        "判断：第二条回复更好",
        "结论：回复二",
    ],
    "similar": [
        "Verdict: similar",
        "Verdict: Both are similar.",
        "Verdict: both replies are equally good",
        "Verdict: a tie",
        "Verdict: similar. Neither is clearly better.",
        "结论：相近",
        "结论：两个回复差不多",
        "结论：两者很相似。",
        "结论：不相上下",
    ],
    "neither": [
        "Verdict: neither",
        "Verdict: Neither.",
        "Verdict: neither reply",
        "Verdict: Neither is good enough to send.",
        "Verdict: both are equally bad",
        "结论：都不好",
        "结论：两个都不好。",
        "结论：两个回复都不行",
        "结论：两者都不合适",
        "结论：都很差",
    ],
}
NO_PREFERENCE = [
    "",
    "first",
    "The first reply is better.",
    "Verdict: first|second|similar|neither",
    "Verdict: first or second",
    "Verdict: first/second",
    "Verdict: first, not second",
    "Verdict: first is better than second",
    "Verdict: not first",
    "Verdict: not similar",
    "Verdict: dissimilar",
    "Verdict: neither is better",
    "Verdict: First of all, both are kind.",
    "Verdict: second-rate",
    "Verdict: A",
    "Verdict: A close call",
    "Verdict: 1",
    "Verdict: True",
    "Verdict: first?",
    "Verdict: both",
    "结论：第一次说出来",
    "结论：不相似",
    "结论：都不错",
    "结论：都不好说",
    "结论：第一个或第二个",
    "结论：回复10",
]


@pytest.mark.parametrize("text", TRUE)
def test_what_models_write_for_true(text):
    assert parse_step_verdict(text) is True


@pytest.mark.parametrize("text", FALSE)
def test_what_models_write_for_false(text):
    assert parse_step_verdict(text) is False


@pytest.mark.parametrize("text", NO_STEP_VERDICT)
def test_no_step_verdict_is_guessed(text):
    assert parse_step_verdict(text) is None


@pytest.mark.parametrize("text, preference", [(text, name) for name, texts in PREFERENCE.items() for text in texts])
def test_what_models_write_for_a_preference(text, preference):
    assert parse_preference(text) == preference


@pytest.mark.parametrize("text", NO_PREFERENCE)
def test_no_preference_is_guessed(text):
    assert parse_preference(text) is None


@given(any_text, st.booleans(), st.sampled_from(PREFERENCES))
@example("Verdict:", True, "first")
def test_a_reply_as_it_should_be_is_read_back_whatever_the_critique(critique, verdict, preference):
    assert parse_step_verdict(judge_reply(critique, verdict)) is verdict
    assert parse_preference(judge_reply(critique, preference)) == preference


@given(any_text)
def test_any_text_has_a_verdict_or_none(text):
    assert parse_step_verdict(text) in (True, False, None)
    assert parse_preference(text) in (*PREFERENCES, None)


@given(any_text.filter(lambda text: not any(marker in text.casefold() for marker in ("verdict", "结论", "判断"))))
def test_without_a_marker_there_is_no_verdict(text):
    assert parse_step_verdict(text) is None
    assert parse_preference(text) is None


@given(st.sampled_from(PREFERENCES), st.sampled_from(PREFERENCES), st.sampled_from(["|", "/", " or ", ", ", " and "]))
def test_two_values_in_a_line_are_none(one, other, between):
    assert parse_preference(f"Verdict: {one}{between}{other}") is None or one == other


@pytest.mark.parametrize(
    "piece", ["verdict ", "Verdict: ", "verdict (", "结论：", "是", "true ", "\n", "verdict:\n", " ", "a "]
)
def test_a_long_reply_is_read(piece):
    text = "Verdict: " + piece * (100_000 // len(piece)) + "\nVerdict: True"
    assert parse_step_verdict(text) is True
    assert parse_preference(text + "\nVerdict: similar") == "similar"
    assert parse_step_verdict(text + piece * 1000) in (True, None)
