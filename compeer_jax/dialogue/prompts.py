"""Prompts, read from files: system prompts of talks, prompts of judges and of tasks.

Each prompt is a file `prompts/<name>.<language>.md`. Its first line names its version:

    <!-- compeer, en, version 1 -->

The words `$stages`, `$stage_names` and so on stand for the taxonomy's lists, with definitions and without, and
`$conduct` for the rules of conduct and safety that all long prompts share, so that none of these is copied.

A task's prompt has the parts `system` and `user`, each below its line `<!-- system -->`.

A judge's prompt has parts, each below a line such as `<!-- system -->`: the system prompt, the frame of the
conversation, and the question of each kind of round. What a round shows (`$conversation`, `$step`, `$first`, `$second`)
is filled in by `judging.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from string import Template

from compeer_jax.dialogue.material import harmless
from compeer_jax.dialogue.reasoning import CARE, OUTPUT_FORMATS
from compeer_jax.dialogue.taxonomy import (
    EMOTIONS,
    INTENSITIES,
    SENTIMENTS,
    STAGES,
    STRATEGIES,
    Language,
    check_language,
)
from compeer_jax.errors import unknown

PROMPTS = ("compeer", "care", "plain", "compeer_brief", "care_brief", "plain_brief")
ABLATED = tuple(f"{name}_no_{tag}" for name in ("care", "care_brief") for tag in CARE.tags[:-1])  # one node left out
JUDGE_PROMPTS = ("judge", "judge_brief")
TASK_PROMPTS = (
    "coherence",
    "traits",
    "rewrite",
    "rewrite_persona",
    "rewrite_steps",
    "strategy",
    "care_chain",
    "care_coherence",
    "sage_planner",
    "sage_agent",
    "esc_score",
    "danger_rubric",
)
ROLE_PROMPTS = ("esc_plain", "esc_role", "seeker_place")  # of who takes part in a talk: a system prompt, then the talk
_LISTS = {
    "stage": STAGES,
    "sentiment": SENTIMENTS,
    "emotion": EMOTIONS,
    "intensity": INTENSITIES,
    "strategy": STRATEGIES,
}
_PLURALS = {"intensity": "intensities", "strategy": "strategies"}
_NUMBERS = {"en": ("no", "one", "two", "three", "four", "five"), "zh": ("零", "一", "两", "三", "四", "五")}
_COMMAS = {"en": ", ", "zh": "、"}


@dataclass(frozen=True)
class Prompt:
    """A system prompt with its lists filled in. A changed text has a higher version."""

    name: str
    language: Language
    version: int
    text: str


@dataclass(frozen=True)
class JudgePrompt:
    """A judge's prompt. A changed text has a higher version.

    Attributes:
        system: the whole system prompt.
        conversation: the frame of the conversation, around one `$conversation`.
        questions: tag of a round -> its question, with `$step`, or `$first` and `$second` for the response.
    """

    name: str
    language: Language
    version: int
    system: str
    conversation: str
    questions: Mapping[str, str]


@dataclass(frozen=True)
class TaskPrompt:
    """Prompt of a task of one step. A changed text has a higher version.

    Attributes:
        version: of a prompt of ours; "sha256:…" of one from a file.
        system: the whole system prompt; "" for none.
        user: the question, with a word with a dollar sign for each thing that it shows.
        more: further parts of the file by name, such as the definitions of what is scored.
    """

    name: str
    language: Language
    version: int | str
    system: str
    user: str
    more: Mapping[str, str] = field(default_factory=dict, hash=False)

    def messages(self, **shown: str) -> list[dict[str, str]]:
        """The chat that asks; each word with a dollar sign stands for what is given under its name, made harmless."""
        content = Template(self.user).substitute({name: harmless(text) for name, text in shown.items()})
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": content}]


def check_prompt(name: str, format: str, group: str) -> None:
    """UserError unless the prompt asks for the format that outputs are read in; `group` has both settings in it."""
    asking = [prompt for prompt in PROMPTS + ABLATED if prompt.replace("_brief", "") == format]
    if name not in asking:
        raise unknown("prompt", name, asking, f"{group}.prompt, with the format {format}")


@cache
def load_prompt(name: str, language: str) -> Prompt:
    """The prompt `name` (of `PROMPTS` or `ABLATED`) in `language`; UserError for an unknown name or language."""
    if name not in PROMPTS + ABLATED:
        raise unknown("prompt", name, PROMPTS + ABLATED)
    check_language(language)
    file, _, left_out = name.partition("_no_")
    version, template = read_prompt(file, language)
    steps = len(OUTPUT_FORMATS[file.removesuffix("_brief")].steps) - bool(left_out)
    if left_out:
        template = _without(template, left_out)
    template = re.sub(r"\[\[\w+: (.*?)\]\]", r"\1", template, flags=re.DOTALL)
    numbers = {"step_count": _NUMBERS[language][steps], "part_count": _NUMBERS[language][steps + 1]}
    return Prompt(name, language, version, Template(template).substitute(_fields(language) | numbers).strip())


@cache
def load_judge_prompt(name: str, language: str) -> JudgePrompt:
    """The judge's prompt `name` (one of `JUDGE_PROMPTS`); UserError for an unknown name or language."""
    if name not in JUDGE_PROMPTS:
        raise unknown("judge prompt", name, JUDGE_PROMPTS)
    check_language(language)
    version, texts = _parts(name, language)
    return JudgePrompt(name, language, version, texts.pop("system"), texts.pop("conversation"), texts)


@cache
def load_task_prompt(name: str, language: str) -> TaskPrompt:
    """The prompt `name` (one of `TASK_PROMPTS` or `ROLE_PROMPTS`) in `language`; UserError for an unknown one."""
    if name not in TASK_PROMPTS + ROLE_PROMPTS:
        raise unknown("task prompt", name, TASK_PROMPTS + ROLE_PROMPTS)
    check_language(language)
    version, texts = _parts(name, language)
    return TaskPrompt(name, language, version, texts.pop("system"), texts.pop("user", ""), texts)


def _fields(language: str) -> dict[str, str]:
    """What the words with a dollar sign stand for."""
    fields = {"conduct": read_prompt("conduct", language)[1].strip()}
    for kind, category in _LISTS.items():
        fields[f"{kind}_names"] = _COMMAS[language].join(category.names(language))
        fields[_PLURALS.get(kind, f"{kind}s")] = category.describe(language)
    return fields


def _without(template: str, tag: str) -> str:
    """A prompt without step `tag`: its block of lines in a long one, its tag in the list of a brief one, and what
    stands in [[tag: …]] because it speaks of that step."""
    pattern = rf"^<{tag}>\n.*?^</{tag}>\n|<{tag}>(?:, |、)|(?:, |、)<{tag}>|\[\[{tag}: .*?\]\]"
    return re.sub(pattern, "", template, flags=re.MULTILINE | re.DOTALL)


def _parts(name: str, language: str) -> tuple[int, dict[str, str]]:
    """A prompt's version and its parts by name, lists filled in, with whatever else has a dollar sign."""
    version, template = read_prompt(name, language)
    _, *parts = re.split(r"^<!-- (\w+) -->$", Template(template).safe_substitute(_fields(language)), flags=re.MULTILINE)
    return version, {part: text.strip() for part, text in zip(parts[::2], parts[1::2], strict=True)}


def read_prompt(name: str, language: str) -> tuple[int, str]:
    """A prompt file's version and its text, not yet filled in."""
    text = resources.files(__package__).joinpath("prompts", f"{name}.{language}.md").read_text(encoding="utf-8")
    header, _, body = text.partition("\n")
    match = re.fullmatch(rf"<!-- {name}, {language}, version (\d+) -->", header.strip())
    if match is None:
        raise ValueError(f"prompts/{name}.{language}.md must begin with '<!-- {name}, {language}, version N -->'")
    return int(match[1]), body
