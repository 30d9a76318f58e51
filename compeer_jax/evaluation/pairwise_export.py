"""Blinded pairs for human evaluation: what annotators get, and the key to it, which they must not see.

OUTPUT/for_annotators/   pairs.csv (to be filled in), or tasks.json and labelling_config.xml for Label Studio;
                         guidelines.en.md, guidelines.zh.md
OUTPUT/key.json          which system is which, in each pair; needed to read what comes back
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compeer_jax.data.annotation.label_studio import write_tasks
from compeer_jax.data.jsonl import parse_json
from compeer_jax.dialogue.taxonomy import LANGUAGES
from compeer_jax.errors import UserError, require_at_least
from compeer_jax.evaluation.pairwise_criteria import DEFAULT, check_criteria, guidelines
from compeer_jax.evaluation.pairwise_files import labelling_config, task_json, write_table
from compeer_jax.evaluation.pairwise_replies import Malformed, Pairing, System, make_pairs, read_replies

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
        """What the systems are called."""
        return {"a": self.name_a or self.a, "b": self.name_b or self.b}


@dataclass(frozen=True)
class KeyRow:
    """One pair that was given out.

    Attributes:
        id: of the record.
        first: whose reply was shown first.
    """

    id: str
    first: System


@dataclass(frozen=True)
class Key:
    """What is needed to read what comes back.

    Attributes:
        names: what the systems are called.
        criteria: what was asked.
        pairs: key -> the pair.
    """

    names: Mapping[System, str]
    criteria: tuple[str, ...]
    pairs: Mapping[str, KeyRow]


def export_pairs(config: PairsConfig) -> Pairing:
    """Writes the pairs. Where OUTPUT holds the same ones, nothing is touched: somebody may have begun to fill them in.

    Raises:
        UserError: anything in the settings or the outputs that does not fit, or OUTPUT holds other pairs.
    """
    from compeer_jax.training.run_folder import replacing

    replies = {path: read_replies(path, config.member, config.malformed) for path in (config.a, config.b)}
    pairing = make_pairs(replies[config.a], replies[config.b], count=config.count, seed=config.seed)
    content = _key_json(config, pairing)
    folder = Path(config.output).expanduser()
    key_file, given_out = folder / KEY_FILE, folder / FOR_ANNOTATORS
    if key_file.exists():
        if key_file.read_text(encoding="utf-8") == content:
            return pairing
        raise UserError(f"{folder} holds other pairs, which people may be judging; name another output folder.")
    try:
        given_out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"output {folder} can't be made ({error.strerror}); name another folder.") from error
    write_table(given_out / "pairs.csv", pairing.pairs, config.criteria)
    write_tasks(given_out / "tasks.json", map(task_json, pairing.pairs))
    (given_out / "labelling_config.xml").write_text(labelling_config(config.criteria), encoding="utf-8")
    for language in LANGUAGES:
        text = guidelines(config.criteria, language)
        (given_out / f"guidelines.{language}.md").write_text(text, encoding="utf-8")
    with replacing(key_file) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return pairing


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
            f"{path} can't be read ({error.strerror}); name the folder that `compeer eval pairs` made."
        ) from error
    try:
        names = {system: str(content["names"][system]) for system in ("a", "b")}
        rows = {str(row["key"]): KeyRow(str(row["id"]), row["first"]) for row in content["pairs"]}
        criteria = tuple(content["settings"]["criteria"])
        check_criteria(criteria)
        if not rows or any(row.first not in names for row in rows.values()):
            raise ValueError("a pair without its order")
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise UserError(
            f"{path} is no key of pairs, or damaged; take the one that `compeer eval pairs` wrote."
        ) from error
    return Key(names, criteria, rows)


def _key_json(config: PairsConfig, pairing: Pairing) -> str:
    settings: dict[str, Any] = dataclasses.asdict(config)
    del settings["output"]
    counts = {name: getattr(pairing, name) for name in ("common", "only_a", "only_b", "same")}
    pairs = [{"key": pair.key, "id": pair.id, "first": pair.first, "a": pair.a, "b": pair.b} for pair in pairing.pairs]
    content = {"names": config.names, "settings": settings, "counts": counts, "pairs": pairs}
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
