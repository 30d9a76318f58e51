"""Emergency numbers and help lines by country, from `numbers.yaml`; its head says how far they can be relied on."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import NamedTuple

from compeer_jax.dialogue.danger.kinds import KINDS, content, in_order
from compeer_jax.errors import UserError

_CONTENT = content("numbers.yaml")

PURPOSES = ("emergency", "suicide", "domestic_violence", "child")

ANYWHERE = ("suicide", "emergency")  # where no kind is given


@dataclass(frozen=True)
class Line:
    """One line to call, write to or chat with.

    Attributes:
        country: ISO 3166 alpha-2; "" for an international directory.
        purpose: one of `PURPOSES`.
        name: the operator's, in its own language.
        calls: numbers as they are dialled, with spaces.
        text: what to send by text message, such as "HOME to 741741"; "" if none is known.
        chat: the site where one can write; "" if none is known.
        languages: ISO 639-1, or "many".
        source: the organisation's site.
        checked: when it was collected, or checked at the source since.
    """

    country: str
    purpose: str
    name: str
    calls: tuple[str, ...]
    text: str
    chat: str
    languages: tuple[str, ...]
    source: str
    checked: date

    @property
    def numbers(self) -> tuple[str, ...]:
        """The digits of every number to call or write to."""
        return tuple(filter(None, map(_digits, (*self.calls, self.text))))


def countries() -> tuple[str, ...]:
    """The codes of the countries whose lines we have."""
    return tuple(_CONTENT["countries"])


def check_country(country: str | None, where: str = "country") -> str | None:
    """`country` as an upper-case code, or None where it is not known ("" or None).

    Raises:
        UserError: it is none of `countries()`.
    """
    code = (country or "").strip().upper()
    if code and code not in countries():
        raise UserError(
            f"{where} {country!r} has no numbers here; give one of {', '.join(sorted(countries()))}, "
            "or leave it empty for international pointers."
        )
    return code or None


def help_for(country: str | None, kinds: Iterable[str] = ()) -> tuple[Line, ...]:
    """The lines to name for `kinds` of danger, the most fitting first; international ones where no country is known.

    Raises:
        UserError: an unknown country or kind.
    """
    code, kinds = check_country(country), in_order(kinds)
    purposes = dict.fromkeys(purpose for name in kinds for purpose in KINDS[name].help) if kinds else ANYWHERE
    lines = _lines()[code or ""]
    if code is None:
        return lines
    return tuple(line for purpose in purposes for line in lines if line.purpose == purpose)


def lines_of(country: str) -> tuple[Line, ...]:
    """Every line of a country."""
    return _lines()[check_country(country) or ""]


def known_numbers() -> frozenset[str]:
    """The digits of every number in the file that has three or more: public ones, which nothing should hide.

    Shorter ones ("15") are not told from ordinary figures. North American ones are known without their 1, too.
    """
    return frozenset(_spellings())


def numbers_in(text: str) -> frozenset[str]:
    """The known numbers that `text` names, by their digits as the file has them, however they are spaced."""
    runs = _runs(unicodedata.normalize("NFKC", text))
    return frozenset(number for run in runs if len(run.rest) < 3 for number in run.known)


def unknown_numbers(text: str) -> tuple[str, ...]:
    """What `text` gives as a number to call and is none that is known, by its digits."""
    text = unicodedata.normalize("NFKC", text)
    return tuple(
        run.digits
        for run in _runs(text)
        if len(run.rest) > 2
        and (len(run.digits) > 6 or _CALL.search(text[max(0, run.start - 20) : run.start].casefold()))
    )


_RUN = re.compile(r"[0-9](?:[ .()\-‐–]{0,2}[0-9])*")
_UNIT = re.compile("[%a-zA-Z]")
_CALL = re.compile(r"(?:\b(?:call|dial|ring|text|phone|number is)|拨打|致电|热线)[ :：是+]{0,3}$")
_MOST_GROUPS = 12


class _Run(NamedTuple):
    """Figures that stand together: where, the known numbers they begin with, the digits after those, all digits."""

    start: int
    known: tuple[str, ...]
    rest: str
    digits: str


def _runs(text: str) -> Iterator[_Run]:
    for run in _RUN.finditer(text):
        if _UNIT.match(text, run.end()):
            continue
        groups, known = re.findall(r"[0-9]+", run.group()), []
        digits = "".join(groups)
        if text[run.start() - 1 : run.start()] == "+" and len(groups) > 1 and digits not in _spellings():
            del groups[0]  # the country's code
        while groups:
            sizes = range(min(len(groups), _MOST_GROUPS), 0, -1)
            size = next((size for size in sizes if "".join(groups[:size]) in _spellings()), 0)
            if not size:
                break
            known.append(_spellings()["".join(groups[:size])])
            del groups[:size]
        yield _Run(run.start(), tuple(known), "".join(groups), digits)


@cache
def _spellings() -> Mapping[str, str]:
    """How a known number may be written, in digits -> the number."""
    further = (_digits(str(number)) for numbers in _CONTENT["also_known"].values() for number in numbers)
    own = (number for lines in _lines().values() for line in lines for number in line.numbers)
    full = {number: number for number in (*own, *further) if len(number) > 2}
    return {number[1:]: number for number in full if len(number) == 11 and number[0] == "1"} | full


def _digits(number: str) -> str:
    return "".join(re.findall(r"[0-9]", number))


@cache
def _lines() -> Mapping[str, tuple[Line, ...]]:
    """By country; "" holds the international ones."""
    return {
        country: tuple(_line(country, entry, _CONTENT["collected"]) for entry in entries)
        for country, entries in {"": _CONTENT["international"], **_CONTENT["countries"]}.items()
    }


def _line(country: str, entry: Mapping, collected: date) -> Line:
    return Line(
        country=country,
        purpose=entry["for"],
        name=entry["name"],
        calls=tuple(entry.get("call", ())),
        text=entry.get("text", ""),
        chat=entry.get("chat", ""),
        languages=tuple(entry["languages"]),
        source=entry["source"],
        checked=entry.get("checked", collected),
    )
