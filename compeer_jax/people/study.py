"""A study: one system's replies against those of several others, on the same dialogues, for people to judge.

OUTPUT/for_annotators/   pairs.csv and tasks.json, or a folder of these for each annotator who is named;
                         labelling_config.xml for Label Studio, guidelines.en.md, guidelines.zh.md;
                         pictures/, what the talks show
OUTPUT/key.json          which systems each pair is of, and whose reply is shown first; needed to read what comes back

All comparisons stand in one list, in an order drawn from the seed, so that nobody can tell which system a pair is
against. Where two others say the same to a dialogue, the pair is asked about once and counts for both. Where a system
says what ours says, nobody is asked: that is a tie.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from compeer_jax.data.pictures import pictures_of
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.people.pairs import Malformed, Pair, Reply, make_pair, read_replies, talk_before
from compeer_jax.people.tasks import give_out

CRITERION = "overall"  # the one question of the paper's study


@dataclass(frozen=True)
class StudyConfig:
    """Makes a study: one system's replies against those of several others, on the same dialogues, for people to judge.

    One question a pair: which reply would you rather get? Annotators see the talk and two replies, in an order drawn
    from the seed; never reasoning, names or scores.

    Args:
        ours: outputs of the system that wins are counted for: folder of a `compeer eval --output` or `compeer eval
            replies` run, or a JSONL file, a line each: {"id", "response", "history"?, "language"?, "member"?}.
        others: outputs of the systems that it is compared with, by names for the results, e.g. {GPT-4o: runs/gpt-4o}.
        output: folder for the study; give out what lies in for_annotators/, and keep key.json back.
        name: what the first system is called in results.
        count: dialogues, drawn at random from those that all systems answer (paper: 200; 0: all). More dialogues of the
            same seed contain the fewer.
        pictures: which talks: "any"; "with", those alone that show pictures, as in the paper; "without".
        annotators: names of those who judge, each of whom gets a folder of pairs; without names there is one set of
            files, and a copy goes to everybody.
        votes: annotators that a pair is given to (0: all of them); they share the pairs evenly.
        member: which output of each prompt, from 0.
        malformed: an output that lacks a part or has one too many is shown as no reply ("empty"), or as what can be
            read of it ("found").
        seed: of the choice and the orders.
    """

    ours: str
    others: dict[str, str]
    output: str
    name: str = "ours"
    count: int = 200
    pictures: Literal["any", "with", "without"] = "any"
    annotators: list[str] = field(default_factory=list)
    votes: int = 0
    member: int = 0
    malformed: Malformed = "empty"
    seed: int = 0

    def __post_init__(self):
        require_at_least(0, self, "", "count", "votes", "member", "seed")
        if not self.others:
            raise UserError("others names no system; give one at least, such as --others '{GPT-4o: runs/gpt-4o}'.")
        if self.name in self.others:
            raise UserError(f"two systems are called {self.name!r}; set name, or call the other one otherwise.")
        places: dict[Path, str] = {}
        for name, path in self.systems.items():
            if not name.strip() or "\n" in name:
                raise UserError(f"a system is called {name!r}; give it a name that can stand in a table.")
            same = places.setdefault(Path(path).expanduser().resolve(), name)
            if same != name:
                raise UserError(f"{same!r} and {name!r} are both {path}; a system can be in a study once.")
        for name in self.annotators:
            if not re.fullmatch(r"\w[\w.@ -]*", name):
                raise UserError(f"annotators: {name!r} can't be the name of a folder; take letters and digits.")
        if len({name.casefold() for name in self.annotators}) < len(self.annotators):
            raise UserError(f"annotators is {self.annotators}; name nobody twice.")
        if self.votes > len(self.annotators):
            raise UserError(
                f"votes is {self.votes}, but {len(self.annotators)} annotators are named; name as many, or lower it."
            )

    @property
    def systems(self) -> dict[str, str]:
        """Name -> outputs, ours first."""
        return {self.name: self.ours} | self.others


@dataclass(frozen=True)
class Study:
    """Study: pairs to judge, and pairs that need no judgement.

    Attributes:
        dialogues: ids of the records that were chosen.
        common: how many records all systems answer.
        left_out: system -> how many of its records another lacks.
        pairs: in the order in which they are given out; `a` is ours.
        against: key of a pair -> the other systems that say this.
        same: other system -> ids of the chosen records to which it says what ours says.
        empty: system -> how many of the chosen records it has no reply to.
    """

    dialogues: Sequence[str]
    common: int
    left_out: Mapping[str, int]
    pairs: Sequence[Pair]
    against: Mapping[str, Sequence[str]]
    same: Mapping[str, Sequence[str]]
    empty: Mapping[str, int]


def make_study(
    systems: Mapping[str, Mapping[str, Reply]],
    *,
    count: int,
    seed: int,
    pictures: Literal["any", "with", "without"] = "any",
) -> Study:
    """The study of the first system against each of the others, on up to `count` records (0: all) whose talks show
    pictures, or show none, if that is asked.

    Raises:
        UserError: no record that all of them answer, a talk that none knows or that they differ in, or two systems that
            say the same to all records.
    """
    (_, mine), *others = systems.items()
    common = [id for id in mine if all(id in replies for _, replies in others)]
    if not common:
        raise UserError(
            f"there is no record that all {len(systems)} systems answer; make their outputs on the same dialogues."
        )
    if pictures != "any":
        talks = {id: talk_before(id, [replies[id] for replies in systems.values()]) for id in common}
        common = [id for id in common if bool(pictures_of(talks[id])) == (pictures == "with")]
        if not common:
            raise UserError(f"no talk that all systems answer is {pictures} pictures; set pictures to any.")
    for place, (name, replies) in enumerate(systems.items()):
        for other, theirs in list(systems.items())[:place]:
            if all(replies[id].response.strip() == theirs[id].response.strip() for id in common):
                raise UserError(
                    f"{other!r} and {name!r} say the same to all {len(common)} records; name a system once, and check "
                    "that each has outputs of its own."
                )
    chosen = sorted(common, key=lambda id: hashlib.sha256(f"{seed}/{id}/study".encode()).digest())[: count or None]
    talks = {id: talk_before(id, [replies[id] for replies in systems.values()]) for id in chosen}
    pairs: dict[str, Pair] = {}
    against: dict[str, list[str]] = {}
    same: dict[str, list[str]] = {name: [] for name, _ in others}
    for name, replies in others:
        for id in chosen:
            pair = make_pair(id, mine[id], replies[id], talks[id], seed)
            if pair.a == pair.b:
                same[name].append(id)
            else:
                pairs[pair.key] = pair
                against.setdefault(pair.key, []).append(name)
    if not pairs:
        raise UserError(f"all systems say the same to the {len(chosen)} chosen dialogues; take more, or another seed.")
    return Study(
        dialogues=chosen,
        common=len(common),
        left_out={name: len(replies) - len(common) for name, replies in systems.items()},
        pairs=[pairs[key] for key in sorted(pairs)],
        against=against,
        same=same,
        empty={name: sum(not replies[id].response.strip() for id in chosen) for name, replies in systems.items()},
    )


def allot(keys: Sequence[str], annotators: Sequence[str], votes: int) -> dict[str, list[str]]:
    """Who judges which pairs: each pair `votes` annotators (0: all), each annotator as many pairs as another, or one
    more."""
    votes = votes or len(annotators)
    shares: dict[str, list[str]] = {name: [] for name in annotators}
    for number, key in enumerate(keys):
        for place in range(number * votes, (number + 1) * votes):
            shares[annotators[place % len(annotators)]].append(key)
    return shares


def export_study(config: StudyConfig) -> Study:
    """Writes the study. Where OUTPUT holds the same one, nothing is touched: somebody may have begun to judge.

    Raises:
        UserError: anything in the settings or the outputs that does not fit, or OUTPUT holds something else.
    """
    systems = {name: read_replies(path, config.member, config.malformed) for name, path in config.systems.items()}
    study = make_study(systems, count=config.count, seed=config.seed, pictures=config.pictures)
    settings = {name: value for name, value in asdict(config).items() if name != "output"}
    shares = allot([pair.key for pair in study.pairs], config.annotators, config.votes) if config.annotators else {}
    key = {
        "names": {"a": config.name, "b": "the others"},
        "others": list(config.others),
        "settings": settings | {"criteria": [CRITERION]},
        "counts": {"dialogues": len(study.dialogues), "common": study.common, "left_out": study.left_out},
        "dialogues": list(study.dialogues),
        "same": study.same,
        "pairs": [
            {"key": pair.key, "id": pair.id, "first": pair.first, "a": pair.a, "b": pair.b}
            | {"against": study.against[pair.key]}
            for pair in study.pairs
        ],
        "allotted": shares,
    }
    give_out(Path(config.output).expanduser(), study.pairs, [CRITERION], key, shares=shares, repeats=True)
    return study
