"""Judge records, as in CER: one output for a talk, whether each of its steps is right, and how two answers compare.

A record may lack a label or the preference, where those who were asked don't agree. What each kind of judge needs to
learn from a record is in `check_labelled`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compeer_jax.data.jsonl import read_jsonl
from compeer_jax.data.record import history_field, provenance_field, text_field
from compeer_jax.dialogue.judging import PREFERENCES, JudgeCase, JudgeKind, Preference, swap_preference
from compeer_jax.dialogue.reasoning import FORMATS, RESPONSE
from compeer_jax.dialogue.schema import Turn
from compeer_jax.dialogue.taxonomy import check_language
from compeer_jax.dialogue.verdicts import parse_preference
from compeer_jax.errors import UserError, unknown

POSITIONS = ("first", "second")  # of an answer, as shown; also what a judge's findings on each are kept under


@dataclass(frozen=True)
class JudgeRecord:
    """What a judge is shown, and what it should say.

    Attributes:
        id: of the record.
        language: of the talk and of the critiques.
        source: "silver:<corpus>" for silver records.
        licence: the corpus's.
        situation: the seeker's own summary, if the corpus has one.
        history: the turns so far; the last one is the seeker's.
        steps: tag -> the step as shown, free text and labelled line; "" when the output lacks it.
        labels: tag -> whether the step is right; only for steps where that is known.
        responses: two answers, the reference and the output; a judge may be shown them the other way round.
        preference: between the answers in the order they are kept in; None where it is not known.
        critiques: what the judge says before a verdict, where that is known: under a step's tag; under "first" and
            "second" what it finds in each answer; under "response" what it says of both, whatever their order.
        provenance: where it comes from, an object for each stage that made or changed it, oldest first.
    """

    id: str
    language: str
    source: str
    licence: str
    situation: str | None
    history: tuple[Turn, ...]
    steps: Mapping[str, str]
    labels: Mapping[str, bool]
    responses: tuple[str, str]
    preference: Preference | None
    critiques: Mapping[str, str] = field(default_factory=dict)
    provenance: tuple[Mapping, ...] = ()

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
        return swap_preference(self.preference) if swapped and self.preference else self.preference

    def critique(self, tag: str, swapped: bool = False) -> str:
        """What comes before that verdict, "" if nothing is known; findings on the answers in the order shown."""
        if tag != RESPONSE:
            return self.critiques.get(tag, "")
        kept = POSITIONS[::-1] if swapped else POSITIONS
        named = zip(_NAMES[self.language], kept, strict=True)
        findings = [name + self.critiques[position] for name, position in named if position in self.critiques]
        return _SPACES[self.language].join([*findings, *filter(None, [self.critiques.get(RESPONSE)])])

    @classmethod
    def from_json(cls, obj: Mapping, where: str) -> "JudgeRecord":
        """The record that `obj` describes.

        Raises:
            UserError: naming `where` and the field, for anything missing, of the wrong type or unknown: steps that are
                not those of a format, a preference that is none of the four, neither a label nor a preference.
        """
        for name in obj:
            if name not in cls.__dataclass_fields__:
                raise unknown("field", name, cls.__dataclass_fields__, where)
        steps = _steps(obj.get("steps"), where)
        labels = _labels(obj.get("labels"), steps, where)
        said = text_field(obj, "preference", where) if obj.get("preference") is not None else None
        preference = None if said is None else parse_preference(said)  # in the paper's phrases too
        if said is not None and preference is None:
            raise unknown("preference", said, PREFERENCES, where)
        if preference is None and not labels:
            raise UserError(f"{where}: no step has a label and there is no preference; give one of them.")
        return cls(
            id=text_field(obj, "id", where),
            language=check_language(text_field(obj, "language", where), where),
            source=text_field(obj, "source", where),
            licence=text_field(obj, "licence", where),
            situation=text_field(obj, "situation", where) if obj.get("situation") is not None else None,
            history=history_field(obj, where),
            steps=steps,
            labels=labels,
            responses=_responses(obj.get("responses"), where),
            preference=preference,
            critiques=_critiques(obj.get("critiques", {}), steps, where),
            provenance=provenance_field(obj, where),
        )

    def to_json(self) -> dict:
        """The JSON form, without what is not set."""
        obj = {
            "id": self.id,
            "language": self.language,
            "source": self.source,
            "licence": self.licence,
            "situation": self.situation,
            "history": [turn.to_json() for turn in self.history],
            "steps": dict(self.steps),
            "labels": dict(self.labels),
            "responses": list(self.responses),
            "preference": self.preference,
            "critiques": dict(self.critiques) or None,
            "provenance": [dict(entry) for entry in self.provenance] or None,
        }
        return {name: value for name, value in obj.items() if value is not None}


def read_judge_records(path: str | Path) -> list[JudgeRecord]:
    """The judge records of a JSONL file, one a line.

    Raises:
        UserError: naming file, line and field; see `JudgeRecord.from_json`. An id that is there twice is one, too.
    """
    records: dict[str, JudgeRecord] = {}
    for where, obj in read_jsonl(path):
        record = JudgeRecord.from_json(obj, where)
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


_NAMES = {"en": ("First: ", "Second: "), "zh": ("第一个：", "第二个：")}
_SPACES = {"en": " ", "zh": ""}


def _steps(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise UserError(f"{where}: field 'steps' must be an object of texts by tag.")
    known = {name: [step.tag for step in format.steps] for name, format in FORMATS.items()}
    for tag, text in value.items():
        if not any(tag in tags for tags in known.values()):
            raise unknown("step", tag, dict.fromkeys(tag for tags in known.values() for tag in tags), where)
        if not isinstance(text, str):
            raise UserError(f'{where}: step {tag!r} must be a string; "" when the output lacks it.')
    if not any(set(value) == set(tags) for tags in known.values()):
        whole = "; ".join(f"{name}: {', '.join(tags)}" for name, tags in known.items())
        raise UserError(f"{where}: the steps {', '.join(value) or '(none)'} are not those of a format ({whole}).")
    return dict(value)


def _labels(value: object, steps: Mapping[str, str], where: str) -> dict[str, bool]:
    if not isinstance(value, dict):
        raise UserError(f"{where}: field 'labels' must be an object with true or false for steps.")
    for tag in value:
        if tag not in steps:
            raise unknown("step", tag, steps, f"{where}, labels")
    for tag, label in value.items():
        if type(label) is not bool:
            raise UserError(f"{where}: the label of step {tag!r} must be true or false, found {label!r}.")
    return {tag: value[tag] for tag in steps if tag in value}


def _responses(value: object, where: str) -> tuple[str, str]:
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(text, str) for text in value):
        raise UserError(f"{where}: field 'responses' must be a list of two texts: the reference, then the output.")
    if not all(text.strip() for text in value):
        raise UserError(f"{where}: a response is empty; a judge compares two that are there.")
    return value[0], value[1]


def _critiques(value: object, steps: Mapping[str, str], where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise UserError(f"{where}: field 'critiques' must be an object of texts.")
    for name in value:
        if name not in (*steps, RESPONSE, *POSITIONS):
            raise unknown("critique", name, (*steps, RESPONSE, *POSITIONS), where)
    return dict(value)
