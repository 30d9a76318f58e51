"""Pictures of a corpus, copied beside its dialogues as pixels alone and named by what they show.

corpora/pictures/DIGEST.png: upright, in RGB, without anything else that the file said of place, time or device. A
picture that several turns show is there once. Paths in the stages' rows are told from the folder `corpora`.
"""

from dataclasses import replace
from pathlib import Path

from compeer_jax.curation.stage import PICTURES, StageWriter
from compeer_jax.data.corpora.config import CorpusConfig
from compeer_jax.data.corpora.places import SAMPLES, corpus_files, corpus_folder
from compeer_jax.data.pictures import inspect_picture, picture_file, png_bytes
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.errors import UserError

DIGITS = 24  # of a digest, hexadecimal: no two pictures of a corpus have the same by chance


class Pictures:
    """Copies a corpus's pictures, each once.

    Attributes:
        copied: names of the files that were made.

    Args:
        corpus: whose.
        out: where to.
    """

    def __init__(self, corpus: CorpusConfig, out: StageWriter):
        self.corpus, self.out = corpus, out
        self.copied: set[str] = set()
        here = corpus.path in SAMPLES or corpus_files(corpus.path)
        self._folder = corpus_folder(corpus.path) if here else None

    def of(self, dialogue: Dialogue) -> Dialogue:
        """The dialogue with its pictures' copies in their place; without any, where the corpus's are left out.

        Raises:
            UserError: naming dialogue and path, a picture that is not there, can't be used, or lies elsewhere.
        """
        if not any(turn.images for turn in dialogue.turns):
            return dialogue
        if self.corpus.pictures == "leave_out":
            turns = tuple(replace(turn, images=()) for turn in dialogue.turns if turn.content or not turn.images)
            if len({turn.role for turn in turns}) < 2:
                raise UserError(f"{dialogue.id}: without its pictures, one side says nothing.")
            return replace(dialogue, turns=turns)
        return replace(dialogue, turns=tuple(self._turn(turn, dialogue) for turn in dialogue.turns))

    def _turn(self, turn: Turn, dialogue: Dialogue) -> Turn:
        return replace(turn, images=tuple(self._copy(name, dialogue) for name in turn.images))

    def _copy(self, name: str, dialogue: Dialogue) -> str:
        if self._folder is None:
            raise UserError(
                f"{dialogue.id}: the picture {name} is of a data set elsewhere; download it and name its folder."
            )
        file = Path(str(dialogue.provenance[-1].get("file", "")))
        folders = dict.fromkeys((self._folder, (self._folder / file).parent))
        paths = [picture_file(name, folder, dialogue.id) for folder in folders]
        path = next((path for path in paths if Path(path).is_file()), paths[0])
        picture = inspect_picture(path, dialogue.id)
        copy = f"{PICTURES}/{picture.digest[:DIGITS]}.png"
        if copy not in self.copied:
            self.out.path(copy).write_bytes(png_bytes(path, dialogue.id))
            self.copied.add(copy)
        return copy
