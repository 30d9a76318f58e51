"""The judge's conversations as tokens: what it reads, round by round, and what it learns to write.

All chats about one prompt begin with the same ids, up to the end of the conversation with the seeker: a generative
judge reads those once for all outputs of a group and all its rounds. What comes after them has a length that is known
beforehand (`ask_bound`), so that compiled programs have one shape.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from compeer_jax.data.chat import Example, Prompt, joined_example, read_messages
from compeer_jax.data.judge_record import JudgeRecord, check_labelled
from compeer_jax.data.pictures import PictureLimits, inspect_picture, shown_pictures
from compeer_jax.dialogue.judging import JudgeCase, JudgeKind, PRMCalls, conversations, judge_asks, judge_reply
from compeer_jax.dialogue.picture_parts import is_picture
from compeer_jax.dialogue.reasoning import FORMATS, RESPONSE, ReasoningFormat
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import LANGUAGES, Language
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.models.chat_template import ANSWER_HEADER, TURN_END
from compeer_jax.models.control_tokens import defuse

CUT = " … "  # stands for what was cut out
HALF = "\ufffd"  # what is read where a cut goes through a character
SHORT_HISTORY = (Turn("seeker", "?"),)  # where no other is known
JUDGED = "the talk that is judged"  # where a picture is that turns out to be none
SLACK = 8  # tokens that texts may have more side by side than apart, and that frame a message


@dataclass(frozen=True)
class JudgeLimits:
    """Limits of a judge: how it is asked, and how much it reads.

    Args:
        prompt: name of the judge's prompt; "judge_brief" is for small models with a short context.
        max_history_tokens: the most that the conversation may have; its oldest turns are dropped until it fits. That
            depends on the conversation alone, so all outputs of a prompt are judged after the same one.
        max_part_tokens: the most that a step or an answer may have. A longer one is never shown, not even a part of it:
            an output's counts as wrong, and records with one are not learned from.
        pictures: how many of the seeker's pictures the conversation shows, and how large; their tokens are part of it.
            Without any, a word stands for each.
    """

    prompt: str = "judge"
    max_history_tokens: int = 1536
    max_part_tokens: int = 1024
    pictures: PictureLimits = field(default_factory=PictureLimits)

    def __post_init__(self):
        require_at_least(16, self, "judge limit ", "max_history_tokens", "max_part_tokens")


def ask_tokens(tokenizer, case: JudgeCase, rounds: Sequence[str], limits: JudgeLimits) -> list[list[int]]:
    """The ids of each round's ask, up to where the judge's reply begins.

    The first holds system prompt, conversation and question. A later one begins with the <|im_end|> that closes the
    reply before. So asks and replies in turn are the chat template's ids of the whole talk.

    Args:
        case: what is rated; its steps and answers are shown whole, however long.
        rounds: tags of steps, "response" for the answers; see `dialogue.judging.conversations`.
        limits: the prompt, and how much of the conversation is shown. Where no part has more than `max_part_tokens`
            (`without_long_parts`), an ask has at most `ask_bound(limits, tokenizer)` after the ids that all outputs of
            a prompt share.

    Raises:
        UserError: see `dialogue.judging.judge_asks`.
    """
    return [ask.tokens for ask in read_asks(tokenizer, case, rounds, limits)]


def read_asks(tokenizer, case: JudgeCase, rounds: Sequence[str], limits: JudgeLimits) -> list[Prompt]:
    """As `ask_tokens`, with the pictures that an ask shows: those of the conversation, in the first one."""
    return _asks(tokenizer, _fit_history(tokenizer, case, limits), rounds, limits)[0]


def part_sizes(tokenizer, case: JudgeCase, tag: str, prompt: str) -> tuple[int, ...]:
    """Tokens of what round `tag` shows, as it is shown there: of the step, or of the first and the second answer."""
    shown = [case]
    if tag == RESPONSE:
        first, second = case.responses
        shown = [replace(case, responses=(first, "")), replace(case, responses=("", second))]
    frame = _frame_size(tokenizer, case.language, tag, prompt)
    return tuple(max(0, _question_size(tokenizer, one, tag, prompt) - frame) for one in shown)


def without(case: JudgeCase, tag: str) -> JudgeCase:
    """The case with "" in place of what round `tag` shows."""
    return replace(case, responses=("", "")) if tag == RESPONSE else replace(case, steps={**case.steps, tag: ""})


def without_long_parts(
    tokenizer, case: JudgeCase, rounds: Sequence[str], limits: JudgeLimits
) -> tuple[JudgeCase, dict[str, int]]:
    """The case with "" in place of each part of these rounds that has more than `limits.max_part_tokens` as shown, and
    the tokens that each round has left to show."""
    sizes = {}
    for tag in rounds:
        parts = part_sizes(tokenizer, case, tag, limits.prompt)
        fits = [size <= limits.max_part_tokens for size in parts]
        if tag == RESPONSE:
            first, second = (text if fit else "" for text, fit in zip(case.responses, fits, strict=True))
            case = replace(case, responses=(first, second))
        elif not all(fits):
            case = without(case, tag)
        sizes[tag] = sum(size for size, fit in zip(parts, fits, strict=True) if fit)
    return case, sizes


@functools.lru_cache(maxsize=16)
def ask_bound(limits: JudgeLimits, tokenizer) -> int:
    """The most ids that any round's ask can have after the conversation, in any language and format."""
    parts = dict.fromkeys(tag for format in FORMATS.values() for tag in format.tags)
    longest = 0
    for language in LANGUAGES:
        steps = dict.fromkeys(parts, "")
        case = JudgeCase(language, SHORT_HISTORY, steps, ("", ""))
        _, sizes = _asks(tokenizer, case, (RESPONSE, *parts), limits)
        for tag, size in zip(parts, sizes[1:], strict=True):
            longest = max(longest, size + limits.max_part_tokens * (2 if tag == RESPONSE else 1))
    return longest + SLACK


def judge_examples(
    tokenizer,
    record: JudgeRecord,
    kind: JudgeKind,
    format: ReasoningFormat,
    limits: JudgeLimits,
    *,
    swapped: bool,
    prm_calls: PRMCalls = "apart",
) -> list[Example]:
    """What a judge of this kind learns from a record: an example a conversation, all of the judge's turns train.

    A process reward model learns from the steps whose labels are known; it isn't asked about the others.

    Args:
        swapped: show the answers in the other order.
        prm_calls: see `dialogue.judging.conversations`.

    Raises:
        UserError: the record lacks a step of the format, or the labels that this kind learns from.
    """
    for step in format.steps:
        if step.tag not in record.steps:
            raise UserError(f"{record.id}: there is no step {step.tag!r}, which the format {format.name!r} has.")
    check_labelled(record, kind)
    case = record.case(swapped)
    chats = conversations(kind, format, prm_calls)
    known = [tuple(tag for tag in rounds if record.verdict(tag) is not None) for rounds in chats]
    return [_example(tokenizer, record, case, rounds, limits, swapped) for rounds in known if rounds]


def reply_tokens(tokenizer, record: JudgeRecord, tag: str, *, swapped: bool) -> list[int]:
    """The ids of the reply that the judge should write in round `tag`, <|im_end|> included."""
    reply = judge_reply(record.critique(tag, swapped), record.verdict(tag, swapped))
    return tokenizer(defuse(tokenizer, reply) + TURN_END, add_special_tokens=False)["input_ids"]


def _example(tokenizer, record: JudgeRecord, case: JudgeCase, rounds, limits: JudgeLimits, swapped: bool) -> Example:
    parts = []
    asks = read_asks(tokenizer, case, rounds, limits)
    for index, (tag, ask) in enumerate(zip(rounds, asks, strict=True)):
        parts.append((ask.tokens[1:] if index else ask.tokens, False))  # the reply before has its <|im_end|> already
        parts.append((reply_tokens(tokenizer, record, tag, swapped=swapped), True))
    return joined_example(parts, asks[0].pictures)


def _asks(tokenizer, case: JudgeCase, rounds: Sequence[str], limits: JudgeLimits) -> tuple[list[Prompt], list[int]]:
    """Each ask, and how many of its ids come after the conversation."""
    messages, contents = judge_asks(case, rounds, prompt=limits.prompt, pictures=limits.pictures.most > 0)
    for content in contents:
        messages += [{"role": "user", "content": content}, {"role": "assistant", "content": ""}]
    *pieces, _ = read_messages(tokenizer, messages, limits.pictures, JUDGED)
    header = tokenizer(ANSWER_HEADER, add_special_tokens=False)["input_ids"]
    system, users, replies = pieces[0].tokens, pieces[1::2], pieces[2::2]
    asks = [Prompt([*system, *users[0].tokens, *header], users[0].pictures)]
    asks += [
        Prompt([*reply.tokens[len(header) :], *user.tokens, *header])
        for reply, user in zip(replies, users[1:], strict=True)
    ]
    before = len(system) + _conversation_size(tokenizer, case, limits)
    return asks, [len(asks[0].tokens) - before, *(len(ask.tokens) for ask in asks[1:])]


def _conversation_size(tokenizer, case: JudgeCase, limits: JudgeLimits) -> int:
    """Tokens of the conversation as the first ask shows it, pictures included."""
    settings = {"prompt": limits.prompt, "pictures": limits.pictures.most > 0}
    _, (first, question) = judge_asks(case, (RESPONSE, RESPONSE), **settings)
    if isinstance(first, str):
        return _count(tokenizer, defuse(tokenizer, first.removesuffix(question).strip()))
    *parts, last = first  # a picture is a token of its own at its start and at its end, so texts can be counted apart
    parts.append({**last, "text": last["text"].removesuffix(question).rstrip()})
    return sum(
        limits.pictures.tokens(inspect_picture(part["image"], JUDGED)) + 2
        if is_picture(part)
        else _count(tokenizer, defuse(tokenizer, part["text"]))
        for part in parts
    )


def _fit_history(tokenizer, case: JudgeCase, limits: JudgeLimits) -> JudgeCase:
    """The case without its oldest turns, as few as need be; a last turn that is too long alone loses its first pictures
    and its middle."""

    def size(history: tuple[Turn, ...]) -> int:
        return _conversation_size(tokenizer, replace(case, history=history), limits)

    def fits(history: tuple[Turn, ...]) -> bool:
        seen = len(shown_pictures(history)) if most_pictures else 0
        return seen <= most_pictures and size(history) <= most

    history, most, most_pictures = case.history, limits.max_history_tokens, limits.pictures.most
    if fits(history):
        return case
    low, high = 0, len(history) - 1
    while low < high:  # the first turn that stays is among these
        start = (low + high) // 2
        low, high = (low, start) if fits(history[start:]) else (start + 1, high)
    history = history[low:]
    if most_pictures and not fits(history):
        images = history[-1].images[-most_pictures:]
        while images and size((replace(history[-1], content="", images=images),)) > most:
            images = images[1:]
        history = (replace(history[-1], images=images),)
    last, room = history[-1], most
    while room and size(history) > most:
        history = (replace(last, content=_clip(tokenizer, last.content, room) or CUT.strip()),)
        room = max(0, room - max(1, size(history) - most))
    return replace(case, history=history)


@functools.lru_cache(maxsize=64)
def _frame_size(tokenizer, language: Language, tag: str, prompt: str) -> int:
    """Tokens of what a round asks when there is nothing to be shown."""
    return _question_size(tokenizer, JudgeCase(language, SHORT_HISTORY, {tag: ""}, ("", "")), tag, prompt)


def _question_size(tokenizer, case: JudgeCase, tag: str, prompt: str) -> int:
    """Tokens of what round `tag` asks, without the conversation."""
    _, (_, question) = judge_asks(replace(case, history=SHORT_HISTORY), (tag, tag), prompt=prompt)
    return _count(tokenizer, defuse(tokenizer, question))


def _clip(tokenizer, text: str, room: int) -> str:
    """`text` in at most `room` tokens: start and end stay."""
    text = defuse(tokenizer, text.strip())
    ids = tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
    if len(ids) <= room:
        return text
    keep = room // 2
    while keep > 0:
        start, end = (tokenizer.decode(part) for part in (ids[:keep], ids[-keep:]))
        clipped = start.rstrip(HALF).rstrip() + CUT + end.lstrip(HALF).lstrip()
        excess = _count(tokenizer, clipped) - room
        if excess <= 0:
            return clipped
        keep -= (excess + 1) // 2
    return ""


def _count(tokenizer, text: str) -> int:
    return len(tokenizer([text], add_special_tokens=False)["input_ids"][0])  # a list's texts may be remembered
