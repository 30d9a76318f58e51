"""A talk as plain text within a message, safe to be shown to a model that is asked about it."""

from collections.abc import Sequence

from compeer_jax.dialogue.material import harmless
from compeer_jax.dialogue.schema import Turn, merge_adjacent
from compeer_jax.dialogue.taxonomy import Language

SPEAKERS = {
    "en": {"seeker": "Seeker: ", "supporter": "Supporter: "},
    "zh": {"seeker": "求助者：", "supporter": "支持者："},
}


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
