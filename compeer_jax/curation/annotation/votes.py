"""Votes: what one annotator says on one item, and how they are read from forms that came back."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compeer_jax.curation.annotation.items import is_swapped, verdict_field
from compeer_jax.dialogue.judging import PREFERENCES, Preference, swap_preference
from compeer_jax.dialogue.reasoning import RESPONSE
from compeer_jax.dialogue.verdict_lines import PREFERENCE

MODEL = "model:"  # the beginning of a model's name as an annotator
SETTLED = "(settled)"  # in place of a verdict that a third annotator is not asked for

Verdict = bool | Preference

_STEP_SPELLINGS = {"true": True, "对": True, "正确": True, "false": False, "错": False, "错误": False, "不对": False}


@dataclass(frozen=True)
class Vote:
    """One annotator's verdict on one item.

    Attributes:
        id: of the candidate.
        tag: of the step, or "response".
        annotator: a name; a model's begins with "model:".
        value: whether the step is right, or which answer is better: the reference is first, the output second.
        third: whether the annotator was asked because others differ.
        critique: what a model said before its verdict.
        file: that the vote was read from; "" for a model's.
    """

    id: str
    tag: str
    annotator: str
    value: Verdict
    third: bool = False
    critique: str = ""
    file: str = ""

    @property
    def by_model(self) -> bool:
        """Whether a model cast it."""
        return self.annotator.startswith(MODEL)


@dataclass(frozen=True)
class Filled:
    """A form as it came back.

    Attributes:
        where: file and row, for messages.
        file: the file's name.
        key: of the task, as far as it names one.
        annotator: who filled it in; "" if it doesn't say.
        verdicts: field -> what stands there, as far as anything does.
        asked: tags that a third annotator was asked about; None in the first round, where all are.
    """

    where: str
    file: str
    key: object
    annotator: str
    verdicts: Mapping[str, object]
    asked: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Fault:
    """Something wrong with a form, or with one vote in it.

    Attributes:
        where: file and row.
        reason: the same words for the same fault, then a colon and what is special to it.
        row: what is wrong.
    """

    where: str
    reason: str
    row: Any = None


@dataclass
class Votes:
    """All votes on all items, in the order they came.

    Attributes:
        repeated: how many said again what the same annotator had said.
    """

    repeated: int = 0
    _votes: dict[str, dict[str, dict[str, Vote]]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, vote: Vote) -> bool:
        """Adds a vote; False if the annotator has cast another on the same item before, which stays."""
        on_item = self._votes[vote.id].setdefault(vote.tag, {})
        earlier = on_item.setdefault(vote.annotator, vote)
        if earlier is vote:
            return True
        self.repeated += earlier.value == vote.value
        return earlier.value == vote.value

    def on(self, id: str, tag: str) -> list[Vote]:
        """The votes on one item."""
        return list(self._votes.get(id, {}).get(tag, {}).values())

    def __iter__(self) -> Iterator[Vote]:
        return (vote for tags in self._votes.values() for votes in tags.values() for vote in votes.values())


def read_votes(
    forms: Iterator[Filled | Fault], ids: Mapping[str, str], tags: Sequence[str], seed: int, votes: Votes
) -> Iterator[Fault]:
    """Adds the votes of the forms to `votes`, and yields what is wrong with them, one after the other.

    A form with a fault gives the votes that have none.

    Args:
        ids: the tasks that were given out: key -> the candidate's id.
        tags: of the items of each task.
        seed: of the order that replies were shown in.
    """
    for form in forms:
        if isinstance(form, Fault):
            yield form
            continue
        fault = _unusable(form, ids)
        if fault:
            yield Fault(form.where, fault, _row(form))
            continue
        yield from _add(form, ids[str(form.key)], tags, seed, votes)


def parse_verdict(tag: str, text: object) -> Verdict | None:
    """The verdict on item `tag` that a field's text spells; None if it spells none. Case makes no difference.

    On replies these are the spellings that models' verdicts have, the paper's four phrases among them.
    """
    if isinstance(text, bool):
        return text if tag != RESPONSE else None
    if tag == RESPONSE:
        line = PREFERENCE.read(str(text).strip())
        return line.value if line.kind == "bare" else None
    return _STEP_SPELLINGS.get(unicodedata.normalize("NFKC", str(text)).strip().casefold())


def choices(tag: str) -> tuple[str, ...]:
    """The verdicts that there are on item `tag`, as they are written."""
    return PREFERENCES if tag == RESPONSE else ("True", "False")


def _unusable(form: Filled, ids: Mapping[str, str]) -> str | None:
    """Why nothing in a form can be used."""
    if form.key is None or not str(form.key).strip():
        return "no key of a task"
    if str(form.key) not in ids:
        return f"a task that was not given out: {str(form.key)[:40]!r}"
    if not form.annotator:
        return "no annotator is named"
    if form.annotator.startswith(MODEL):
        return f"a person named as models are: {form.annotator!r}"
    return None


def _add(form: Filled, id: str, tags: Sequence[str], seed: int, votes: Votes) -> Iterator[Fault]:
    missing = []
    for tag in tags:
        text = form.verdicts.get(verdict_field(tag))
        if text is None:
            if form.asked is None or tag in form.asked:
                missing.append(tag)
            continue
        value = parse_verdict(tag, text)
        if value is None:
            names = " or ".join(choices(tag))
            reason = f"not a verdict: {verdict_field(tag)} is {str(text)[:40]!r}; it can be {names}"
            yield Fault(form.where, reason, _row(form))
            continue
        if tag == RESPONSE and is_swapped(seed, id):
            value = swap_preference(value)
        vote = Vote(id, tag, form.annotator, value, third=form.asked is not None, file=form.file)
        if not votes.add(vote):
            reason = f"a second, different vote of one annotator: {form.annotator} on {tag}; the first stays"
            yield Fault(form.where, reason, _row(form))
    if missing:
        yield Fault(form.where, f"half-filled: no verdict on {', '.join(missing)}", _row(form))


def _row(form: Filled) -> dict[str, Any]:
    return {"key": form.key, "annotator": form.annotator, **form.verdicts}
