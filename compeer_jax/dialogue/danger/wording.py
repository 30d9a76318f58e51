"""The program's own words when somebody may be in danger: notices, written replies, instructions to a model.

The words are in `wording.yaml`. No professional has reviewed them as long as `reviewed_by()` is None.
"""

from collections.abc import Iterable, Mapping

from compeer_jax.dialogue.danger.kinds import KINDS, content, in_order
from compeer_jax.dialogue.danger.numbers import Line, check_country, help_for
from compeer_jax.dialogue.taxonomy import Language, check_language

_CONTENT = content("wording.yaml")


def reviewed_by() -> str | None:
    """Who reviewed the wording, with profession and date; None while no professional has."""
    return _CONTENT["reviewed_by"]


def opening_notice(language: Language, country: str | None = None) -> str:
    """Opening notice of a talk with a model: what it is, what it is not, and where to call in danger."""
    return _filled(_CONTENT["opening"], (), language, country)


def danger_notice(language: Language, kinds: Iterable[str] = (), country: str | None = None) -> str:
    """What a person is shown beside the model's reply, after words of danger."""
    return _filled(_CONTENT["danger"], in_order(kinds), language, country)


def written_reply(kinds: Iterable[str], language: Language, country: str | None = None) -> str:
    """The reply to `kinds` of danger that stands where no model gave one that does: that to the most urgent kind.

    Raises:
        UserError: an unknown kind, language or country.
        ValueError: there are no kinds.
    """
    kinds = in_order(kinds)
    if not kinds:
        raise ValueError("a written reply answers at least one kind of danger")
    return _filled(_CONTENT["reply"][kinds[0]], kinds, language, country)


def reply_instructions(kinds: Iterable[str], language: Language, country: str | None = None) -> str:
    """What is added to a model's prompt so that its reply does what `kinds` call for; "" where there are none."""
    kinds = in_order(kinds)
    if not kinds:
        return ""
    check_language(language)

    def listed(field: str) -> str:
        points = dict.fromkeys(point for name in kinds for point in getattr(KINDS[name], field)[language])
        return "\n".join(f"- {point}" for point in points)

    return _CONTENT["instructions"][language].format(
        kinds=_CONTENT["line"][language]["comma"].join(KINDS[name].title[language] for name in kinds),
        must=listed("must"),
        must_not=listed("must_not"),
        help=help_text(kinds, language, country),
    )


def mending(faults: Iterable[str], language: Language) -> str:
    """What is added to a model's prompt after a reply with these `faults` (`guard`) was withheld; "" for none."""
    listed = "\n".join(f"- {_CONTENT['mend'][code][check_language(language)]}" for code in faults)
    return _CONTENT["again"][language].format(faults=listed) if listed else ""


def withheld_reply(language: Language, country: str | None = None) -> str:
    """The reply that stands in place of what no output may say, where no danger was found."""
    return _filled(_CONTENT["withheld"], (), language, country)


def help_text(kinds: Iterable[str], language: Language, country: str | None = None) -> str:
    """The lines to name for `kinds`, as part of a sentence; without a country, where to find them."""
    language, kinds = check_language(language), in_order(kinds)
    if check_country(country) is None:
        purpose = KINDS[kinds[0]].help[0] if kinds else "suicide"
        return _CONTENT["help"][purpose][language]
    return _CONTENT["line"][language]["between"].join(_named(line, language) for line in help_for(country, kinds))


def _named(line: Line, language: Language) -> str:
    """One line with its name and the ways to reach it, such as "Samaritans (call 116 123)"."""
    words = _CONTENT["line"][language]
    if line.purpose == "emergency":
        untold = (number for number in line.calls if number not in line.name)
        return words["emergency"].format(words["or"].join((line.name, *untold)))
    calls = words["or"].join(line.calls)
    ways = (
        words["call"].format(calls) if calls else "",
        words["text"].format(line.text) if line.text else "",
        line.chat,
    )
    return f"{line.name}{words['open']}{words['comma'].join(filter(None, ways))}{words['close']}"


def _filled(texts: Mapping[str, str], kinds: tuple[str, ...], language: Language, country: str | None) -> str:
    return texts[check_language(language)].format(help=help_text(kinds, language, country))
