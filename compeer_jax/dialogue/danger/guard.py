"""A guard over replies: instructions for what danger calls for, a check, and a written reply where a model fails.

    reply = guarded_reply(ask, danger_in_talk(turns).kinds, "en", "US")
    reply.text        # fit to be shown; where reply.written, they are the program's own words

What no output may say (`forbidden`) is looked for whether there is danger or not.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from compeer_jax.dialogue.danger.conduct import reply_faults
from compeer_jax.dialogue.danger.kinds import Level, in_order, level_of
from compeer_jax.dialogue.danger.wording import mending, reply_instructions, withheld_reply, written_reply
from compeer_jax.dialogue.taxonomy import Language

TRIES = 2
MISSING = "no_reply"


@dataclass(frozen=True)
class GuardedReply:
    """A reply that may be shown, and how it came about.

    Attributes:
        text: the reply.
        kinds: of danger that it answers, the most urgent first.
        faults: of each reply that was withheld before it, the oldest first: codes of `FAULTS`, or "no_reply".
        written: the words are the program's own, as the model gave none that are fit.
    """

    text: str
    kinds: tuple[str, ...] = ()
    faults: tuple[tuple[str, ...], ...] = ()
    written: bool = False

    @property
    def tries(self) -> int:
        """How often the model was asked."""
        return len(self.faults) + (not self.written)

    def to_json(self) -> dict[str, Any]:
        """All but the text, for a record of the talk."""
        return {
            "kinds": list(self.kinds),
            "level": level_of(self.kinds).name.lower(),
            "tries": self.tries,
            "faults": [list(codes) for codes in self.faults],
            "written": self.written,
        }


@dataclass(frozen=True)
class Guard:
    """What replies are held to from here on.

    Attributes:
        kinds: of danger found so far, the most urgent first.
        language: of the replies.
        country: where the person is; None where that is not known.
    """

    kinds: tuple[str, ...] = ()
    language: Language = "en"
    country: str | None = None
    level: Level = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "kinds", in_order(self.kinds))
        object.__setattr__(self, "level", level_of(self.kinds))

    def raised(self, kinds: Iterable[str]) -> "Guard":
        """With further `kinds`; what was found once stays."""
        return replace(self, kinds=(*self.kinds, *kinds))

    def instructions(self, faults: Iterable[str] = ()) -> str:
        """What is added to the model's prompt, with the `faults` of its last reply named; "" where there is nothing."""
        asked = reply_instructions(self.kinds, self.language, self.country)
        return "\n\n".join(filter(None, (asked, mending(faults, self.language))))

    def faults(self, reply: str) -> tuple[str, ...]:
        """Why `reply` must not be shown, codes of `FAULTS`; empty where it may be."""
        return reply_faults(reply, self.kinds, self.language, self.country)

    def in_place(self, faults: tuple[tuple[str, ...], ...]) -> GuardedReply:
        """The program's own words in the place of replies that have the `faults`."""
        if self.kinds:
            text = written_reply(self.kinds, self.language, self.country)
        else:
            text = withheld_reply(self.language, self.country)
        return GuardedReply(text, self.kinds, faults, written=True)


def guarded_reply(
    ask: Callable[[str], str | None],
    kinds: Iterable[str],
    language: Language,
    country: str | None = None,
    *,
    tries: int = TRIES,
) -> GuardedReply:
    """A model's reply that keeps to what `kinds` of danger call for, or the program's own words.

    Args:
        ask: asks the model for a reply, with this text added to its system prompt ("": nothing). It returns the reply
            alone, "" where the output holds none, and None where there is none to be had, which ends the asking.
        kinds: of danger found in the talk; without any, what no output may say is looked for alone.
        language: of the reply.
        country: where the person is, an ISO 3166 code; None where that is not known.
        tries: how often the model is asked.

    Raises:
        UserError: an unknown kind, language or country.
    """
    guard, withheld = Guard(tuple(kinds), language, country), ()
    while len(withheld) < tries:
        reply = ask(guard.instructions(withheld[-1] if withheld else ()))
        faults = guard.faults(reply) if reply else (MISSING,)
        if reply and not faults:
            return GuardedReply(reply, guard.kinds, withheld)
        withheld = (*withheld, faults)
        if reply is None:
            break
    return guard.in_place(withheld)
