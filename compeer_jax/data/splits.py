"""Train, validation and test dialogues: no dialogue is in two of them."""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from compeer_jax.data.jsonl import parse_json
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.errors import UserError

Unit = TypeVar("Unit")


class DialogueSplits(NamedTuple):
    """Dialogues to learn from, to choose by, and to report on, each in the order of the corpus."""

    train: list[Dialogue]
    valid: list[Dialogue]
    test: list[Dialogue]


SPLITS = DialogueSplits._fields


def split_dialogues(
    dialogues: Sequence[Dialogue], *, seed: int, fractions: tuple[float, float, float] = (0.7, 0.15, 0.15)
) -> DialogueSplits:
    """Splits at random by `seed`; each language of each source is split in the same `fractions`.

    Some of each is learned from, even where there is one alone.

    Raises:
        UserError: fractions that are not positive or don't add up to 1, or a part that would be empty.
    """
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UserError(f"split fractions {fractions} must be positive and add up to 1.")
    generator = np.random.default_rng(seed)
    groups: dict[tuple[str, str], list[int]] = {}
    for index, dialogue in enumerate(dialogues):
        groups.setdefault((dialogue.source, dialogue.language), []).append(index)
    parts: list[list[int]] = [[], [], []]
    for _, group in sorted(groups.items()):
        cuts = [max(1, round(len(group) * share)) for share in accumulate(fractions[:2])]
        for part, indices in zip(parts, np.split(generator.permutation(group), cuts), strict=True):
            part += indices.tolist()
    return _select(dialogues, parts, f"{len(dialogues)} dialogues")


def cut_strata(
    strata: Mapping[object, Sequence[Unit]],
    *,
    valid: float,
    test: float,
    size: Callable[[Unit], int] = lambda unit: 1,
) -> tuple[list[Unit], list[Unit], list[Unit]]:
    """Units to learn from, to choose by and to report on: the same shares of each stratum, as far as it divides.

    For small shares and small strata, each of which alone would round to nothing: here they take turns. From the
    smallest to the largest, each gives what is owed by all so far, so that the shares hold on the whole. At least one
    unit of each stratum is learned from; a stratum of one is nothing else. The largest gives one unit to choose by, and
    then one to report on, where no other has and it has them.

    Args:
        strata: key -> units in an order drawn at random. The first ones are learned from.
        size: what a unit counts in the shares, at least 1. A part is as near to its share as whole units come.
    """
    parts: tuple[list[Unit], list[Unit], list[Unit]] = ([], [], [])
    sizes = {key: sum(map(size, units)) for key, units in strata.items()}
    order = sorted(strata, key=sizes.__getitem__)  # stable: equal ones in the order given
    seen = 0
    for place, key in enumerate(order, start=1):
        units, free = list(strata[key]), max(len(strata[key]) - 1, 0)
        seen += sizes[key]
        owed, least = [], []
        for share, part in ((valid, parts[1]), (test, parts[2])):
            owed.append(round(share * seen) - sum(map(size, part)))
            least.append(1 if place == len(order) and not part else 0)
        # What is reported on stands last; where there are few, what is chosen by is taken first.
        kept = _last(units, owed[0], size, least[0], free)
        tested = _last(units, owed[1], size, least[1], free - kept)
        second = len(units) - tested
        first = second - _last(units[:second], owed[0], size, least[0], free - tested)
        for part, some in zip(parts, (units[:first], units[first:second], units[second:]), strict=True):
            part += some
    return parts


def _last(units: Sequence[Unit], owed: int, size: Callable[[Unit], int], least: int, most: int) -> int:
    """How many of the last units come nearest to `owed`, from `least` to `most`."""
    count = 0
    while count < most and (count < least or 2 * owed > size(units[-1 - count])):
        owed -= size(units[-1 - count])
        count += 1
    return count


def read_split(path: str | Path, dialogues: Sequence[Dialogue]) -> DialogueSplits:
    """The split that a JSON file gives as row numbers from 0: {"train": […], "valid": […], "test": […]}.

    Raises:
        UserError: the file can't be read, lacks a part, or holds a row that doesn't exist or is there twice.
    """
    path = Path(path)
    try:
        rows = parse_json(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror}); check the path.") from error
    parts = []
    for name in SPLITS:
        part = rows.get(name) if isinstance(rows, dict) else None
        if not isinstance(part, list) or not all(type(row) is int for row in part):
            raise UserError(f"{path}: field {name!r} must be a list of row numbers.")
        wrong = [row for row in part if not 0 <= row < len(dialogues)]
        if wrong:
            raise UserError(f"{path}: row {wrong[0]} in {name!r} is not among the {len(dialogues)} dialogues.")
        parts.append(part)
    seen: set[int] = set()
    for row in (row for part in parts for row in part):
        if row in seen:
            raise UserError(f"{path}: row {row} is there twice; a dialogue can be in one part only.")
        seen.add(row)
    return _select(dialogues, parts, str(path))


def _select(dialogues: Sequence[Dialogue], parts: Sequence[Sequence[int]], where: str) -> DialogueSplits:
    for name, part in zip(SPLITS, parts, strict=True):
        if not part:
            raise UserError(f"{where}: nothing is left for {name!r}; add dialogues or change the split.")
    return DialogueSplits(*([dialogues[row] for row in sorted(part)] for part in parts))
