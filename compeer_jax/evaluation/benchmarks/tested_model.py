"""The model that a benchmark tests: what it is shown of a talk, and what of its output goes on to the seeker.

With its default prompt the whole output is the reply, but for a leading <think> … </think>, as reasoning models write.
With a prompt of ours the output is in a reasoning format: the reasoning is parsed off and kept, only the response goes
into the talk, so that neither the seeker, nor the scorers, nor the model itself at its next turn see it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compeer_jax.dialogue.prompts import chat_messages, load_prompt, load_task_prompt
from compeer_jax.dialogue.reasoning import ABLATIONS, FORMATS, RESPONSE, ReasoningFormat
from compeer_jax.dialogue.schema import Role
from compeer_jax.evaluation.benchmarks.config import BenchConfig, Malformed, Prompted
from compeer_jax.evaluation.benchmarks.rows import BenchTurn
from compeer_jax.generation.chat_call import Answer
from compeer_jax.generation.chat_models import ChatModel, ChatRequest

DEFAULT_PROMPT = "esc_default"
THINK = "think"
_THINK = re.compile(r"\s*<think>(.*?)</think>\s*", re.DOTALL)
_SPOKEN_BY = {"seeker": "user", "supporter": "assistant"}


@dataclass(frozen=True)
class TestedModel:
    """The tested model.

    Attributes:
        model: who answers.
        prompt: which system prompt it has.
        format_prompt: the prompt of "ours".
        system: language -> words of "own".
        malformed: what a reply in broken format is worth.
    """

    __test__ = False  # no class of tests, whatever pytest takes its name for

    model: ChatModel
    prompt: Prompted = "default"
    format_prompt: str = "compeer"
    system: Mapping[str, str] | None = None
    malformed: Malformed = "response"

    @classmethod
    def of(cls, model: ChatModel, config: BenchConfig) -> "TestedModel":
        """The tested model of a run."""
        return cls(model, config.prompt, config.format_prompt, config.system, config.malformed)

    @property
    def form(self) -> ReasoningFormat | None:
        """The format in which it is to write; None where it just replies."""
        return format_of(self.format_prompt) if self.prompt == "ours" else None

    def prompts(self, languages: Sequence[str]) -> dict[str, int | str]:
        """The prompts it is given, for settings and provenance: name and language -> version, or own words."""
        if self.prompt == "own":
            return {f"own.{language}": (self.system or {})[language] for language in languages}
        name, load = (self.format_prompt, load_prompt) if self.prompt == "ours" else (DEFAULT_PROMPT, load_task_prompt)
        return {f"{name}.{language}": load(name, language).version for language in languages}

    def request(self, turns: Sequence[BenchTurn], language: str) -> ChatRequest:
        """What it is asked: the talk so far, the seeker's turn last."""
        shown = [turn.shown for turn in turns]
        if self.prompt == "ours":
            return ChatRequest(chat_messages(shown, prompt=self.format_prompt, language=language))
        own = self.prompt == "own"
        system = (self.system or {})[language] if own else load_task_prompt(DEFAULT_PROMPT, language).system
        talk = [{"role": _SPOKEN_BY[turn.role], "content": turn.content} for turn in shown]
        return ChatRequest([*([{"role": "system", "content": system}] if system.strip() else []), *talk])

    def read(self, answer: Answer) -> BenchTurn:
        """The supporter's turn in its answer."""
        longest = self.model.settings.get("max_tokens")
        truncated = bool(longest) and answer.completion_tokens >= longest
        if self.form is None:
            return plain_turn("supporter", answer.written, truncated=truncated)
        found = self.form.parse(answer.text)
        content = found.response
        if not found.format_ok and self.malformed != "response":
            content = answer.text.strip() if self.malformed == "text" else ""
        steps = {tag: text for tag, text in found.steps.items() if text}
        return BenchTurn(
            "supporter", content, answer.text, steps, dict(found.labels), tuple(found.problems), truncated=truncated
        )


def format_of(prompt: str) -> ReasoningFormat:
    """The format that a prompt of ours (one of `PROMPTS` or `ABLATED`) asks for."""
    name = prompt.replace("_brief", "")
    return ABLATIONS.get(name) or FORMATS[name]


def plain_turn(role: Role, text: str, *, truncated: bool = False) -> BenchTurn:
    """A turn in no format of ours: all of the text but what was thought before. Thinking without an end leaves nothing
    to be said, and a turn without words has the problem "empty:response".
    """
    match, steps, problems = _THINK.match(text), {}, []
    content = text.strip()
    if match:
        content, steps = text[match.end() :].strip(), {THINK: match[1].strip()}
    elif content.startswith(f"<{THINK}>"):
        content, steps, problems = "", {THINK: content.removeprefix(f"<{THINK}>").strip()}, [f"unclosed:{THINK}"]
    if not content:
        problems.append(f"empty:{RESPONSE}")
    return BenchTurn(role, content, text, steps, problems=tuple(problems), truncated=truncated)
