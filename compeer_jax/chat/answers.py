"""A store of chat models' answers, filled as they come, so that a run that was killed repeats no request.

An answer is kept with how it ended. Those of files that don't say that are not given out: nobody knows whether they are
whole.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compeer_jax.chat.types import Answer
from compeer_jax.errors import UserError

FILE = "answers.sqlite"
_INSERT = (
    "INSERT OR REPLACE INTO answers (key, text, prompt_tokens, completion_tokens, ended, model) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
_LATER = ("model", "ended")  # columns that files of earlier versions lack: whose an answer is, and how it ended


def answer_key(url: str, body: Mapping[str, Any], draw: int) -> str:
    """Key of an answer in the store: SHA-256 of the server, the whole request and the number of the draw."""
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
            self._add_columns()
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def get(self, key: str) -> Answer | None:
        """The answer under `key`, if there is one."""
        row = self._execute(
            "SELECT text, prompt_tokens, completion_tokens, ended FROM answers WHERE key = ? AND ended != ''", (key,)
        )
        return Answer(*row) if row else None

    def put(self, key: str, answer: Answer, model: str = "") -> None:
        """Keeps `answer` under `key`, as one of the model called `model`."""
        self._execute(_INSERT, (key, *answer, model))

    def put_all(self, answers: Mapping[str, Answer], model: str = "") -> None:
        """Keeps answers under their keys, all of them or, when the process is killed meanwhile, none."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(_INSERT, [(key, *answer, model) for key, answer in answers.items()])
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def total(self) -> tuple[int, int, int]:
        """Number of answers, and their prompt and completion tokens, over all runs that shared the folder."""
        return self._execute(
            "SELECT count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0) FROM answers", ()
        )

    def total_by_model(self) -> dict[str, tuple[int, int, int]]:
        """The same for each model by its name, in the order of names; those kept without a name are under ""."""
        try:
            rows = self._database.execute(
                "SELECT model, count(*), sum(prompt_tokens), sum(completion_tokens) FROM answers "
                "GROUP BY model ORDER BY model"
            ).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return {model: tuple(counts) for model, *counts in rows}

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _add_columns(self) -> None:
        """What files of earlier versions lack."""
        columns = [row[1] for row in self._database.execute("PRAGMA table_info(answers)")]
        for name in _LATER:
            if name not in columns:
                try:
                    self._database.execute(f"ALTER TABLE answers ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
                except sqlite3.OperationalError as error:
                    if "duplicate column" not in str(error):  # else another process was quicker
                        raise

    def _execute(self, statement: str, values: tuple) -> tuple | None:
        try:
            return self._database.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> UserError:
        return UserError(f"answers can't be kept in {self.path} ({error}); free the disk, or choose another folder.")
