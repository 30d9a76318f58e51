"""Chains as the stages of `compeer data care` hand them on, one a line: a record, and the split it belongs to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.data.record import Record
from compeer_jax.data.splits import DialogueSplits
from compeer_jax.errors import unknown

CHAINS = "chains.jsonl"
SPLITS = DialogueSplits._fields


@dataclass(frozen=True)
class Chain:
    """Four nodes that lead to a real reply.

    Attributes:
        split: "train", "valid" or "test".
        record: the talk so far, the nodes and the reply.
    """

    split: str
    record: Record

    @classmethod
    def from_json(cls, obj: Mapping, where: str) -> "Chain":
        """The chain that `obj` describes.

        Raises:
            UserError: naming `where` and the field, for anything missing, of the wrong type or unknown.
        """
        split = obj.get("split")
        if split not in SPLITS:
            raise unknown("split", split, SPLITS, where)
        return cls(split, Record.from_json({name: value for name, value in obj.items() if name != "split"}, where))

    def to_json(self) -> dict:
        """The JSON form."""
        return {"split": self.split, **self.record.to_json()}

    def made_by(self, entry: Mapping) -> "Chain":
        """The chain with one more entry in its provenance."""
        return replace(self, record=replace(self.record, provenance=(*self.record.provenance, entry)))


def read_chains(path: Path) -> Iterator[Chain]:
    """The chains of a stage's file, one at a time; none if it is empty.

    Raises:
        UserError: naming file, line and field.
    """
    if not path.stat().st_size:
        return
    for where, row in read_jsonl(path):
        yield Chain.from_json(row, where)
