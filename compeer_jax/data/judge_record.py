"""Records of judgements, as in CER: one output for a talk, whether its steps are right, and how two answers compare.

A record may lack a label or the preference, where those who were asked don't agree. What each kind of judge needs to
learn from a record is in `check_labelled`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, cast

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.data.record import History, Provenance
from compeer_jax.dialogue.judging import PREFERENCES, JudgeCase, JudgeKind, Preference, swap_preference
from compeer_jax.dialogue.reasoning import FORMATS, RESPONSE
from compeer_jax.dialogue.taxonomy import Language
from compeer_jax.dialogue.verdicts import parse_preference
from compeer_jax.errors import UserError, unknown
from compeer_jax.structure import Check, Text, structured

POSITIONS = ("first", "second")  # of an answer, as shown; also what a judge's findings on each are kept under

_NAMES = {"en": ("First: ", "Second: "), "zh": ("第一个：", "第二个：")}
_SPACES = {"en": " ", "zh": ""}


def known_preference(said: str | None) -> Preference | None:
    """The check that a preference is one of the four, in our words or the paper's phrases; ours come out."""
    found = None if said is None else parse_preference(said)
    if said is not None and found is None:
        raise unknown("preference", said, PREFERENCES)
    return found


def of_a_format(steps: Mapping[str, str]) -> Mapping[str, str]:
    """The check that steps are all those of one reasoning format, and of no other."""
    known = {name: [step.tag for step in format.steps] for name, format in FORMATS.items()}
    for tag in steps:
        if not any(tag in tags for tags in known.values()):
            raise unknown("step", tag, dict.fromkeys(tag for tags in known.values() for tag in tags))
    if not any(set(steps) == set(tags) for tags in known.values()):
        whole = "; ".join(f"{name}: {', '.join(tags)}" for name, tags in known.items())
        raise UserError(f"the steps {', '.join(steps) or '(none)'} are not those of a format ({whole}).")
    return steps


def said_by_both(responses: tuple[str, str]) -> tuple[str, str]:
    """The check that there are two answers."""
    if not all(text.strip() for text in responses):
        raise UserError("a response is empty; a judge compares two that are there.")
    return responses


@dataclass(frozen=True, kw_only=True)
class JudgeRecord:
    """What a judge is shown, and what it should say.

    Attributes:
        id: of the record.
        language: of the talk and of the critiques.
        source: "silver:<corpus>" for silver records.
        licence: the corpus's.
        situation: the seeker's own summary, if the corpus has one.
        steps: tag -> the step as shown, free text and labelled line; "" when the output lacks it.
        labels: tag -> whether the step is right, in the order of the steps; only for those where that is known.
        responses: two answers, the reference and the output; a judge may be shown them the other way round.
        preference: between the answers in the order they are kept in; None where it is not known.
        critiques: what the judge says before a verdict, where that is known: under a step's tag; under "first" and
            "second" what it finds in each answer; under "response" what it says of both, whatever their order.
    """

    id: Text
    language: Language
    source: Text
    licence: Text
    situation: Text | None = None
    history: History
    steps: Annotated[Mapping[str, str], Check(of_a_format)]
    labels: Mapping[str, bool]
    responses: Annotated[tuple[str, str], Check(said_by_both)]
    preference: Annotated[str | None, Check(known_preference)] = None
    critiques: Mapping[str, str] = field(default_factory=dict)
    provenance: Provenance = ()

    def __post_init__(self):
        for tag in self.labels:
            if tag not in self.steps:
                raise unknown("step", tag, self.steps, "labels")
        for name in self.critiques:
            if name not in (names := (*self.steps, RESPONSE, *POSITIONS)):
                raise unknown("critique", name, names)
        if self.preference is None and not self.labels:
            raise UserError("no step has a label and there is no preference; give one of them.")
        object.__setattr__(self, "labels", {tag: self.labels[tag] for tag in self.steps if tag in self.labels})

    def case(self, swapped: bool = False) -> JudgeCase:
        """What the judge is shown; `swapped` shows the second answer first."""
        case = JudgeCase(self.language, self.history, self.steps, self.responses)
        return case.swapped() if swapped else case

    def verdict(self, tag: str, swapped: bool = False) -> bool | Preference | None:
        """The right verdict on step `tag`, or for "response" the preference among the answers as shown.

        None where it is not known.
        """
        if tag != RESPONSE:
            return self.labels.get(tag)
        preference = cast(Preference | None, self.preference)
        return swap_preference(preference) if swapped and preference else preference

    def critique(self, tag: str, swapped: bool = False) -> str:
        """What comes before that verdict, "" if nothing is known; findings on the answers in the order shown."""
        if tag != RESPONSE:
            return self.critiques.get(tag, "")
        kept = POSITIONS[::-1] if swapped else POSITIONS
        named = zip(_NAMES[self.language], kept, strict=True)
        findings = [name + self.critiques[position] for name, position in named if position in self.critiques]
        return _SPACES[self.language].join([*findings, *filter(None, [self.critiques.get(RESPONSE)])])


def read_judge_records(path: str | Path) -> list[JudgeRecord]:
    """The judge records of a JSONL file, one a line.

    Raises:
        UserError: naming file, line and field; steps that are not those of a format, a preference that is none of the
            four, neither a label nor a preference. An id that is there twice is one, too.
    """
    records: dict[str, JudgeRecord] = {}
    for where, obj in read_jsonl(path):
        record = structured(JudgeRecord, obj, where)
        if record.id in records:
            raise UserError(f"{where}: the id {record.id!r} is there twice; give each record its own.")
        records[record.id] = record
    return list(records.values())


def check_labelled(record: JudgeRecord, kind: JudgeKind) -> JudgeRecord:
    """`record` itself, if a judge of this kind can learn from it.

    Raises:
        UserError: naming the record, for "unifi" if a step's label or the preference is missing, for "prm" if no step
            has a label, for "orm" if there is no preference.
    """
    lacks = None
    if kind == "unifi":
        lacks = next((f"label for step {tag!r}" for tag in record.steps if tag not in record.labels), None)
    elif kind == "prm" and not record.labels:
        lacks = "label for any step"
    if lacks is None and kind != "prm" and record.preference is None:
        lacks = "preference"
    if lacks:
        raise UserError(
            f"record {record.id!r} has no {lacks}, which kind {kind!r} learns from; leave the record out, or take "
            f"the view that is made for {kind!r}."
        )
    return record
