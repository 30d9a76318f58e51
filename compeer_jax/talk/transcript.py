"""The transcript of a talk with a model: a dialogue in JSON lines that everything here reads."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path

from compeer_jax.data.pictures import inspect_picture, png_bytes
from compeer_jax.dialogue.schema import Dialogue, Turn
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.errors import UserError
from compeer_jax.files import replacing

SOURCE = "compeer-chat"
LICENCE = "private"
PICTURES = "pictures"  # folder beside the transcript
DIGITS = 24  # of a picture's digest, hexadecimal


class Transcript:
    """The file of one talk. It is there, whole, after every save, and only its owner may read it.

    Args:
        folder: where it goes, under a name of its own; None keeps nothing but copies that are asked for.
        language: of the talk.

    Attributes:
        id: of the dialogue: "chat-" and when it began.
        path: the file, which may not be there yet; None without a folder.
    """

    def __init__(self, folder: str | Path | None, language: Language):
        self._copies: dict[str, tuple[str, bytes]] = {}
        began = datetime.now().astimezone().strftime("chat-%Y%m%d-%H%M%S")
        self.language, self.id, self.path = language, began, None
        if folder is not None:
            names = (began if number == 1 else f"{began}-{number}" for number in count(1))
            self.id = next(name for name in names if not (Path(folder) / f"{name}.jsonl").exists())
            self.path = Path(folder) / f"{self.id}.jsonl"

    def save(self, turns: tuple[Turn, ...], provenance: Mapping) -> None:
        """Writes the talk as it is now; a talk without a turn has no file.

        Raises:
            UserError: the folder can't be written.
        """
        if self.path is None:
            return
        if turns:
            self._write(self.path, turns, provenance)
        else:
            self.path.unlink(missing_ok=True)

    def copy(self, path: str | Path, turns: tuple[Turn, ...], provenance: Mapping) -> Path:
        """Writes the talk as it is now to `path` too, and returns it.

        Raises:
            UserError: there is a file already, or it can't be written.
        """
        path = Path(path).expanduser()
        if path.exists():
            raise UserError(f"{path} is there already; name another file.")
        self._write(path, turns, provenance)
        return path

    def _write(self, path: Path, turns: tuple[Turn, ...], provenance: Mapping) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            turns = tuple(replace(turn, images=self._kept(turn, path.parent)) for turn in turns)
            dialogue = Dialogue(self.id, self.language, SOURCE, LICENCE, turns, provenance=(provenance,))
            _write_private(path, (json.dumps(dialogue.to_json(), ensure_ascii=False) + "\n").encode())
        except OSError as error:
            raise UserError(f"{path} can't be written ({error.strerror}); choose another place.") from error

    def _kept(self, turn: Turn, folder: Path) -> tuple[str, ...]:
        """The turn's pictures as files beside the transcript: pixels alone, named by what they show."""
        names = []
        for path in turn.images:
            if path not in self._copies:
                digest = inspect_picture(path, self.id).digest[:DIGITS]
                self._copies[path] = f"{PICTURES}/{digest}.png", png_bytes(path, self.id)
            name, data = self._copies[path]
            if not (folder / name).exists():
                (folder / PICTURES).mkdir(exist_ok=True)
                _write_private(folder / name, data)
            names.append(name)
        return tuple(names)


def _write_private(path: Path, data: bytes) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    with replacing(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
