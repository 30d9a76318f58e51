"""ESC-Eval's role cards: `{"base", "res", "source", "language", "id"}`, in a JSON array or JSON lines.

`base` is who the seeker is and what troubles them, and all that the role-player is shown; `res` is the kind of trouble
and `source` where the card comes from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compeer_jax.benchmarks.dialogues import Rejected, Scenario
from compeer_jax.data.jsonl import read_rows
from compeer_jax.dialogue.schema import SURROGATE
from compeer_jax.errors import UserError

SPELLINGS = {"english": "en", "en": "en", "chinese": "zh", "zh": "zh"}
ALSO_KEPT = ("res", "source")  # not shown to anybody, but good to filter by


@dataclass(frozen=True)
class Cards:
    """Cards read from files.

    Attributes:
        scenarios: the cards that can be played, in their order; ids with the language in front, as two files may count
            alike.
        rejected: the others.
    """

    scenarios: Sequence[Scenario]
    rejected: Sequence[Rejected]


def read_cards(paths: Sequence[str], languages: Sequence[str]) -> Cards:
    """The cards of some languages.

    Raises:
        UserError: a file that can't be read or holds something else than objects, or no card that can be played.
    """
    scenarios: dict[str, Scenario] = {}
    rejected = []
    for path in paths:
        for where, row in read_rows(Path(path).expanduser()):
            try:
                card = _card(row)
                if card.id in scenarios:
                    raise _Unusable(f"a second card of one id: {card.id}")
            except _Unusable as fault:
                rejected.append(Rejected(where, str(fault), row))
                continue
            if card.language in languages:
                scenarios[card.id] = card
    if not scenarios:
        first = f"; the first fault: {rejected[0].where}: {rejected[0].reason}" if rejected else ""
        raise UserError(
            f"no card in {', '.join(paths)} can be played in {' or '.join(languages)}{first}; name files of role cards."
        )
    return Cards(list(scenarios.values()), rejected)


class _Unusable(Exception):
    """What is wrong with a card."""


def _card(row: dict) -> Scenario:
    missing = [name for name in ("base", "language", "id") if row.get(name) in (None, "")]
    if missing:
        raise _Unusable(f"fields are missing: {', '.join(missing)}")
    language = SPELLINGS.get(str(row["language"]).strip().lower())
    if language is None:
        raise _Unusable(f"unknown language: {row['language']!r}")
    base = row["base"]
    if not isinstance(base, str) or not base.strip() or SURROGATE.search(base):
        raise _Unusable("base is no text")
    number = row["id"]
    if isinstance(number, bool) or not isinstance(number, int | str) or not str(number).strip():
        raise _Unusable("id is neither a number nor a text")
    card = {"base": base.strip()} | {name: row[name] for name in ALSO_KEPT if isinstance(row.get(name), str)}
    return Scenario(f"{language}-{str(number).strip()}", language, card)
