"""Answers with their references, to be rated: from a folder of outputs, or from a file of anybody's answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.dialogue.taxonomy import STRATEGIES, Language
from compeer_jax.errors import UserError
from compeer_jax.structure import Check, Text, at_least, plain, structured


@dataclass(frozen=True)
class Answer:
    """One answer of a model.

    Attributes:
        id: of the prompt; several answers may share it.
        language: of the answer.
        response: what the seeker sees, "" when the output has none.
        reference: what a supporter really said there.
        strategy: the canonical name of the strategy that the model took; None when it named none that there is.
        gold_strategy: the annotated one; None when there is none.
        names_strategies: whether outputs of this kind name a strategy at all; if not, its absence is no mistake.
        member: which of the answers to this prompt, from 0.
    """

    id: str
    language: str
    response: str
    reference: str
    strategy: str | None = None
    gold_strategy: str | None = None
    names_strategies: bool = True
    member: int = 0

    def to_json(self) -> dict:
        """The answer as a line of a file that `read_answers` reads."""
        obj = plain(self)
        del obj["names_strategies"]
        if not self.names_strategies:
            del obj["strategy"]
        return obj


def read_answers(path: str, member: int = 0, malformed: Literal["empty", "found"] = "empty") -> list[Answer]:
    """The answers in a folder of `compeer eval --output` or `compeer grpo`, or in a JSONL file.

    A line of the file: {"id", "language", "response", "reference", "strategy"?, "gold_strategy"?, "member"?}. An empty
    response is an answer too. A strategy that the taxonomy doesn't have counts as none; a gold one is an error.

    Args:
        path: of the folder or the file.
        member: which output of each prompt, from 0; -1 takes all.
        malformed: what an output of a folder is worth that lacks a part or has one too many: "empty" takes it for an
            empty answer without a strategy, "found" takes what can be read.

    Raises:
        UserError: nothing there, a row that is no answer, or no output of that number.
    """
    where = Path(path).expanduser()
    if where.is_dir():
        answers = _folder_answers(path, malformed)
    elif where.is_file():
        answers = _file_answers(where)
    else:
        raise UserError(
            f"{path} is no folder or file; name the folder of a `compeer eval --output` or `compeer grpo` run, or a "
            "JSONL file of answers."
        )
    chosen = [answer for answer in answers if member in (-1, answer.member)]
    if not chosen:
        most = max(answer.member for answer in answers)
        raise UserError(f"member is {member}; the outputs in {path} have members 0 to {most}, and -1 takes all.")
    return chosen


def _folder_answers(path: str, malformed: str) -> list[Answer]:
    from compeer_jax.evaluation.saved_outputs import read_groups

    groups, format = read_groups(path, 0)
    named = "strategy" in {label.name for label in format.labels}
    answers = []
    for group in groups:
        for number, output in enumerate(group):
            record, counts = output.record, output.whole or malformed == "found"
            answer = Answer(
                id=record.id,
                language=record.language,
                response=output.turn.response if counts else "",
                reference=record.reference.response,
                strategy=output.turn.labels.get("strategy") if counts else None,
                gold_strategy=record.reference.labels.get("strategy"),
                names_strategies=named,
                member=number,
            )
            answers.append(answer)
    if not answers:
        raise UserError(f"{path} has no whole group of outputs; make them anew.")
    return answers


@dataclass(frozen=True)
class _Row:
    """A line of a file of answers."""

    id: Text
    language: Language
    response: str
    reference: Text
    strategy: str | None = None
    gold_strategy: Annotated[str, Check(STRATEGIES.require)] | None = None
    member: Annotated[int, Check(at_least(0))] = 0


def _file_answers(path: Path) -> list[Answer]:
    rows = list(read_jsonl(path))
    named = any("strategy" in row for _, row in rows)
    answers, places = [], {}
    for where, row in rows:
        if "text" in row and "response" not in row:
            raise UserError(f"{where}: this is a line of a folder of outputs; name the folder instead of {path.name}.")
        one = structured(_Row, row, where)
        answer = Answer(
            id=one.id,
            language=one.language,
            response=one.response,
            reference=one.reference,
            strategy=STRATEGIES.canonical(one.strategy) if one.strategy else None,
            gold_strategy=one.gold_strategy,
            names_strategies=named,
            member=one.member,
        )
        key = answer.id, answer.member
        if key in places:
            raise UserError(
                f"{where}: id {answer.id!r} is that of {places[key]} too; give each of several answers to one prompt a "
                "number, 'member', from 0."
            )
        places[key] = where
        answers.append(answer)
    return answers


def by_language(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    """The answers of each language, English first: figures of two languages are never one number."""
    languages = sorted({answer.language for answer in answers})
    return {language: [answer for answer in answers if answer.language == language] for language in languages}
