"""Review of dialogues with danger: the sheet on which a person decides, and what training may use.

The sheet has a dialogue a line:

    {"id", "content": [hash, …], "kinds", "level", "seeker": [turn, …], "others": [turn, …], "replies": [turn, …],
     "decision": null | "train" | "leave_out", "by": "" or a name}

`content` is what the decision is about: the dialogue itself, or the records of it that a dataset has. A sheet may tell
of dialogues of several corpora.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeVar

from compeer_jax.data.cer_folder import RL, SFT, cer_folder
from compeer_jax.data.cer_folder import TRAIN as TRAIN_SPLIT
from compeer_jax.data.corpora import read_corpus
from compeer_jax.data.danger.talks import Talk, dangers, dialogue_talk, kinds_in, level_name, record_talk
from compeer_jax.data.jsonl import read_jsonl, write_jsonl
from compeer_jax.data.judge_record import JudgeRecord
from compeer_jax.data.record import Record
from compeer_jax.errors import UserError
from compeer_jax.structure import Check, Text, structured

TRAIN, LEAVE_OUT = "train", "leave_out"
OTHERS = (
    5  # of the seeker's turns that nothing was found in, so many are shown beside those that something was found in
)

T = TypeVar("T")


def _hashes(content: tuple[str, ...]) -> tuple[str, ...]:
    if not content:
        raise ValueError("must be the list of hashes that the sheet was made with")
    return content


@dataclass(frozen=True, kw_only=True)
class Review:
    """One line of the sheet.

    Attributes:
        id: the dialogue's.
        content: hashes of what was looked at.
        kinds: of danger, the most urgent first.
        level: the highest of them.
        seeker: the turns that tell of it, as far as it was found.
        others: some of the seeker's other turns, from all over the dialogue: danger is missed, too.
        replies: what supporters or models say.
        decision: "train" or "leave_out"; None while nobody has decided.
        by: who has decided, "" while nobody has.
    """

    id: Text
    content: Annotated[tuple[str, ...], Check(_hashes)]
    kinds: tuple[str, ...] = ()
    level: str = ""
    seeker: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()
    decision: Literal["train", "leave_out"] | None = None
    by: Annotated[str, Check(str.strip)] = ""

    def __post_init__(self):
        if self.decision is not None and not self.by:
            raise UserError("a decision is somebody's; write who has looked at the dialogue into 'by'.")


def read_sheet(path: str | Path) -> dict[str, Review]:
    """Dialogue -> what is decided about it.

    Raises:
        UserError: naming file and line, for anything malformed, or a dialogue that is there twice.
    """
    reviews: dict[str, Review] = {}
    for where, obj in read_jsonl(path):
        review = structured(Review, obj, where, unknown_fields="ignore")
        if review.id in reviews:
            raise UserError(f"{where}: the dialogue {review.id!r} is there twice; leave one of the lines out.")
        reviews[review.id] = review
    return reviews


class Handling(Protocol):
    """What the settings say of dialogues with danger; see `DataConfig`."""

    danger: str
    reviewed: str


def for_training(
    items: Sequence[T], talk_of: Callable[[T], Talk], handling: Handling, source: str
) -> tuple[list[T], str]:
    """What may be learned from of dialogues or records, and a line on what is left out ("": nothing is).

    Args:
        items: dialogues, or records.
        talk_of: `dialogue_talk` or `record_talk`.
        handling: whether danger needs a person first, and what people have decided.
        source: where the items are from, for messages and for `compeer data danger`.

    Raises:
        UserError: the sheet is malformed, or tells of a dialogue that is another one now; or nothing is left.
    """
    if handling.danger == TRAIN:
        return list(items), ""
    reviews = read_sheet(handling.reviewed) if handling.reviewed else {}
    talks = [talk_of(item) for item in items]
    found = dangers(talks)
    kept, unseen, refused = [], set(), set()
    for item, talk in zip(items, talks, strict=True):
        review = reviews.get(talk.id)
        if review is not None and review.decision == LEAVE_OUT:
            refused.add(talk.id)
        elif talk.id in found and (review is None or review.decision is None):
            unseen.add(talk.id)
        else:
            if talk.id in found:
                _check_same(talk, review, handling.reviewed, source)
            kept.append(item)
    line = _left_out(unseen, refused, len({talk.id for talk in talks}), source)
    if items and not kept:
        raise UserError(f"No dialogue of {source} is left to learn from. {line}")
    return kept, line


def _check_same(talk: Talk, review: Review, sheet: str, source: str) -> None:
    if talk.content not in review.content:
        raise UserError(
            f"{sheet}: the dialogue {talk.id!r} of {source} is not what {review.by} looked at, it has changed since; "
            f"run `compeer data danger {source} --reviewed {sheet} --output NEW.jsonl`, have it looked at again there, "
            "and set data.reviewed to the new file."
        )


def _left_out(unseen: set[str], refused: set[str], count: int, source: str) -> str:
    lines = []
    if unseen:
        lines.append(
            f"{len(unseen):,} of {count:,} train dialogues tell of danger and nobody has looked at them, so nothing is "
            f"learned from them: `compeer data danger {source} --output sheet.jsonl` lists them for a person to "
            "decide, data.reviewed names the sheet then (data.danger: train takes all unseen)."
        )
    if refused:
        lines.append(f"{len(refused):,} are left out as a person has decided.")
    return " ".join(lines)


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
    write_jsonl(output, map(asdict, reviews))
    open_ones = sum(review.decision is None for review in reviews)
    return (
        f"{output}: {len(reviews):,} of {len(talks):,} dialogues of {config.data} tell of danger, {open_ones:,} of "
        'them are to be looked at. Set "decision" of each to "train" or "leave_out" and "by" to your name, then name '
        "the file in data.reviewed."
    )


def _talks(config: DangerSheetConfig) -> Iterator[Talk]:
    folder = cer_folder(config.data)
    if folder is not None:
        for path in sorted(folder.glob(f"*/{TRAIN_SPLIT}*.jsonl")):
            if path.stat().st_size:
                yield from _record_talks(path, Record if path.parent.name in (SFT, RL) else JudgeRecord)
    elif _holds_judge_records(config.data):
        yield from _record_talks(Path(config.data).expanduser(), JudgeRecord)
    else:
        yield from map(dialogue_talk, read_corpus(config.data, roles=config.roles)[0])


def _record_talks(path: Path, form: type[Record] | type[JudgeRecord]) -> Iterator[Talk]:
    return (record_talk(structured(form, obj, where)) for where, obj in read_jsonl(path))


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
    """A line with what a person needs to see: the seeker's turns that tell of danger, some others, and all replies."""
    talks = list(talks)
    said = dict.fromkeys(text for talk in talks for text in talk.said)
    flagged = [text for text in said if kinds_in(text)] or [*said]  # the mark may be of a turn later than all records
    rest = [text for text in said if text not in flagged]
    return Review(
        id=talks[0].id,
        content=tuple(sorted({talk.content for talk in talks})),
        kinds=kinds,
        level=level_name(kinds),
        seeker=tuple(flagged),
        others=tuple(rest[:: -(-len(rest) // OTHERS) or 1]),
        replies=tuple(dict.fromkeys(text for talk in talks for text in talk.replies)),
    )


def _with_decision(review: Review, before: Review | None) -> Review:
    if before is None or not {*review.content} <= {*before.content}:
        return review
    return replace(review, decision=before.decision, by=before.by)
