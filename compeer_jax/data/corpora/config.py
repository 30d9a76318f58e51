"""Settings of a corpus, and the licences that may be asked for."""

from dataclasses import dataclass, field
from typing import Literal

from compeer_jax.errors import require_at_least

Licences = Literal["commercial", "research", "all"]


@dataclass(frozen=True)
class CorpusConfig:
    """One corpus.

    Args:
        path: a file, a folder of files, "sample" for the bundled dialogues, "sample_faces" for these with drawn faces,
            or a Hugging Face dataset id ("owner/name", "owner/name:configuration").
        form: how its dialogues are written: own, messages, exchanges, instructions, replies, transcript, pairs, esconv,
            extes, mesc, avamerg; "auto" tells by looking. The name of a published corpus (esconv, smile, cpsycoun,
            soulchat, emollm, extes, augesc, mesc, avamerg) says that it is this corpus, under its authors' licence.
        name: what it is called as a source; by default what its rows say, the published corpus that it is known to be,
            or the file's name.
        licence: of its content; goes before what its rows say and what a corpus's authors state. Unknown where nobody
            says it, as the form of a file does not.
        language: of its dialogues, en or zh; by default what its rows say, or what their letters and words are.
        roles: whose turns are those of a role, beside the usual names: {helper: supporter, 学员: seeker, note: none}.
        split: of a Hugging Face dataset.
        limit: read at most this many dialogues (0: all).
        pictures: "copy" copies what its turns show beside the dialogues, and sets a dialogue aside of which a picture
            is missing or can't be used; "leave_out" leaves the words alone, and turns that have none.
    """

    path: str
    form: str = "auto"
    name: str = ""
    licence: str = ""
    language: str = ""
    roles: dict[str, str] = field(default_factory=dict)
    split: str = "train"
    limit: int = 0
    pictures: Literal["copy", "leave_out"] = "copy"

    def __post_init__(self):
        require_at_least(0, self, f"corpora: {self.path}: ", "limit")
