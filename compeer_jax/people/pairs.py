"""Blinded pairs of two systems' replies to the same talks.

A pair's key and the order of its replies are drawn from the seed, the record's id and the two replies, not from which
system is called A: what annotators get is the same, byte for byte, when A and B change places.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from compeer_jax.curation.annotation.items import is_swapped, task_key
from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.data.pictures import beside
from compeer_jax.data.record import History
from compeer_jax.dialogue.language import language_of
from compeer_jax.dialogue.material import structure_in
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import UserError
from compeer_jax.structure import Check, Text, at_least, structured

System = Literal["a", "b"]
Malformed = Literal["empty", "found"]


@dataclass(frozen=True)
class Reply:
    """Reply of one system.

    Attributes:
        response: what the seeker sees, "" when the output has none.
        history: the talk before it, the seeker's turn last, its pictures files to be opened; () where it is not known.
        language: of the talk; None where it is not known.
    """

    response: str
    history: tuple[Turn, ...] = ()
    language: str | None = None


@dataclass(frozen=True)
class Pair:
    """Two replies to one talk.

    Attributes:
        key: what annotators know it by; nothing can be read from it.
        id: of the record.
        language: of the talk.
        history: the talk, the seeker's turn last.
        a, b: what the systems say.
        first: whose reply is shown first.
    """

    key: str
    id: str
    language: str
    history: tuple[Turn, ...]
    a: str
    b: str
    first: System

    @property
    def shown(self) -> tuple[str, str]:
        """The replies in the order shown."""
        return (self.a, self.b) if self.first == "a" else (self.b, self.a)


@dataclass(frozen=True)
class Pairing:
    """Pairing of two systems: the dialogues they have in common.

    Attributes:
        pairs: the chosen ones, in an order drawn from the seed.
        common: how many records both reply to.
        only_a, only_b: how many one of them alone replies to; nothing can be said on these.
        same: of the common ones, those with the same reply from both, which nobody needs to judge.
    """

    pairs: Sequence[Pair]
    common: int
    only_a: int
    only_b: int
    same: int


def read_replies(path: str, member: int = 0, malformed: Malformed = "empty") -> dict[str, Reply]:
    """The replies in a folder of `compeer eval --output` or `compeer grpo`, or in a JSONL file, by record.

    A line of the file: {"id", "response", "history"?, "language"?, "member"?}; an empty response is a reply too.

    Args:
        path: of the folder or the file.
        member: which output of each prompt, from 0. Where a run has sampled a prompt several times, the latest counts.
        malformed: what an output of a folder is worth that lacks a part or has one too many: "empty", no reply;
            "found", what can be read of it.

    Raises:
        UserError: nothing there, a row that is no reply, two of one id, reasoning in a reply, or no such member.
    """
    where = Path(path).expanduser()
    if where.is_dir():
        replies = _folder_replies(path, member, malformed)
    elif where.is_file():
        replies = _file_replies(where, member)
    else:
        raise UserError(
            f"{path} is no folder or file; name the folder of a `compeer eval --output` run, or a JSONL file of "
            "replies."
        )
    if not replies:
        raise UserError(f"{path} has no output of member {member}; members count from 0.")
    return replies


def make_pairs(a: Mapping[str, Reply], b: Mapping[str, Reply], *, count: int, seed: int) -> Pairing:
    """Up to `count` pairs, chosen and put in order by keys drawn from the seed (0: all).

    More pairs of the same replies and seed contain the fewer.

    Raises:
        UserError: no record in common, all replies the same, a talk that neither knows, or that the two differ in.
    """
    common = [id for id in a if id in b]
    if not common:
        raise UserError("the two have no record in common; take outputs on the same dialogues.")
    pairs = [make_pair(id, a[id], b[id], talk_before(id, (a[id], b[id])), seed) for id in common]
    differing = sorted((pair for pair in pairs if pair.a != pair.b), key=lambda pair: pair.key)
    if not differing:
        raise UserError(f"the two reply the same to all {len(common)} records; there is nothing to compare.")
    return Pairing(
        pairs=differing[: count or None],
        common=len(common),
        only_a=len(a) - len(common),
        only_b=len(b) - len(common),
        same=len(common) - len(differing),
    )


def talk_before(id: str, replies: Sequence[Reply]) -> tuple[Turn, ...]:
    """The talk that all of the replies to record `id` answer; UserError if none has it, or two differ in it."""
    known = [reply.history for reply in replies if reply.history]
    if not known:
        few = "neither of the two" if len(replies) == 2 else f"none of the {len(replies)}"
        raise UserError(f"the talk before the replies to {id!r} is in {few}; add 'history' to one.")
    if any(_said(talk) != _said(known[0]) for talk in known):
        raise UserError(f"the talks before the replies to {id!r} differ; take outputs on the same dialogues.")
    return known[0]


def make_pair(id: str, a: Reply, b: Reply, history: tuple[Turn, ...], seed: int) -> Pair:
    """The pair of two replies to a talk, its key and order drawn from the seed, the record and the replies."""
    texts = a.response.strip(), b.response.strip()
    ordered = sorted(texts)
    identity = hashlib.sha256(json.dumps([id, *ordered]).encode()).hexdigest()
    shown_first = ordered[is_swapped(seed, identity)]
    return Pair(
        key=task_key(seed, identity),
        id=id,
        language=a.language or b.language or _language(history),
        history=history,
        a=texts[0],
        b=texts[1],
        first="a" if texts[0] == shown_first else "b",
    )


def _folder_replies(path: str, member: int, malformed: Malformed) -> dict[str, Reply]:
    from compeer_jax.evaluation.saved_outputs import picture_folder, read_groups

    groups, _ = read_groups(path, 0)
    folder = picture_folder(path)
    replies = {}
    for group in groups:
        for output in group[member : member + 1]:
            record = output.record
            response = output.turn.response if output.whole or malformed == "found" else ""
            history = beside(record.history, folder, record.id)
            replies[record.id] = Reply("" if _reasons(response) else response, history, record.language)
    return replies


@dataclass(frozen=True)
class _Row:
    """A line of a file of replies: of one that `compeer eval generation` takes too, with the talk."""

    id: Text
    response: str
    member: Annotated[int, Check(at_least(0))] = 0
    language: Language | None = None
    history: History = ()
    reference: Any = None
    strategy: Any = None
    gold_strategy: Any = None


def _file_replies(path: Path, member: int) -> dict[str, Reply]:
    replies, places = {}, {}
    for where, row in read_jsonl(path):
        if "text" in row and "response" not in row:
            raise UserError(f"{where}: this is a line of a folder of outputs; name the folder instead of {path.name}.")
        reply = structured(_Row, row, where)
        if reply.member != member:
            continue
        if reply.id in places:
            raise UserError(
                f"{where}: id {reply.id!r} is that of {places[reply.id]} too; give one reply a record and member."
            )
        if _reasons(reply.response):
            raise UserError(f"{where}: there are tags of reasoning in the response; give what the seeker sees alone.")
        places[reply.id] = where
        history = beside(reply.history, path.parent, where)
        replies[reply.id] = Reply(reply.response, history, reply.language)
    return replies


def _reasons(response: str) -> bool:
    """Whether a reply holds tags of a reasoning format, which would tell annotators where it is from."""
    return "tag" in structure_in(response)


def _said(history: Sequence[Turn]) -> list[tuple[str, str]]:
    return [(turn.role, turn.content.strip()) for turn in history]


def _language(history: Sequence[Turn]) -> str:
    """Chinese if that is what the talk is in, else English."""
    return "zh" if language_of(turn.content for turn in history) == "zh" else "en"
