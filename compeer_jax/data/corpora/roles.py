"""Roles of speakers, by the many names that corpora give to the two sides."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from compeer_jax.dialogue.schema import Role
from compeer_jax.errors import UserError, unknown

SEEKER = (
    *("seeker", "help seeker", "helpee", "user", "usr", "client", "patient", "visitor", "customer", "caller", "human"),
    *("speaker", "person seeking help", "求助者", "来访者", "来访", "咨询者", "用户", "患者", "病人", "倾诉者", "客户"),
)
SUPPORTER = (
    *("supporter", "helper", "assistant", "sys", "counselor", "counsellor", "therapist", "psychotherapist"),
    *("psychologist", "psychiatrist", "doctor", "listener", "ai", "ai assistant", "bot", "chatbot", "gpt", "chatgpt"),
    *("model", "支持者", "心理咨询师", "咨询师", "心理医生", "心理治疗师", "治疗师", "医生", "倾听者", "助手", "客服"),
)
IGNORED = ("system", "developer", "tool", "function")
"""Turns of a chat that nobody in the talk says: instructions to the model and its tools."""

Side = Literal["seeker", "supporter", "none"]
_LABEL = re.compile(r"\s*([^\s:：][^:：\n]{0,39})[:：]")
_LONGEST_SHOWN = 40


@dataclass(frozen=True)
class Roles:
    """Which side each name stands for. Case, spaces, hyphens and underlines don't count.

    Attributes:
        sides: name -> side, "none" for what nobody in the talk says.
    """

    sides: Mapping[str, Side]

    def side(self, name: object, where: str) -> Role | None:
        """The side that `name` stands for; None for turns that are no part of the talk.

        Raises:
            UserError: it stands for neither.
        """
        side = (self.sides.get(name) or self.sides.get(_plain(name))) if isinstance(name, str) else None
        if side is None:
            said = repr(name)[:_LONGEST_SHOWN]
            raise UserError(
                f"{where}: unknown role {said}; the setting roles (corpora[].roles, data.roles) says whose it is: "
                "{NAME: seeker}, supporter, or none."
            )
        return None if side == "none" else side

    def label(self, line: str) -> tuple[str, str] | None:
        """The known role that a line begins with, and what follows its colon; None if it begins with none."""
        found = _LABEL.match(line)
        return (found[1], line[found.end() :]) if found and _plain(found[1]) in self.sides else None


def begins_with_label(line: str) -> bool:
    """Whether a line begins with something short and a colon, as transcripts do, known or not."""
    return _LABEL.match(line) is not None


def roles_with(added: Mapping[str, str], where: str) -> Roles:
    """The roles that we know, and those that a user names, which go before ours.

    Raises:
        UserError: a side that there isn't.
    """
    for name, side in added.items():
        if side not in get_args(Side):
            raise unknown(f"side of role {name!r}", side, get_args(Side), where)
    return Roles(ROLES.sides | {_plain(name): side for name, side in added.items()})


def _plain(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.strip().casefold()))


ROLES = Roles(dict.fromkeys(SEEKER, "seeker") | dict.fromkeys(SUPPORTER, "supporter") | dict.fromkeys(IGNORED, "none"))
"""The roles that we know."""
