"""Who speaks, by the many names that corpora give to the two sides."""

from compeer_jax.dialogue.schema import Role
from compeer_jax.errors import unknown

SEEKER = (
    *("seeker", "help-seeker", "help_seeker", "user", "usr", "client", "patient", "visitor", "human", "speaker"),
    *("求助者", "来访者", "咨询者", "用户", "患者", "倾诉者"),
)
SUPPORTER = (
    *("supporter", "assistant", "sys", "counselor", "counsellor", "therapist", "psychologist", "listener"),
    *("ai", "bot", "gpt", "model", "支持者", "心理咨询师", "咨询师", "心理医生", "倾听者", "助手"),
)
IGNORED = ("system", "developer", "tool", "function")
"""Turns of a chat that nobody in the talk says: instructions to the model and its tools."""


def role_of(name: object, where: str) -> Role | None:
    """The side that `name` stands for; None for turns that are no part of the talk.

    Raises:
        UserError: it stands for neither.
    """
    spelled = name.strip().lower() if isinstance(name, str) else name
    if spelled in SEEKER:
        return "seeker"
    if spelled in SUPPORTER:
        return "supporter"
    if spelled in IGNORED:
        return None
    raise unknown("role", name, (*SEEKER[:6], *SUPPORTER[:6]), where)
