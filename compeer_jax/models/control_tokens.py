"""Control tokens: what a tokenizer reads as structure, wherever it stands in a text."""

import re
from functools import lru_cache
from typing import Any

# Those of the usual chat families, whatever a tokenizer lists: ChatML, Llama 2 and 3, Mistral, Gemma, Phi, DeepSeek,
# GLM, gpt-oss and what is made like them. A text may come to a model of another family later.
_FAMILIES = (
    r"<[|\uff5c][^<>\n]{1,60}?[|\uff5c]>",
    r"<(?:start|end)_of_(?:turn|image|audio|role)>",
    r"</?s>|<(?:bos|eos|pad|unk|eoh|eoa|eot|sop|mask)>",
    r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|gMASK|sMASK)\]",
    r"<</?SYS>>",
)


def special_tokens(tokenizer: Any) -> frozenset[str]:
    """Every token that the tokenizer takes for one of structure: marked special in its file, or named in its config."""
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    return frozenset({token.content for token in added.values() if token.special} | {*tokenizer.all_special_tokens})


def broken(tokenizer: Any, text: str) -> str:
    """`text` with a space inside each control token, of this tokenizer or of a usual family; no other change."""
    pattern = _pattern(special_tokens(tokenizer))
    while (harmless := pattern.sub(_with_space, text)) != text:  # what is broken may leave another behind
        text = harmless
    return text


@lru_cache
def _pattern(tokens: frozenset[str]) -> re.Pattern[str]:
    longest_first = sorted((token for token in tokens if len(token) > 1), key=lambda token: (-len(token), token))
    return re.compile("|".join([*map(re.escape, longest_first), *_FAMILIES]), re.IGNORECASE)


def _with_space(match: re.Match[str]) -> str:
    return f"{match.group()[:1]} {match.group()[1:]}"
