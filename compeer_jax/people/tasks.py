"""Annotation tasks: blinded pairs that annotators get, and the key to them, which they must not see.

OUTPUT/for_annotators/   pairs.csv (to be filled in), or tasks.json and labelling_config.xml for Label Studio;
                         guidelines.en.md, guidelines.zh.md; pictures/, what the talks show
OUTPUT/key.json          which system is which, in each pair; needed to read what comes back
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compeer_jax.curation.annotation.label_studio import write_tasks
from compeer_jax.curation.annotation.pictures import any_pictures, write_views
from compeer_jax.data.jsonl import parse_json
from compeer_jax.data.pictures import inspect_picture, pictures_of
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.files import write_text
from compeer_jax.people.criteria import DEFAULT, check_criteria, guidelines
from compeer_jax.people.pairs import Malformed, Pair, Pairing, System, make_pairs, read_replies
from compeer_jax.people.task_files import PICTURES, labelling_config, task_json, write_table
from compeer_jax.structure import structured

FOR_ANNOTATORS = "for_annotators"
KEY_FILE = "key.json"


@dataclass(frozen=True)
class PairsConfig:
    """Makes blinded pairs of two systems' replies for people to judge.

    Annotators see the talk and two replies, in an order drawn from seed and record; never reasoning, names or scores.
    Records with the same reply from both are left out. More pairs of the same seed contain the fewer.

    Args:
        a: outputs of the system that wins are counted for: folder of a `compeer eval --output` run, or a JSONL file, a
            line each: {"id", "response", "history"?, "language"?, "member"?}. One of the two must have the talks.
        b: those of the other, on the same records.
        output: folder for the pairs; give out what lies in for_annotators/, and keep key.json back.
        count: at most this many pairs, drawn at random (0: all).
        name_a: what the first is called in results (default: `a`).
        name_b: what the other is called (default: `b`).
        criteria: what is asked about each pair: overall, empathy, helpfulness, safety, fluency, identification,
            comforting, suggestion.
        member: which output of each prompt, from 0.
        malformed: an output that lacks a part or has one too many is shown as no reply ("empty"), or as what can be
            read of it ("found").
        seed: of the choice and the orders.
    """

    a: str
    b: str
    output: str
    count: int = 100
    name_a: str = ""
    name_b: str = ""
    criteria: list[str] = field(default_factory=lambda: list(DEFAULT))
    member: int = 0
    malformed: Malformed = "empty"
    seed: int = 0

    def __post_init__(self):
        require_at_least(0, self, "", "count", "member", "seed")
        check_criteria(self.criteria)
        if self.names["a"] == self.names["b"]:
            raise UserError(f"both systems are called {self.names['a']!r}; name two, or set name_a and name_b.")

    @property
    def names(self) -> dict[System, str]:
        """Names of the systems."""
        return {"a": self.name_a or self.a, "b": self.name_b or self.b}


@dataclass(frozen=True)
class KeyRow:
    """One pair that was given out.

    Attributes:
        id: of the record.
        first: whose reply was shown first.
        against: in a study, the other systems that the pair is of.
    """

    id: str
    first: System
    against: tuple[str, ...] = ()


@dataclass(frozen=True)
class Key:
    """Key of a study, to read what comes back.

    Attributes:
        names: what the systems are called.
        criteria: what was asked.
        pairs: key -> the pair.
        others: in a study, the systems that the first is compared with.
        same: other system -> on how many dialogues of the study it says what the first says.
    """

    names: Mapping[System, str]
    criteria: tuple[str, ...]
    pairs: Mapping[str, KeyRow]
    others: tuple[str, ...] = ()
    same: Mapping[str, int] = field(default_factory=dict)


def export_pairs(config: PairsConfig) -> Pairing:
    """Writes the pairs. Where OUTPUT holds the same ones, nothing is touched: somebody may have begun to fill them in.

    Raises:
        UserError: anything in the settings or the outputs that does not fit, or OUTPUT holds other pairs.
    """
    replies = {path: read_replies(path, config.member, config.malformed) for path in (config.a, config.b)}
    pairing = make_pairs(replies[config.a], replies[config.b], count=config.count, seed=config.seed)
    give_out(Path(config.output).expanduser(), pairing.pairs, config.criteria, _key(config, pairing))
    return pairing


def give_out(
    folder: Path,
    pairs: Sequence[Pair],
    criteria: Sequence[str],
    key: Mapping[str, Any],
    *,
    shares: Mapping[str, Sequence[str]] | None = None,
    repeats: bool = False,
) -> None:
    """Writes what annotators get, then the key to it. Where the folder holds the same key, nothing is touched.

    Args:
        folder: for both.
        pairs: in their order.
        criteria: what is asked about each.
        key: what is needed to read what comes back.
        shares: annotator -> keys of the pairs that this one judges; without, all are for everybody.
        repeats: whether a talk may come several times.

    Raises:
        UserError: the folder can't be made, or holds other pairs; naming the record, a picture that can't be used.
    """
    content = json.dumps(key, ensure_ascii=False, indent=1) + "\n"
    key_file, given_out = folder / KEY_FILE, folder / FOR_ANNOTATORS
    if key_file.exists():
        if key_file.read_text(encoding="utf-8") == content:
            return
        raise UserError(f"{folder} holds other pairs, which people may be judging; name another output folder.")
    for pair in pairs:
        for path in pictures_of(pair.history):
            inspect_picture(path, pair.id)
    by_key = {pair.key: pair for pair in pairs}
    try:
        given_out.mkdir(parents=True, exist_ok=True)
        for name, keys in (shares or {"": list(by_key)}).items():
            place, some = given_out / name, [by_key[key] for key in keys]
            place.mkdir(exist_ok=True)
            write_table(place / "pairs.csv", some, criteria, name)
            write_tasks(place / "tasks.json", map(task_json, some))
        write_views(given_out / PICTURES, ((pair.history, pair.id) for pair in pairs))
    except OSError as error:
        raise UserError(f"output {folder} can't be made ({error.strerror}); name another folder.") from error
    config = labelling_config(criteria, pictures=any_pictures(pair.history for pair in pairs))
    (given_out / "labelling_config.xml").write_text(config, encoding="utf-8")
    for language in LANGUAGES:
        text = guidelines(criteria, language, repeats=repeats)
        (given_out / f"guidelines.{language}.md").write_text(text, encoding="utf-8")
    write_text(key_file, content)


def read_key(folder: Path) -> Key:
    """The key that `export_pairs` left in a folder.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = folder / KEY_FILE
    try:
        content = parse_json(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(
            f"{path} can't be read ({error.strerror}); name the folder that `compeer eval pairs` or `eval study` made."
        ) from error
    try:
        return _checked(structured(_KeyFile, content, str(path), unknown_fields="ignore"))
    except (KeyError, UserError) as error:
        raise UserError(
            f"{path} is no key of pairs, or damaged; take the one that `compeer eval pairs` or `eval study` wrote."
        ) from error


@dataclass(frozen=True)
class _PairEntry:
    key: str
    id: str
    first: System
    against: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Asked:
    criteria: tuple[str, ...]


@dataclass(frozen=True)
class _KeyFile:
    """key.json, as far as it is read."""

    names: Mapping[System, str]
    settings: _Asked
    pairs: tuple[_PairEntry, ...]
    others: tuple[str, ...] = ()
    same: Mapping[str, Any] | None = None  # of a study: a list for each of the others; else how many


def _checked(file: _KeyFile) -> Key:
    """The key in a file; KeyError or UserError if it contradicts itself."""
    check_criteria(file.settings.criteria)
    rows = {pair.key: KeyRow(pair.id, pair.first, pair.against) for pair in file.pairs}
    if not rows or any(
        not {*row.against} <= {*file.others} or bool(row.against) != bool(file.others) for row in rows.values()
    ):
        raise UserError("a pair without its systems.")
    names: dict[System, str] = {system: file.names[system] for system in ("a", "b")}
    same = {name: len(structured(list[str], (file.same or {})[name], name)) for name in file.others}
    return Key(names, file.settings.criteria, rows, file.others, same)


def _key(config: PairsConfig, pairing: Pairing) -> dict[str, Any]:
    settings: dict[str, Any] = dataclasses.asdict(config)
    del settings["output"]
    counts = {name: getattr(pairing, name) for name in ("common", "only_a", "only_b", "same")}
    pairs = [{"key": pair.key, "id": pair.id, "first": pair.first, "a": pair.a, "b": pair.b} for pair in pairing.pairs]
    return {"names": config.names, "settings": settings, "counts": counts, "pairs": pairs}
