"""A talk as chat messages for the model that is to answer, or as plain text for one that is asked about it."""

from collections.abc import Sequence

from compeer_jax.dialogue.material import harmless
from compeer_jax.dialogue.picture_parts import Content, content_of, picture_part
from compeer_jax.dialogue.prompts import load_prompt
from compeer_jax.dialogue.schema import Turn, merge_adjacent
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import UserError

SPEAKERS = {
    "en": {"seeker": "Seeker: ", "supporter": "Supporter: "},
    "zh": {"seeker": "求助者：", "supporter": "支持者："},
}
_SITUATION = {"en": "The seeker's situation: ", "zh": "求助者的处境："}
_CHAT_ROLES = {"seeker": "user", "supporter": "assistant"}


def check_history(history: Sequence[Turn]) -> None:
    """Raises UserError unless the history can be answered: the seeker spoke last."""
    if not history:
        raise UserError("the history is empty: a supporter can only answer after the seeker has spoken.")
    if history[-1].role != "seeker":
        raise UserError(
            "the history ends with the supporter: leave out its last turn, so that it ends with the seeker."
        )


def chat_messages(
    history: Sequence[Turn],
    *,
    prompt: str,
    language: str,
    situation: str | None = None,
    instructions: str = "",
    pictures: bool = False,
) -> list[dict[str, Content]]:
    """The talk so far as chat messages, ready for the supporter's next turn.

    Args:
        history: the turns so far; neighbours of one role are merged.
        prompt: name of the system prompt, one of `PROMPTS`.
        language: the prompt's language.
        situation: what the seeker wrote of their situation before the talk, if it is to be shown.
        instructions: for this turn, added to the system prompt.
        pictures: show the seeker's pictures, before the words that they come with, as `picture_parts` has them.

    Returns:
        `{"role", "content"}` for the system, then `user` for the seeker's turns and `assistant` for the supporter's.

    Raises:
        UserError: if the history is empty or does not end with the seeker, or the prompt or language is unknown.
    """
    check_history(history)
    system = load_prompt(prompt, language).text
    if situation:
        system += f"\n\n{_SITUATION[language]}{harmless(situation.strip())}"
    if instructions:
        system += f"\n\n{instructions}"
    turns, _ = merge_adjacent(history)
    talk = [{"role": _CHAT_ROLES[turn.role], "content": _content(turn, language, pictures)} for turn in turns]
    return [{"role": "system", "content": system}, *talk]


def _content(turn: Turn, language: Language, pictures: bool) -> Content:
    """A turn's words and, if they are to be shown, the seeker's pictures before them."""
    shown = turn.images if pictures and turn.role == "seeker" else ()
    return content_of([*(picture_part(path, language) for path in shown), harmless(turn.content)])


def talk_text(turns: Sequence[Turn], language: Language, *, numbered: bool = False) -> str:
    """The talk, a line a turn with its speaker, so that no turn can pose as another.

    Args:
        turns: neighbours of one role are merged, unless the lines are numbered.
        language: of the speakers' names.
        numbered: whether each line begins with the number of its turn, from 1.
    """
    shown = turns if numbered else merge_adjacent(turns)[0]
    lines = (SPEAKERS[language][turn.role] + one_line(turn.content) for turn in shown)
    return "\n".join(f"{number}. {line}" if numbered else line for number, line in enumerate(lines, start=1))


def one_line(text: str) -> str:
    """`text` on one line, made harmless."""
    return harmless(" ".join(filter(None, map(str.strip, text.splitlines()))))
