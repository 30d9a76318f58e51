"""Adapter of the model that a benchmark tests: what it is shown of a talk, and what of its output the seeker hears.

Thoughts that a reasoning model writes before it speaks are taken off first (`dialogue/thoughts.py`) and kept. Under a
prompt that is not ours all of the rest is the reply. With a prompt of ours the rest is in a reasoning format: the
reasoning is parsed off and kept, only the response goes into the talk, so that neither the seeker, nor the scorers, nor
the model itself at its next turn see it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compeer_jax.benchmarks.config import BenchConfig, Malformed, Prompted
from compeer_jax.benchmarks.dialogues import BenchTurn
from compeer_jax.chat.types import Answer, ChatModel, ChatRequest
from compeer_jax.dialogue.material import harmless
from compeer_jax.dialogue.prompts import load_prompt, load_task_prompt
from compeer_jax.dialogue.reasoning import OUTPUT_FORMATS, RESPONSE, ReasoningFormat
from compeer_jax.dialogue.schema import Role
from compeer_jax.dialogue.talk import chat_messages
from compeer_jax.dialogue.thoughts import Spoken, spoken

PLAIN_PROMPT = "esc_plain"
THINK = "think"
_SPOKEN_BY = {"seeker": "user", "supporter": "assistant"}


@dataclass(frozen=True)
class TestedModel:
    """The tested model.

    Attributes:
        model: who answers.
        prompt: which system prompt it has.
        format_prompt: the prompt of "ours".
        system: language -> words of "own", or words before those of "ours".
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
        """The prompts it is given, for settings and provenance: name and language -> version, or own words.

        None for the model's default, which is its chat template's matter.
        """
        own = {f"own.{language}": self.system[language] for language in languages} if self.system else {}
        if self.prompt == "ours":
            own |= {f"{self.format_prompt}.{one}": load_prompt(self.format_prompt, one).version for one in languages}
        if self.prompt == "plain":
            own |= {f"{PLAIN_PROMPT}.{one}": load_task_prompt(PLAIN_PROMPT, one).version for one in languages}
        return own

    def request(self, turns: Sequence[BenchTurn], language: str) -> ChatRequest:
        """What it is asked: the talk so far, the seeker's turn last."""
        shown = [turn.shown for turn in turns]
        talk = [{"role": _SPOKEN_BY[turn.role], "content": harmless(turn.content)} for turn in shown]
        texts = [self.system[language]] if self.system else []
        if self.prompt == "ours":
            ours, *talk = chat_messages(shown, prompt=self.format_prompt, language=language)
            texts.append(ours["content"])
        if self.prompt == "plain":
            texts.append(load_task_prompt(PLAIN_PROMPT, language).system)
        system = "\n\n".join(filter(str.strip, texts))
        return ChatRequest([*([{"role": "system", "content": system}] if system else []), *talk])

    def read(self, answer: Answer) -> BenchTurn:
        """The supporter's turn in its answer."""
        truncated = answer.ended == "cut"
        if self.form is None:
            return plain_turn("supporter", answer.written, truncated=truncated)
        said = spoken(answer.written)
        thoughts, problems = _thought(said)
        found = self.form.parse(said.text)
        content = found.response
        if not found.format_ok and self.malformed != "response":
            content = said.text.strip() if self.malformed == "text" else ""
        steps = thoughts | {tag: text for tag, text in found.steps.items() if text}
        problems += found.problems
        return BenchTurn(
            "supporter", content, answer.written, steps, dict(found.labels), tuple(problems), truncated=truncated
        )


def format_of(prompt: str) -> ReasoningFormat:
    """Output format of a prompt of ours (one of `PROMPTS` or `ABLATED`)."""
    return OUTPUT_FORMATS[prompt.replace("_brief", "")]


def plain_turn(role: Role, text: str, *, truncated: bool = False) -> BenchTurn:
    """A turn in no format of ours: all of the text but what was thought before. Thinking without an end leaves nothing
    to be said, and a turn without words has the problem "empty:response".
    """
    said = spoken(text)
    thoughts, problems = _thought(said)
    content = said.text.strip()
    if not content:
        problems.append(f"empty:{RESPONSE}")
    return BenchTurn(role, content, text, thoughts, problems=tuple(problems), truncated=truncated)


def _thought(said: Spoken) -> tuple[dict[str, str], list[str]]:
    """What was thought, as a step, and what is wrong with that."""
    thoughts = {THINK: said.thoughts} if said.thoughts else {}
    return thoughts, [f"unclosed:{THINK}"] if said.open else []
