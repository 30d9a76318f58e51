"""The views of CER: what each kind of training learns from a candidate and what its annotators say of it.

- unifi: all steps have labels and there is a preference;
- prm: at least one step has a label;
- orm: there is a preference;
- sft: all steps are right, and there is a good answer that goes with them (`sft_record`).

Beside unifi's train there are three of equal size, for the ablation on personality (the paper's Table 1): for each
record that was rewritten both with a persona and without, one more record is added, as it is (`d`), rewritten without
a persona (`r`), or with one (`p`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from compeer_jax.data.build.candidate_rows import Candidate
from compeer_jax.data.judge_record import JudgeRecord, check_labelled
from compeer_jax.data.record import Record, history_field, provenance_field, text_field
from compeer_jax.dialogue.judging import JUDGE_KINDS, PREFERENCES, JudgeKind, Preference
from compeer_jax.dialogue.reasoning import ReasonedTurn, ReasoningFormat
from compeer_jax.dialogue.schema import Turn
from compeer_jax.errors import UserError, unknown

SFT = "sft"
VIEWS = (*JUDGE_KINDS, SFT)
DUPLICATE, REWRITE, PERSONA = VARIANTS = ("d", "r", "p")


@dataclass(frozen=True)
class Consensus:
    """What the annotators of a candidate agree on.

    Attributes:
        id: the candidate's.
        labels: tag -> whether the step is right, where they agree.
        preference: between reference and output, if they agree.
        critiques: as a judge record has them.
        drafts: whether a model's vote made any of it.
        provenance: where the candidate and the votes come from, oldest first.
    """

    id: str
    labels: Mapping[str, bool]
    preference: Preference | None
    critiques: Mapping[str, str]
    drafts: bool
    provenance: tuple[Mapping, ...]

    @classmethod
    def from_json(cls, obj: Mapping, where: str) -> "Consensus":
        """The consensus that a row of the annotation stage holds.

        Raises:
            UserError: naming `where` and the field, for anything missing or of the wrong type.
        """
        labels, critiques = obj.get("labels", {}), obj.get("critiques", {})
        if not isinstance(labels, dict) or not all(type(label) is bool for label in labels.values()):
            raise UserError(f"{where}: field 'labels' must be an object with true or false for steps.")
        if not isinstance(critiques, dict) or not all(isinstance(text, str) for text in critiques.values()):
            raise UserError(f"{where}: field 'critiques' must be an object of texts.")
        preference = obj.get("preference")
        if preference is not None and preference not in PREFERENCES:
            raise unknown("preference", str(preference), PREFERENCES, where)
        id, provenance = text_field(obj, "id", where), provenance_field(obj, where)
        return cls(id, labels, preference, critiques, obj.get("drafts") is True, provenance)


@dataclass(frozen=True)
class Rewritten:
    """A candidate's talk and its two answers in other words.

    Attributes:
        id: the candidate's.
        variant: "r" without a persona, "p" with one.
        history: the turns so far.
        responses: reference and output.
        provenance: where it comes from, oldest first.
    """

    id: str
    variant: str
    history: tuple[Turn, ...]
    responses: tuple[str, str]
    provenance: tuple[Mapping, ...]

    @classmethod
    def from_json(cls, obj: Mapping, where: str) -> "Rewritten":
        """The rewrite that a row of the personality stage holds.

        Raises:
            UserError: naming `where` and the field, for anything missing or of the wrong type.
        """
        variant, responses = obj.get("variant"), obj.get("responses")
        if variant not in (REWRITE, PERSONA):
            raise unknown("variant", str(variant), (REWRITE, PERSONA), where)
        if not isinstance(responses, list) or [type(text) for text in responses] != [str, str]:
            raise UserError(f"{where}: field 'responses' must be a list of two texts: the reference, then the output.")
        return cls(
            text_field(obj, "id", where),
            variant,
            history_field(obj, where),
            (responses[0], responses[1]),
            provenance_field(obj, where),
        )


def judge_record(candidate: Candidate, consensus: Consensus, format: ReasoningFormat) -> JudgeRecord:
    """A candidate with all that its annotators agree on; the reference is the first of its answers."""
    return JudgeRecord(
        id=candidate.id,
        language=candidate.language,
        source=candidate.source,
        licence=candidate.licence,
        situation=candidate.situation,
        history=candidate.history,
        steps=candidate.sections(format),
        labels={step.tag: consensus.labels[step.tag] for step in format.steps if step.tag in consensus.labels},
        responses=(candidate.reference, candidate.response),
        preference=consensus.preference,
        critiques=consensus.critiques,
        provenance=joined_provenance(candidate.provenance, consensus.provenance),
    )


def views_of(record: JudgeRecord) -> list[JudgeKind]:
    """The kinds of judge that can learn from a record."""
    return [kind for kind in JUDGE_KINDS if _teaches(record, kind)]


def sft_record(candidate: Candidate, record: JudgeRecord) -> Record | str:
    """What to fine-tune on: the output's steps, if all of them are right, with the better answer.

    That is the output if it is better than the reference, or as good. If the reference is better it is the reference,
    but only if its strategy, where the corpus names one, is that of the steps: the reasoning has to lead to it.

    Returns:
        The record, or in a few words why there is none.
    """
    if any(tag not in record.labels for tag in record.steps):
        return "a step without a label"
    if not all(record.labels.values()):
        return "a step is false"
    if record.preference is None:
        return "no preference"
    if record.preference == "neither":
        return "neither answer is good"
    which = "reference" if record.preference == "first" else "output"
    if which == "reference" and candidate.strategy not in (None, candidate.labels.get("strategy")):
        return "the reference is better, but follows another strategy"
    response = candidate.reference if which == "reference" else candidate.response
    return Record(
        id=candidate.id,
        language=candidate.language,
        source=candidate.source,
        licence=candidate.licence,
        situation=candidate.situation,
        history=candidate.history,
        reference=ReasonedTurn(dict(candidate.steps), dict(candidate.labels), response),
        problem_type=candidate.problem_type,
        provenance=(*record.provenance, {"stage": "cer", "response": which}),
    )


def duplicate(record: JudgeRecord) -> JudgeRecord:
    """The record once more, with an id of its own."""
    made = {"stage": "cer", "duplicate_of": record.id}
    return replace(record, id=f"{record.id}~{DUPLICATE}", provenance=(*record.provenance, made))


def rewritten(record: JudgeRecord, rewrite: Rewritten) -> JudgeRecord:
    """The record with its talk in other words; steps, verdicts and critiques stay."""
    return replace(
        record,
        id=f"{record.id}~{rewrite.variant}",
        history=rewrite.history,
        responses=rewrite.responses,
        provenance=joined_provenance(record.provenance, rewrite.provenance),
    )


def extra_records(record: JudgeRecord, rewrites: Sequence[Rewritten]) -> dict[str, JudgeRecord]:
    """Variant -> the record that it adds to unifi's train; none unless there are both rewrites."""
    by_variant = {rewrite.variant: rewrite for rewrite in rewrites}
    if not all(variant in by_variant for variant in (REWRITE, PERSONA)):
        return {}
    return {
        DUPLICATE: duplicate(record),
        REWRITE: rewritten(record, by_variant[REWRITE]),
        PERSONA: rewritten(record, by_variant[PERSONA]),
    }


def joined_provenance(before: Sequence[Mapping], after: Sequence[Mapping]) -> tuple[Mapping, ...]:
    """What came before and what was done then, where the second may tell some of the first again."""
    return (*before, *(entry for entry in after if entry not in before))


def _teaches(record: JudgeRecord, kind: JudgeKind) -> bool:
    try:
        check_labelled(record, kind)
    except UserError:
        return False
    return True
