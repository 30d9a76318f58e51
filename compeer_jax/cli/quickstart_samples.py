"""Replies of models, side by side, to the first prompts of the first held-out talks, for people to read."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from compeer_jax.dialogue.danger.withheld import shown

if TYPE_CHECKING:
    from compeer_jax.data.policy_data import DataConfig
    from compeer_jax.data.record import Record
    from compeer_jax.generation.sampling import SamplingConfig
    from compeer_jax.models.source import ModelConfig


class Speaker(NamedTuple):
    """A model, and how it is asked.

    Attributes:
        name: what it is called on the page.
        model: it.
        data: its prompt.
        sampling: how it draws.
    """

    name: str
    model: "ModelConfig"
    data: "DataConfig"
    sampling: "SamplingConfig"


def write_replies(path: Path, speakers: Sequence[Speaker], *, count: int, seed: int) -> None:
    """Writes the page: one reply of each speaker, the first that it draws, to `count` prompts.

    Which prompts these are depends on the data alone, so that nobody chooses them by what is said. A reply that says
    what none may is named and not shown.
    """
    import jax

    from compeer_jax.chat.local_model import LocalModel
    from compeer_jax.data.policy_data import encode_prompts, load_records
    from compeer_jax.files import write_text

    records = first_of_talks(load_records(speakers[0].data, "rl").test, count)
    replies = []
    for speaker in speakers:
        model = LocalModel(speaker.model)
        prompts = encode_prompts(records, model.tokenizer, speaker.data)
        known = [record.id for record in records if record.id in prompts]
        answers = model.answers([prompts[id].tokens for id in known], jax.random.key(seed), speaker.sampling)
        replies.append(dict(zip(known, answers, strict=True)))
        model.close()
    lines = [f"# The first prompts of {count} talks, and one reply of each model\n"]
    for record in records:
        lines.append(f"## `{record.id}`\n")
        for turn in record.history:
            said = turn.content if turn.role == "seeker" else shown(turn.content, record.id)
            lines.append(f"> **{turn.role}:** {' '.join(said.split())}  ")
        for speaker, said in zip(speakers, replies, strict=True):
            if record.id in said:
                answer = said[record.id]
                cut = " (cut off)" if answer.ended == "cut" else ""
                lines.append(f"\n**{speaker.name}**{cut}\n\n{indented(shown(answer.text, record.id))}")
        lines.append("")
    write_text(path, "\n".join(lines))


def first_of_talks(records: Sequence["Record"], count: int) -> list["Record"]:
    """The first record of each of the first `count` talks."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.id.rpartition("#")[0], record)
    return list(first.values())[:count]


def indented(text: str) -> str:
    """A block of code in Markdown, which nothing in the text can end."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines() or ["(nothing)"])
