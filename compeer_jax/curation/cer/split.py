"""The split of CER's dialogues into train, valid and test."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from compeer_jax.data.cer_folder import TRAIN
from compeer_jax.data.splits import SPLITS, cut_strata
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError

PAPER_TEST = 574
PAPER_SHARE = Fraction(PAPER_TEST * 4, 11_140)
"""Of CER's samples, held out to report on: 574. It counts labels, 11,140 of them, and a sample has four, one a step and
one of the answers; so it has 2,785 samples, and holds out a fifth."""


@dataclass(frozen=True)
class SplitKey:
    """Key that decides the split of a record.

    Attributes:
        dialogue: id of its dialogue.
        source: the corpus.
        language: of the dialogue.
        history: the talk so far, as `talk_key` has it.
    """

    dialogue: str
    source: str
    language: str
    history: str


def talk_key(history: Sequence[Turn]) -> str:
    """A talk without what doesn't make it another one: case, white space, strategies, and where turns are cut."""
    words = (f"{turn.role}: {turn.content} {' '.join(turn.images)}" for turn in history)
    return " ".join(" ".join(words).casefold().split())


def held_out_shares(valid: float, test: float | None, samples: int) -> tuple[float, float]:
    """What shares of the samples are chosen by and reported on.

    Args:
        valid: a share if below 1, else a number of samples.
        test: likewise; None for the paper's 574, or its share, about a fifth, of fewer samples than it had.
        samples: how many there are.

    Raises:
        UserError: they leave nothing to learn from.
    """
    total = max(samples, 1)
    if test is None:
        test = float(min(Fraction(PAPER_TEST, total), PAPER_SHARE))
    shares = tuple(wanted / total if wanted >= 1 else wanted for wanted in (valid, test))
    if sum(shares) >= 1:
        raise UserError(
            f"cer.valid {valid:g} and cer.test {test:g} hold out all of the {samples:,} samples; lower them, or give "
            "shares, such as 0.05 and 0.2."
        )
    return shares


def split_records(
    keys: Iterable[SplitKey], *, valid: float, test: float, seed: int, samples: Mapping[str, int] | None = None
) -> dict[str, str]:
    """Dialogue -> "train", "valid" or "test".

    Dialogues of which records have the same history stay together, so that no history is in two splits; many talks
    open alike. Each language of each source gives the same shares, as far as it divides (`cut_strata`). The order in
    which dialogues are taken depends on the seed and their ids alone, so that few change their split when more
    dialogues come in.

    Args:
        valid: share of samples to choose by.
        test: share of samples to report on.
        samples: dialogue -> how many of its records count in the shares; what shares a history with none of them is
            learned from. By default each dialogue is one sample.
    """
    keys = list(keys)
    strata: dict[tuple[str, str], list[list[str]]] = {}
    kinds = {key.dialogue: (key.source, key.language) for key in keys}

    def size(together: Sequence[str]) -> int:
        return len(together) if samples is None else sum(samples.get(dialogue, 0) for dialogue in together)

    groups = _groups(keys)
    for together in filter(size, groups):
        strata.setdefault(kinds[together[0]], []).append(together)
    drawn = {key: sorted(groups, key=lambda group: _draw(seed, group[0])) for key, groups in sorted(strata.items())}
    parts = cut_strata(drawn, valid=valid, test=test, size=size)
    splits = {dialogue: TRAIN for together in groups for dialogue in together}
    return splits | {
        dialogue: name for name, groups in zip(SPLITS, parts, strict=True) for group in groups for dialogue in group
    }


def _draw(seed: int, dialogue: str) -> float:
    return np.random.default_rng([*f"{seed}/split/{dialogue}".encode()]).random()


def _groups(keys: Sequence[SplitKey]) -> list[list[str]]:
    """Dialogues that share a history, directly or through others, each group sorted; groups by their first."""
    parents = {key.dialogue: key.dialogue for key in keys}

    def root(dialogue: str) -> str:
        while parents[dialogue] != dialogue:
            parents[dialogue] = parents[parents[dialogue]]  # halves the way for the next
            dialogue = parents[dialogue]
        return dialogue

    first: dict[str, str] = {}
    for key in keys:
        one, other = sorted((root(key.dialogue), root(first.setdefault(key.history, key.dialogue))))
        parents[other] = one  # the smallest id is the root, whatever the order of the keys
    groups: Mapping[str, list[str]] = {}
    for dialogue in sorted(parents):
        groups.setdefault(root(dialogue), []).append(dialogue)
    return [groups[name] for name in sorted(groups)]
