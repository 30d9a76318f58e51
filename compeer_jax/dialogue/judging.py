"""The judge's conversation: what a generative judge is shown and asked, and how its replies are written.

A judge reads the conversation with the seeker once, then rates in rounds: one for each reasoning step, one for the
response beside a reference. UnifiReward ("unifi") goes through all rounds in one chat, so that later verdicts see the
earlier ones; the process reward model ("prm") judges the steps alone, each in a chat of its own or all in one; the
outcome reward model ("orm") judges the response alone. In every kind the conversation stands in the first message,
before the first question: all chats about one prompt begin with the same text, which needs to be read only once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from string import Template
from typing import Literal, get_args

from compeer_jax.dialogue.material import harmless
from compeer_jax.dialogue.picture_parts import PICTURE_WORDS, Content, Part, content_of, picture_part
from compeer_jax.dialogue.prompts import JudgePrompt, load_judge_prompt
from compeer_jax.dialogue.reasoning import RESPONSE, ReasoningFormat
from compeer_jax.dialogue.schema import Turn, merge_adjacent
from compeer_jax.dialogue.talk import SPEAKERS, check_history, one_line
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import unknown

Preference = Literal["first", "second", "similar", "neither"]
PREFERENCES: tuple[Preference, ...] = get_args(Preference)

JudgeKind = Literal["unifi", "prm", "orm"]
JUDGE_KINDS: tuple[JudgeKind, ...] = get_args(JudgeKind)

PRMCalls = Literal["apart", "together"]
PRM_CALLS: tuple[PRMCalls, ...] = get_args(PRMCalls)

_NOTHING = {"en": "(nothing)", "zh": "（空）"}


@dataclass(frozen=True)
class JudgeCase:
    """What a judge is shown.

    Attributes:
        language: of the conversation, the questions and the critiques.
        history: the turns so far; the last one is the seeker's.
        steps: tag -> the step with its labelled line (`ReasoningFormat.section`); "" when the output lacks it.
        responses: two replies in the order shown, the first and the second.
    """

    language: Language
    history: tuple[Turn, ...]
    steps: Mapping[str, str]
    responses: tuple[str, str]

    def swapped(self) -> "JudgeCase":
        """The same case with the replies in the other order."""
        first, second = self.responses
        return replace(self, responses=(second, first))


def swap_preference(preference: Preference) -> Preference:
    """What `preference` is called when the replies change places."""
    return {"first": "second", "second": "first"}.get(preference, preference)


def conversations(
    kind: JudgeKind, format: ReasoningFormat, prm_calls: PRMCalls = "apart"
) -> tuple[tuple[str, ...], ...]:
    """The rounds of each chat that a judge of this kind has about one output: tags of `format`, "response" included.

    Args:
        kind: of judge.
        format: of the output.
        prm_calls: whether a process reward model judges each step in a chat of its own, or all of them in one.
    """
    steps = format.tags[:-1]
    apart = tuple((tag,) for tag in steps)
    chats = {"unifi": (format.tags,), "prm": (steps,) if prm_calls == "together" else apart, "orm": ((RESPONSE,),)}
    if kind not in chats:
        raise unknown("kind of judge", kind, JUDGE_KINDS)
    return chats[kind]


def judge_asks(
    case: JudgeCase, rounds: Sequence[str], *, prompt: str, pictures: bool = False
) -> tuple[list[dict], list[Content]]:
    """What a judge is told and asked in a chat of these rounds.

    Args:
        case: what is rated.
        rounds: tags of steps, "response" for the replies; at least one. See `conversations`.
        prompt: name of the judge's prompt, one of `JUDGE_PROMPTS`.
        pictures: show the seeker's pictures, as `picture_parts` has them; any other has the word for one in its place.

    Returns:
        The messages that come before, that is the system prompt, and the user's content of each round. The first
        content is the conversation followed by its round's question, the others are questions alone.

    Raises:
        UserError: for a history that can't be answered, an unknown prompt or language, a round that the prompt or the
            case doesn't have.
    """
    check_history(case.history)
    texts = load_judge_prompt(prompt, case.language)
    first, *others = [_question(case, tag, texts) for tag in rounds]
    before, after = texts.conversation.split("$conversation")
    first = content_of([before, *_talk(case, pictures), f"{after}\n\n{first}"])
    return [{"role": "system", "content": texts.system}], [first, *others]


def judge_messages(
    case: JudgeCase,
    rounds: Sequence[str],
    *,
    prompt: str,
    replies: Sequence[str] = (),
    pictures: bool = False,
) -> list[dict]:
    """The chat as messages for a server, given the judge's replies so far.

    Ends with the ask that waits for an answer, or with the last reply when every round has one.
    """
    messages, asks = judge_asks(case, rounds, prompt=prompt, pictures=pictures)
    if len(replies) > len(asks):
        raise ValueError(f"{len(replies)} replies to {len(asks)} rounds")
    for index, ask in enumerate(asks[: len(replies) + 1]):
        messages.append({"role": "user", "content": ask})
        messages += [{"role": "assistant", "content": reply} for reply in replies[index : index + 1]]
    return messages


def judge_reply(critique: str, verdict: bool | Preference) -> str:
    """A reply as the judge should write it; its verdict line is the same in all languages. No critique, no line."""
    return f"{harmless(critique.strip())}\nVerdict: {verdict}".lstrip("\n")


def _question(case: JudgeCase, tag: str, texts: JudgePrompt) -> str:
    if tag not in texts.questions:
        raise unknown("round", tag, texts.questions, f"judge prompt {texts.name!r}")
    if tag == RESPONSE:
        first, second = (_shown(response, case.language) for response in case.responses)
        return Template(texts.questions[tag]).substitute(first=first, second=second)
    if tag not in case.steps:
        raise unknown("step", tag, case.steps, "the case to be judged")
    return Template(texts.questions[tag]).substitute(step=_shown(case.steps[tag], case.language))


def _talk(case: JudgeCase, pictures: bool) -> Iterator[str | Part]:
    """The conversation, a line a turn, so that no turn can pose as another."""
    turns, _ = merge_adjacent(case.history)
    for index, turn in enumerate(turns):
        words = one_line(turn.content)
        yield "\n" * (index > 0) + SPEAKERS[case.language][turn.role] + words
        for place, path in enumerate(turn.images):
            yield " " * bool(words or place)
            shown = pictures and turn.role == "seeker"
            yield picture_part(path, case.language) if shown else PICTURE_WORDS[case.language]


def _shown(text: str, language: Language) -> str:
    return harmless(text.strip()) or _NOTHING[language]
