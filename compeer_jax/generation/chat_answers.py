"""Answers of chat models, kept on disk as they come, so that a run that was killed asks nothing twice."""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compeer_jax.errors import UserError
from compeer_jax.generation.chat_call import Answer

FILE = "answers.sqlite"


def answer_key(url: str, body: Mapping[str, Any], draw: int) -> str:
    """What an answer is filed under: SHA-256 of the server, the whole request and the number of the draw."""
    request = json.dumps([url, body, draw], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(request.encode()).hexdigest()


class AnswerStore:
    """Answers by key, in one SQLite file that several processes may share; without a folder, in memory.

    Attributes:
        path: of the file; None in memory.

    Raises:
        UserError: the folder can't be written, or the file in it is no store of answers.
    """

    def __init__(self, folder: str | Path | None):
        self.path = None if folder is None else Path(folder).expanduser() / FILE
        try:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            # Each insert is its own transaction: written by the time that `put` returns, if the process is killed then.
            self._database = sqlite3.connect(
                self.path or ":memory:", timeout=60, isolation_level=None, check_same_thread=False
            )
            for statement in (
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = NORMAL",
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT NOT NULL, "
                "prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL) WITHOUT ROWID",
            ):
                self._database.execute(statement)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def get(self, key: str) -> Answer | None:
        """The answer under `key`, if there is one."""
        row = self._execute("SELECT text, prompt_tokens, completion_tokens FROM answers WHERE key = ?", (key,))
        return Answer(*row) if row else None

    def put(self, key: str, answer: Answer) -> None:
        """Keeps `answer` under `key`."""
        self._execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (key, *answer))

    def total(self) -> tuple[int, int, int]:
        """How many answers there are, and their prompt and completion tokens, over all runs that shared the folder."""
        return self._execute(
            "SELECT count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0) FROM answers", ()
        )

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _execute(self, statement: str, values: tuple) -> tuple | None:
        try:
            return self._database.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> UserError:
        return UserError(f"answers can't be kept in {self.path} ({error}); free the disk, or choose another folder.")
