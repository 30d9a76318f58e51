"""Making the sheet on which a person decides what may be learned from of dialogues with danger."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from compeer_jax.data.cer_folder import RL, SFT, TRAIN, cer_folder
from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.danger import Talk, dangers, dialogue_talk, kinds_in, level_name, record_talk
from compeer_jax.data.danger_sheet import Review, read_sheet
from compeer_jax.data.jsonl import read_jsonl, write_jsonl
from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.data.record import Record
from compeer_jax.errors import UserError


@dataclass(frozen=True)
class DangerSheetConfig:
    """Dialogues with danger, for a person to look at.

    Args:
        data: what `data.path` of training is, or `records` of a judge's.
        roles: whose turns are those of a role, beside the usual names, as `data.roles`.
        reviewed: an earlier sheet; what was decided there holds for dialogues that haven't changed since.
        output: the sheet to write; one that is there is never written over.
    """

    data: str = "sample"
    roles: dict[str, str] = field(default_factory=dict)
    reviewed: str = ""
    output: str = "sheet.jsonl"


def make_sheet(config: DangerSheetConfig) -> str:
    """Writes the sheet; returns a sentence for the person who asked for it.

    A corpus is looked at as a whole, however it will be split; of a dataset, all that is learned from.

    Raises:
        UserError: the data or the earlier sheet can't be read or is malformed, or the sheet is there already.
    """
    output = Path(config.output).expanduser()
    if output.exists():
        raise UserError(
            f"{output} is there already, and may hold decisions; name another output, and {output} as --reviewed to "
            "take its decisions over."
        )
    before = read_sheet(config.reviewed) if config.reviewed else {}
    talks: dict[str, list[Talk]] = {}
    for talk in _talks(config):
        talks.setdefault(talk.id, []).append(talk)
    found = dangers(talk for of_dialogue in talks.values() for talk in of_dialogue)
    if not found:
        return f"No dialogue of {config.data} tells of danger, so there is nothing to look at, and no sheet."
    reviews = [_with_decision(_review(talks[id], kinds), before.get(id)) for id, kinds in found.items()]
    write_jsonl(output, (review.to_json() for review in reviews))
    open_ones = sum(review.decision is None for review in reviews)
    return (
        f"{output}: {len(reviews):,} of {len(talks):,} dialogues of {config.data} tell of danger, {open_ones:,} of "
        'them are to be looked at. Set "decision" of each to "train" or "leave_out" and "by" to your name, then name '
        "the file in data.reviewed."
    )


def _talks(config: DangerSheetConfig) -> Iterator[Talk]:
    folder = cer_folder(config.data)
    if folder is not None:
        for path in sorted(folder.glob(f"*/{TRAIN}*.jsonl")):
            if path.stat().st_size:
                yield from _record_talks(path, Record if path.parent.name in (SFT, RL) else JudgeRecord)
    elif _holds_judge_records(config.data):
        yield from _record_talks(Path(config.data).expanduser(), JudgeRecord)
    else:
        yield from map(dialogue_talk, read_corpus(config.data, roles=config.roles)[0])


def _record_talks(path: Path, form: type[Record] | type[JudgeRecord]) -> Iterator[Talk]:
    return (record_talk(form.from_json(obj, where)) for where, obj in read_jsonl(path))


def _holds_judge_records(path: str) -> bool:
    """Whether the file's first line is a judge record; what can't be read is no such file."""
    if not Path(path).expanduser().is_file():
        return False
    try:
        _, first = next(read_jsonl(path))
    except UserError:
        return False
    return {"history", "responses"} <= first.keys()


def _review(talks: Iterable[Talk], kinds: tuple[str, ...]) -> Review:
    """A line with what a person needs to see: the seeker's turns that tell of danger, and all replies."""
    talks = list(talks)
    said = dict.fromkeys(text for talk in talks for text in talk.said)
    flagged = [text for text in said if kinds_in(text)]
    shown = {
        "kinds": list(kinds),
        "level": level_name(kinds),
        "seeker": flagged or list(said),  # the mark may be of a turn that comes later than all records
        "replies": list(dict.fromkeys(text for talk in talks for text in talk.replies)),
    }
    return Review(talks[0].id, frozenset(talk.content for talk in talks), shown=shown)


def _with_decision(review: Review, before: Review | None) -> Review:
    if before is None or not review.content <= before.content:
        return review
    return Review(review.id, review.content, before.decision, before.by, review.shown)
