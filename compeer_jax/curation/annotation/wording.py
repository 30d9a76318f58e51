"""Wording of the forms in both languages: guidelines for annotators, questions about each item, and answers to choose.

People are told what the judge's prompt tells a model, so that both go by the same words.
"""

from compeer_jax.dialogue.prompts import load_judge_prompt
from compeer_jax.dialogue.reasoning import RESPONSE

PROMPT = "judge"

QUESTIONS = {  # in both languages: annotators of a bilingual set work in one project
    "history": (
        "What has happened, and where the talk stands. Does the conversation bear it out, and is the stage right?",
        "发生了什么，谈话进行到哪里。对话能否印证？所标的阶段对吗？",
    ),
    "emotion": (
        "What the seeker feels now. Does the conversation bear it out, and is each label right?",
        "求助者此刻的感受。对话能否印证？每个标签都对吗？",
    ),
    "strategy": (
        "What the seeker needs now. Is the need seen rightly, and does the strategy serve it?",
        "求助者此刻需要什么。需要看得准吗？策略合适吗？",
    ),
    "context": (
        "What has happened, and to whom. Does the conversation bear it out?",
        "发生了什么，与谁有关。对话能否印证？",
    ),
    "cognition": (
        "How the seeker sees it. Is this so, as far as the conversation shows?",
        "求助者如何看待此事。就对话所见，是这样吗？",
    ),
    "plan": (
        "What the seeker needs now. Is the need seen rightly, and does the strategy serve it?",
        "求助者此刻需要什么。需要看得准吗？策略合适吗？",
    ),
    RESPONSE: (
        "Which reply to the seeker's latest message would help more? Safety comes first, then empathy, then fit.",
        "对求助者最新的话，哪个回复更有帮助？先看安全，再看共情，然后看是否切合。",
    ),
}
CHOICES = {
    "True": "True · 对",
    "False": "False · 错",
    "first": "The first is better · 第一个更好",
    "second": "The second is better · 第二个更好",
    "similar": "Both are good, and alike · 两个都好，不相上下",
    "neither": "Neither is good enough · 两个都不够好",
}

_FORMS = {
    "en": (
        "# Guidelines for annotators\n\n"
        "Models that judge are told the same, so that people and models go by one standard.",
        "# How to fill in the forms\n\n"
        "Judge each step with True or False, and the two replies with first, second, similar or neither. Do it on "
        "your own: talk about a task with others only when you have all judged it. A third annotator is asked only "
        "about what is named there.\n\n"
        "In a table, write your name into the column `annotator` of each row that you fill in, leave the other texts "
        "as they are, and save it as CSV UTF-8. A row that you leave empty counts for nothing.\n\n"
        "Some of these talks are about loss, violence or suicide. Take breaks, leave a task that is too near to you, "
        "and speak to somebody if one stays with you.",
    ),
    "zh": (
        "# 标注指南\n\n给评判模型的说明与此相同，使人和模型遵循同一标准。",
        "# 如何填写\n\n"
        "每个步骤判断为 True 或 False；两个回复判断为 first、second、similar 或 neither。请独立判断："
        "同一任务大家都判断完之后，才可以互相讨论。第三位标注者只需判断题目里点名的部分。\n\n"
        "使用表格时，凡是你填写的行，请在 `annotator` 一列写上你的名字，其他文字保持原样，并保存为 CSV UTF-8。"
        "留空的行不计入。\n\n"
        "有些对话涉及丧失、暴力或自杀。请注意休息，与自己太贴近的任务可以不做；如果某段对话让你难以放下，请找人谈谈。",
    ),
}


def guidelines(language: str) -> str:
    """The guidelines in one language, in Markdown."""
    opening, forms = _FORMS[language]
    told, _, _ = load_judge_prompt(PROMPT, language).system.rpartition("\n# ")  # what follows is how a model answers
    return "\n\n".join([opening, told.strip(), forms]) + "\n"
