"""Detection of machine-written turns: words and marks that nobody uses in a talk.

Only sure signs count. A supporter's "I hope this helps" or three pieces of advice in one breath are also how people
talk, and stay.
"""

import re

from compeer_jax.dialogue.taxonomy import LANGUAGES, Language, check_language

_MODEL = r"(?:AI|A\.I\.|artificial intelligence|(?:large )?language model|LLM|chat ?bot|virtual assistant)"
_MODEL_ZH = r"(?:AI|人工智能|大?语言模型|大模型|聊天机器人|智能助手|虚拟助手|智能体|ChatGPT|GPT)"
# Who works or studies there is no machine: "as an AI engineer", “作为人工智能专业的学生”.
_KIND = r"(?: (?:language )?(?:model|assistant|chat ?bot|program|system|companion|counsell?or|therapist|bot))?"
_KIND_ZH = r"(?:语言)?(?:模型|助手|助理|程序|系统|机器人|咨询师|心理咨询师|陪伴者)?"
_END = r"(?=\s*(?:[^\w\s]|$)|\s+(?:and|so|but|that|who|I|here|trained|developed|created|without|with no|not)\b)"
_END_ZH = r"(?=\s*(?:[^\w\s]|$|[，,。]|我|并|不|没|无法|所以|因此|但|的角度|来说|而))"

_SAYS_SO = {
    "en": re.compile(
        rf"\bas an? {_MODEL}{_KIND}{_END}"
        rf"|\bI(?:['’]m| am) (?:just |only |merely |simply )?an? {_MODEL}{_KIND}{_END}"
        r"|\b(?:my|our) (?:training data|knowledge cut-?off)\b"
        r"|\bI (?:was|am) (?:trained|created|developed) by (?:OpenAI|Anthropic|Google|Meta|Alibaba|Microsoft)\b",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        rf"作为(?:一[个名款种位])?{_MODEL_ZH}{_KIND_ZH}{_END_ZH}"
        rf"|我(?:只|仅仅)?是(?:一[个名款种位])?{_MODEL_ZH}{_KIND_ZH}{_END_ZH}"
        r"|我的训练数据|我的知识截止|我是由[^，。！？\s]{1,12}(?:训练|开发|研发)的",
        re.IGNORECASE,
    ),
}

_STOCK = {
    "en": re.compile(
        r"\bI (?:can(?:no|['’])t|am unable to|am not able to) (?:assist|help|comply|engage)(?: you)? with"
        r" (?:that|this|your) (?:request|prompt)"
        r"|\bI can(?:no|['’])t fulfill? (?:that|this|your) request"
        r"|^(?:sure|certainly|of course|absolutely)[,!.]? here(?:['’]s| is| are) (?:the|a|an|your|my) (?:\w+ ){0,3}"
        r"(?:rewritten|revised|rewrite|version|response|reply|dialogue|conversation|list|table|summary)\b",
        re.IGNORECASE | re.MULTILINE,
    ),
    "zh": re.compile(
        r"(?:抱歉|对不起)[，,][^。！？\n]{0,12}(?:无法|不能)(?:满足|完成|处理|回应|执行)(?:您|你)?的?(?:这个|这一|该)?(?:请求|要求|指令)"
        r"|^(?:好的|当然(?:可以)?)[，,！!。][^。！？\n]{0,6}以下是[^。！？\n]{0,20}(?:改写|重写|回复|对话|版本|总结|列表)",
        re.MULTILINE,
    ),
}

_MARKDOWN = re.compile(
    r"^ {0,3}#{1,6} +\S"  # a heading
    r"|^ {0,3}(?:```|~~~)"  # code
    # Bold that is a title, or twice: once is how people stress a word.
    r"|\*\*[^\s*][^*\n]{0,200}(?:(?<=[:：])\*\*|\*\*(?=\s*[:：]|[^*]{0,500}\*\*[^\s*][^*\n]{0,200}\*\*))"
    r"|^ {0,3}\|[^\n|]*\|[^\n|]*\|"  # a table
    r"|\[[^\[\]\n]{1,200}\]\(https?://"  # a link
    r"|^ {0,3}(?:-{3,}|\*{3,}) *$",  # a rule
    re.MULTILINE,
)
_ITEM = re.compile(
    r"^\s{0,8}(?:[-*•·▪●◦+]\s+|\(?\d{1,2}[.)、）]\s*|[（(][一二三四五六七八九十]{1,2}[)）]|[①-⑳])\S", re.MULTILINE
)
LIST = 3  # lines that make a list: two may be a person who answers two questions

_RESIDUE = re.compile(
    r"<\|[a-z_]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>"
    r"|<\s*(?:/\s*)?(?:history|emotion|strategy|response|context|cognition|plan|think|answer|system|user|assistant)"
    r"\s*(?:/\s*)?>"
    r"|^\s{0,8}#{2,6} ?(?:instruction|response|input|output|system|user|assistant)\b"
    r"|\$\{?(?:conversation|persona|dialogue|response|history|strategy_names|strategies)\b"
    r"|\{\{?(?:name|user|persona|dialogue|input|context|history|response)\}\}?"
    r"|\[(?:insert|your|user'?s?|seeker'?s?|client'?s?)[ _](?:name|text|response|here)[^\[\]\n]{0,40}\]"
    r"|^\s{0,8}(?:rewritten|revised) (?:dialogue|conversation|reply|version)\s*[:：]"
    r"|^\s{0,8}(?:改写后的?|重写后的?)(?:对话|回复|版本)?\s*[:：]",
    re.IGNORECASE | re.MULTILINE,
)

_MARKS = re.compile(
    r"[#`~*_|\[<{$:：-]"
)  # residue, speakers' names and Markdown have one of these: most turns have none
_ROLES = (
    r"seeker|help-?seeker|supporter|user|assistant|client|counsell?or|therapist|patient|human|system|speaker ?[12ab]"
    r"|求助者|支持者|来访者|咨询师|心理咨询师|倾诉者|倾听者|用户|助手|患者|治疗师"
)
_ROLE = re.compile(rf"^\s{{0,8}}(?:\*\*|\d{{1,3}}[.、] ?)?(?:{_ROLES})(?:\*\*)?\s?[:：]", re.IGNORECASE | re.MULTILINE)
_ROLE_ZH = re.compile(r"[。！？”](?:求助者|支持者|来访者|咨询师|心理咨询师|倾诉者|倾听者)[:：]")


def machine_like(text: str, language: Language) -> str | None:
    """Why a turn looks as if a machine wrote it, or as if more than the turn was copied; None if it doesn't.

    English signs count in every language, as models that lose their way go on in English. Linear time.

    Returns:
        "it says that it is a model", "a stock phrase of models", "markdown", "a list" (of three lines or more),
        "residue of a prompt", "a speaker's name in a turn", or None.

    Raises:
        UserError: an unknown language.
    """
    check_language(language)
    languages = [name for name in LANGUAGES if name in ("en", language)]
    if any(_SAYS_SO[name].search(text) for name in languages):
        return "it says that it is a model"
    if any(_STOCK[name].search(text) for name in languages):
        return "a stock phrase of models"
    if _MARKS.search(text):
        if _RESIDUE.search(text):
            return "residue of a prompt"
        if _ROLE.search(text) or _ROLE_ZH.search(text):
            return "a speaker's name in a turn"
        if _MARKDOWN.search(text):
            return "markdown"
    if text.count("\n") >= LIST - 1 and sum(1 for _ in _ITEM.finditer(text)) >= LIST:
        return "a list"
    return None
