"""Prompts about consistency: does a reply follow from the reasoning, and do a judge's verdicts on both go together?"""

from collections.abc import Mapping
from functools import cache

from compeer_jax.dialogue.judging import JudgeCase, judge_asks
from compeer_jax.dialogue.material import harmless
from compeer_jax.dialogue.prompts import Prompt, read_prompt
from compeer_jax.dialogue.reasoning import RESPONSE
from compeer_jax.dialogue.taxonomy import check_language

FRAMES = "judge_brief"  # the judge's prompt whose questions are the parts in their tags, and nothing else

_SAYS = {
    "en": {
        RESPONSE: {True: "the second reply is at least as good.", False: "the second reply is worse."},
        "step": {True: "this step is right.", False: "this step is wrong."},
        "judge": "The judge: ",
    },
    "zh": {
        RESPONSE: {True: "第二个回复至少一样好。", False: "第二个回复更差。"},
        "step": {True: "这一步是正确的。", False: "这一步是错误的。"},
        "judge": "评判者：",
    },
}


FOLLOWS, GO_TOGETHER = "follows", "consistency"  # the prompts of the two questions


@cache
def load_consistency_prompt(language: str, name: str = GO_TOGETHER) -> Prompt:
    """The system prompt; UserError for an unknown language."""
    version, text = read_prompt(name, check_language(language))
    return Prompt(name, language, version, text.strip())


def follows_messages(case: JudgeCase) -> list[dict[str, str]]:
    """The chat that asks whether the second reply of a case follows from its steps; the first is not shown."""
    _, shown = judge_asks(case, list(case.steps), prompt=FRAMES)
    _, reply = case.responses
    content = "\n\n".join([*shown, f"<{RESPONSE}>{harmless(reply.strip())}</{RESPONSE}>"])
    return [
        {"role": "system", "content": load_consistency_prompt(case.language, FOLLOWS).text},
        {"role": "user", "content": content},
    ]


def consistency_messages(case: JudgeCase, verdicts: Mapping[str, bool]) -> list[dict[str, str]]:
    """The chat that asks about one output.

    Args:
        case: what the judge saw: the reference reply first, the output's second.
        verdicts: on each step and, under "response", whether the second reply is at least as good as the first; in the
            order in which they are shown.
    """
    says = _SAYS[case.language]
    _, shown = judge_asks(case, list(verdicts), prompt=FRAMES)
    lines = (says["judge"] + says.get(tag, says["step"])[verdict] for tag, verdict in verdicts.items())
    content = "\n\n".join(text for pair in zip(shown, lines, strict=True) for text in pair)
    return [
        {"role": "system", "content": load_consistency_prompt(case.language).text},
        {"role": "user", "content": content},
    ]
