"""How dialogues are written: every form we read, told by its name or by looking at a row."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from compeer_jax.data.corpora.chats import is_chat, is_smile, read_chat
from compeer_jax.data.corpora.draft import Draft
from compeer_jax.data.corpora.esconv import is_esconv, read_esconv_row
from compeer_jax.data.corpora.exchanges import is_emollm, is_instruction, read_emollm, read_instruction
from compeer_jax.data.corpora.extes import is_extes, read_extes
from compeer_jax.data.corpora.lines import is_pairs, is_tagged, read_pairs, read_tagged
from compeer_jax.data.corpora.multimodal import is_avamerg, is_mesc, read_avamerg, read_mesc
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import unknown

AUTO = "auto"


@dataclass(frozen=True)
class Form:
    """One way to write dialogues.

    Attributes:
        name: in settings and provenance.
        language: of its dialogues; None if it doesn't settle that.
        corpus: whether the form is one corpus's own, so that its name is the source's and its licence is known.
        matches: whether a row is of this form; None if it can't be told from another one's and must be named.
        read: the dialogue in a row; UserError beginning with the place for whatever is wrong with it.
    """

    name: str
    language: Language | None
    corpus: bool
    matches: Callable[[object], bool] | None
    read: Callable[[object, str], Draft]


def is_own(row: object) -> bool:
    """Whether a row has the "turns" of our own form."""
    return isinstance(row, dict) and "turns" in row


def read_own(row: object, where: str) -> Draft:
    """One dialogue of our own form (`dialogue.schema`)."""
    dialogue = Dialogue.from_json(row, where)
    fields = {name: value for name, value in dialogue.to_json().items() if name != "turns"}
    return Draft(dialogue.turns, fields)


def read_emollm_or_chat(row: object, where: str) -> Draft:
    """EmoLLM has files of both forms: its own, and OpenAI's."""
    return read_emollm(row, where) if is_emollm(row) else read_chat(row, where)


def read_cpsycoun(row: object, where: str) -> Draft:
    """CPsyCounE and CPsyCounD: lines that begin with roles, or the form of LLaMA-Factory."""
    return read_instruction(row, where) if is_instruction(row) else read_tagged(row, where)


FORMS = {
    form.name: form
    for form in (
        # In the order of looking: the more particular first.
        Form("avamerg", "en", True, is_avamerg, read_avamerg),
        Form("own", None, False, is_own, read_own),
        Form("mesc", "en", True, is_mesc, read_mesc),
        Form("esconv", "en", True, is_esconv, read_esconv_row),
        Form("smile", "zh", True, is_smile, read_chat),
        Form("emollm", "zh", True, is_emollm, read_emollm_or_chat),
        Form("extes", "en", True, is_extes, read_extes),
        Form("messages", None, False, is_chat, read_chat),
        Form("instructions", None, False, is_instruction, read_instruction),
        Form("cpsycoun", "zh", True, is_tagged, read_cpsycoun),
        Form("augesc", "en", True, is_pairs, read_pairs),
        Form("soulchat", "zh", True, None, read_chat),
    )
}
"""All forms by name."""


def require_form(name: str, where: str = "") -> Form | None:
    """The form of that name, None for "auto"; UserError naming the nearest for any other."""
    if name == AUTO:
        return None
    if name not in FORMS:
        raise unknown("form", name, (AUTO, *FORMS), where)
    return FORMS[name]


def form_of(row: object) -> Form | None:
    """The form that a row looks like; None for none of them."""
    return next((form for form in FORMS.values() if form.matches is not None and form.matches(row)), None)


def unwrapped(row: object) -> object:
    """A row that is only a text which holds JSON, as plain text files on the Hub become, as that JSON."""
    if isinstance(row, dict) and row.keys() == {"text"} and isinstance(row["text"], str):
        try:
            return json.loads(row["text"])
        except (ValueError, RecursionError):
            return row["text"]
    return row
