"""The sheet of dialogues with danger, one a line, on which a person writes what may be learned from.

    {"id", "content": [hash, …], "kinds", "level", "seeker": [turn, …], "replies": [turn, …],
     "decision": null | "train" | "leave_out", "by": "" or a name}

`content` is what the decision is about: the dialogue itself, or the records of it that a dataset has. A sheet may tell
of dialogues of several corpora.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.data.record import text_field
from compeer_jax.errors import UserError, unknown

TRAIN, LEAVE_OUT = DECISIONS = ("train", "leave_out")


@dataclass(frozen=True)
class Review:
    """One line of the sheet.

    Attributes:
        id: the dialogue's.
        content: hashes of what was looked at.
        decision: "train" or "leave_out"; None while nobody has decided.
        by: who has decided, "" while nobody has.
        shown: the line's other fields.
    """

    id: str
    content: frozenset[str]
    decision: str | None = None
    by: str = ""
    shown: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, obj: Mapping, where: str) -> "Review":
        """The line that `obj` is.

        Raises:
            UserError: naming `where` and the field: an unknown decision, a decision without a name, no hashes.
        """
        content, decision, by = obj.get("content"), obj.get("decision"), obj.get("by", "")
        if not isinstance(content, list) or not content or not all(isinstance(one, str) for one in content):
            raise UserError(f"{where}: field 'content' must be the list of hashes that the sheet was made with.")
        if decision is not None and decision not in DECISIONS:
            raise unknown("decision", str(decision), DECISIONS, where)
        if not isinstance(by, str) or (decision is not None and not by.strip()):
            raise UserError(f"{where}: a decision is somebody's; write who has looked at the dialogue into 'by'.")
        return cls(text_field(obj, "id", where), frozenset(content), decision, by.strip())

    def to_json(self) -> dict[str, Any]:
        """The line."""
        return {
            "id": self.id,
            "content": sorted(self.content),
            **self.shown,
            "decision": self.decision,
            "by": self.by,
        }


def read_sheet(path: str | Path) -> dict[str, Review]:
    """Dialogue -> what is decided about it.

    Raises:
        UserError: naming file and line, for anything malformed, or a dialogue that is there twice.
    """
    reviews: dict[str, Review] = {}
    for where, obj in read_jsonl(path):
        review = Review.from_json(obj, where)
        if review.id in reviews:
            raise UserError(f"{where}: the dialogue {review.id!r} is there twice; leave one of the lines out.")
        reviews[review.id] = review
    return reviews
