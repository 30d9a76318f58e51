"""Registry of forms of dialogue files, recognised by name or by a row. None names a corpus."""

from collections.abc import Callable
from dataclasses import dataclass

from compeer_jax.data.corpora.chats import is_chat, read_chat
from compeer_jax.data.corpora.draft import Draft
from compeer_jax.data.corpora.exchanges import (
    is_exchanges,
    is_instruction,
    is_reply,
    read_exchanges,
    read_instruction,
    read_reply,
)
from compeer_jax.data.corpora.lines import is_pairs, is_tagged, read_pairs, read_tagged
from compeer_jax.data.corpora.published import (
    is_avamerg,
    is_esconv,
    is_extes,
    is_mesc,
    read_avamerg,
    read_esconv_row,
    read_extes,
    read_mesc,
)
from compeer_jax.data.corpora.roles import ROLES, Roles
from compeer_jax.data.jsonl import parse_json
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import UserError, unknown

AUTO = "auto"


@dataclass(frozen=True)
class Form:
    """One way to write dialogues, or a published corpus in the ways that it is written.

    Attributes:
        name: in settings and provenance.
        read: the dialogue in a row; UserError beginning with the place for whatever is wrong with it.
        matches: whether a row looks like this form; None for a corpus, which no look at its form can tell.
        language: of a corpus; None for a form.
    """

    name: str
    read: Callable[..., Draft]
    matches: Callable[[object], bool] | None = None
    language: Language | None = None

    @property
    def corpus(self) -> str | None:
        """The published corpus that whoever names this says they have; None if it is only a form."""
        return self.name if self.language else None


def is_own(row: object) -> bool:
    """Whether a row has the "turns" of our own form, and says more than those."""
    return isinstance(row, dict) and "turns" in row and any(name in row for name in ("language", "source", "licence"))


def read_own(row: object, where: str, roles: Roles = ROLES) -> Draft:
    """One dialogue of our own form (`dialogue.schema`)."""
    dialogue = Dialogue.from_json(row, where)
    fields = {name: value for name, value in dialogue.to_json().items() if name != "turns"}
    return Draft(dialogue.turns, fields)


def _read_emollm(row: object, where: str, roles: Roles = ROLES) -> Draft:
    return (read_exchanges if is_exchanges(row) else read_chat)(row, where, roles)


def _read_cpsycoun(row: object, where: str, roles: Roles = ROLES) -> Draft:
    return (read_instruction if is_instruction(row) else read_tagged)(row, where, roles)


FORMS = {
    form.name: form
    for form in (
        # In the order of looking: the more particular first.
        Form("avamerg", read_avamerg, is_avamerg),
        Form("own", read_own, is_own),
        Form("mesc", read_mesc, is_mesc),
        Form("esconv", read_esconv_row, is_esconv),
        Form("exchanges", read_exchanges, is_exchanges),
        Form("extes", read_extes, is_extes),
        Form("messages", read_chat, is_chat),
        Form("instructions", read_instruction, is_instruction),
        Form("replies", read_reply, is_reply),
        Form("transcript", read_tagged, is_tagged),
        Form("pairs", read_pairs, is_pairs),
    )
}
"""The forms that a row may look like, by name."""

CORPORA = {
    corpus.name: corpus
    for corpus in (
        Form("esconv", read_esconv_row, language="en"),
        Form("extes", read_extes, language="en"),
        Form("augesc", read_pairs, language="en"),
        Form("mesc", read_mesc, language="en"),
        Form("avamerg", read_avamerg, language="en"),
        Form("smile", read_chat, language="zh"),
        Form("soulchat", read_chat, language="zh"),
        Form("emollm", _read_emollm, language="zh"),
        Form("cpsycoun", _read_cpsycoun, language="zh"),
    )
}
"""The published corpora that a user may say they have, by name."""


def require_form(name: str, where: str = "") -> Form | None:
    """The corpus or form of that name, None for "auto"; UserError naming the nearest for any other."""
    if name == AUTO:
        return None
    named = FORMS | CORPORA
    if name not in named:
        raise unknown("form", name, (AUTO, *named), where)
    return named[name]


def form_of(row: object) -> Form | None:
    """The form that a row looks like; None for none of them."""
    return next((form for form in FORMS.values() if form.matches(row)), None)


def unwrapped(row: object) -> object:
    """A row whose dialogue is written as text in one of its columns, as tables have it, with that opened.

    The text may be JSON, or a transcript.
    """
    if not isinstance(row, dict) or form_of(row) is not None:
        return row
    opened = {name: _opened(value) for name, value in row.items()}
    if form_of(opened) is not None:
        return opened
    inner = [value for name, value in opened.items() if value is not row[name] and form_of(value) is not None]
    inner = inner or [value for value in opened.values() if isinstance(value, str) and is_tagged(value)]
    if len(inner) == 1:
        return inner[0]
    return row["text"] if row.keys() == {"text"} else row


def _opened(value: object) -> object:
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return parse_json(value.encode(errors="replace"), "")
        except UserError:
            return value
    return value
