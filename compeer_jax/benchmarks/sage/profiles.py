"""SAGE's profiles of seekers: who they are, what happened to them, and what they hope for without saying so.

One JSON object a line: `{"id", "player", "scene", "main_cha", "cha_group": [..], "task", "first_talk"?}`, as released.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compeer_jax.benchmarks.dialogues import Rejected
from compeer_jax.data.jsonl import read_rows
from compeer_jax.dialogue.schema import SURROGATE
from compeer_jax.errors import UserError

TEXTS = ("id", "player", "scene", "main_cha", "task")


@dataclass(frozen=True)
class Profile:
    """One seeker. Texts are as released, in Chinese.

    Attributes:
        id: unique in its file.
        player: name, age, work, interests, habits, and how they speak.
        scene: what happened, and how they take replies of one kind or another.
        main_cha: kind of their character.
        cha_group: traits.
        task: what they hope for in the talk, and do not say.
        first_talk: what they say first; "" where the file doesn't tell. Only the official flavour uses it.
    """

    id: str
    player: str
    scene: str
    main_cha: str
    cha_group: tuple[str, ...]
    task: str
    first_talk: str = ""

    @classmethod
    def from_json(cls, row: Mapping) -> "Profile":
        """The profile in a row; ValueError with the same few words for the same fault."""
        for name in (*TEXTS, "cha_group"):
            if name not in row:
                raise ValueError(f"field {name!r} is missing")
        for name in TEXTS:
            if not isinstance(row[name], str):
                raise ValueError(f"field {name!r} is no text")
            if not row[name].strip():
                raise ValueError(f"field {name!r} is empty")
        group = row["cha_group"]
        if not isinstance(group, list) or not all(isinstance(trait, str) and trait.strip() for trait in group):
            raise ValueError("field 'cha_group' is no list of texts")
        first = row.get("first_talk", "")
        if not isinstance(first, str):
            raise ValueError("field 'first_talk' is no text")
        if any(SURROGATE.search(text) for text in (*(row[name] for name in TEXTS), *group, first)):
            raise ValueError("half a character")
        return cls(*(row[name] for name in TEXTS[:4]), tuple(group), row["task"], first.strip())  # pyrefly: ignore[bad-argument-count]

    def to_json(self) -> dict:
        """What pages and tables show of it: plain texts by name."""
        texts = {name: getattr(self, name) for name in TEXTS[1:]} | {"cha_group": "、".join(self.cha_group)}
        return texts | ({"first_talk": self.first_talk} if self.first_talk else {})


def read_profiles(path: str | Path) -> tuple[list[Profile], list[Rejected]]:
    """The profiles in a file of JSON lines (or a JSON array), in its order, and the rows that are none.

    Raises:
        UserError: the file can't be read, is not JSON, or holds no profile at all.
    """
    path = Path(path)
    profiles: dict[str, Profile] = {}
    rejected: list[Rejected] = []
    for where, row in read_rows(path):
        try:
            profile = Profile.from_json(row)
            if profile.id in profiles:
                raise ValueError(f"id {profile.id!r} was given before")
        except ValueError as fault:
            rejected.append(Rejected(where.replace(str(path), path.name, 1), str(fault), row))
        else:
            profiles[profile.id] = profile
    if not profiles:
        first = rejected[0]
        raise UserError(f"{path} holds no profile of SAGE ({first.where}: {first.reason}); check the path.")
    return list(profiles.values()), rejected
