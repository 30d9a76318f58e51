"""The views of CER: what each kind of training learns from a candidate and what its annotators say of it.

- unifi: all steps have labels and there is a preference;
- prm: at least one step has a label;
- orm: there is a preference;
- sft: all steps are right, and there is a good answer that goes with them (`sft_record`);
- rl: each sampled round, whoever answered it, with the reply that was really given (`rl_record`).

Beside train of unifi, sft and rl there are three of equal size, for the ablation on personality (the paper's Table 1):
so many records more that were duplicated (`d`), rewritten without a persona (`r`), or rewritten with one (`p`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from compeer_jax.curation.candidates.rows import Candidate
from compeer_jax.curation.personality.rewriting import Rewritten
from compeer_jax.curation.rounds.rows import Round, policy_record
from compeer_jax.data.cer_folder import RL, SFT
from compeer_jax.data.judge_record import JudgeRecord, check_labelled
from compeer_jax.data.record import Provenance, Record
from compeer_jax.dialogue.judging import JUDGE_KINDS, JudgeKind, Preference
from compeer_jax.dialogue.reasoning import ReasonedTurn, ReasoningFormat
from compeer_jax.errors import UserError
from compeer_jax.structure import Text

VIEWS = (*JUDGE_KINDS, SFT, RL)
DUPLICATE, REWRITE, PERSONA = VARIANTS = ("d", "r", "p")
REFERENCE, OUTPUT = "reference", "output"  # whose answer a record to fine-tune on has


@dataclass(frozen=True, kw_only=True)
class Consensus:
    """Consensus of a candidate's annotators; a row of the annotation stage, without its votes.

    Attributes:
        id: the candidate's.
        labels: tag -> whether the step is right, where they agree.
        preference: between reference and output, if they agree.
        critiques: as a judge record has them.
        drafts: whether a model's vote made any of it.
        provenance: where the candidate and the votes come from, oldest first.
    """

    id: Text
    labels: Mapping[str, bool] = field(default_factory=dict)
    preference: Preference | None = None
    critiques: Mapping[str, str] = field(default_factory=dict)
    drafts: bool = False
    provenance: Provenance = ()


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
        responses=(candidate.reference.response, candidate.response),
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
    which = REFERENCE if record.preference == "first" else OUTPUT
    if which == REFERENCE and candidate.reference.strategy not in (None, candidate.labels.get("strategy")):
        return "the reference is better, but follows another strategy"
    response = candidate.reference.response if which == REFERENCE else candidate.response
    reference = ReasonedTurn(dict(candidate.steps), dict(candidate.labels), response)
    return policy_record(candidate, candidate.id, reference, (*record.provenance, {"stage": "cer", "response": which}))


def right_labels(candidate: Candidate, consensus: Consensus, format: ReasoningFormat) -> dict[str, str]:
    """The labels of the output's steps that its annotators find right."""
    right = [label.name for step in format.steps if consensus.labels.get(step.tag) for label in step.labels]
    return {name: candidate.labels[name] for name in right if name in candidate.labels}


def rl_record(asked: Round, right: Sequence[Mapping[str, str]]) -> Record:
    """A round as a prompt, with the reply that was really given and the gold labels that are known.

    Nobody has reasoned for that reply, so there are no steps. Known is the strategy that the corpus names for it, and
    each label that all outputs with a right step agree on: where several were found right, none is the one. What the
    corpus says of the dialogue as a whole, such as its emotion, is not known of the round.

    Args:
        right: of each of its outputs, `right_labels`.
    """
    values: dict[str, set[str]] = {}
    for labels in right:
        for name, value in labels.items():
            values.setdefault(name, set()).add(value)
    known = {name: next(iter(found)) for name, found in values.items() if len(found) == 1}
    by = dict.fromkeys(known, "annotators")
    if asked.reference.strategy is not None:
        known["strategy"], by["strategy"] = asked.reference.strategy, "corpus"
    provenance = (*asked.provenance, {"stage": "cer", "labels_by": by})
    return policy_record(asked, asked.id, ReasonedTurn({}, known, asked.reference.response), provenance)


AnyRecord = TypeVar("AnyRecord", Record, JudgeRecord)


def duplicate(record: AnyRecord) -> AnyRecord:
    """The record once more, with an id of its own."""
    made = {"stage": "cer", "duplicate_of": record.id}
    return replace(record, id=f"{record.id}~{DUPLICATE}", provenance=(*record.provenance, made))


def rewritten(record: JudgeRecord, rewrite: Rewritten, candidate: Candidate, format: ReasoningFormat) -> JudgeRecord:
    """The record with its talk and answers in other words; verdicts and critiques stay, and steps but for quotes."""
    made = replace(candidate, steps={**candidate.steps, **(rewrite.steps or {})})
    return replace(record, steps=made.sections(format), responses=rewrite.responses, **_renamed(record, rewrite))


def rewritten_policy(record: Record, rewrite: Rewritten) -> Record:
    """A record to fine-tune on, or a prompt, in other words; its labels stay.

    Which of the two answers it has, and so which it gets, stands in its provenance; a prompt has the reference.
    """
    output = record.provenance[-1].get("response") == OUTPUT
    steps = {tag: (rewrite.steps or {}).get(tag, text) for tag, text in record.reference.steps.items()}
    reference = replace(record.reference, steps=steps, response=rewrite.responses[output])
    return replace(record, reference=reference, **_renamed(record, rewrite))


def _renamed(record: AnyRecord, rewrite: Rewritten) -> dict[str, Any]:
    return {
        "id": f"{record.id}~{rewrite.variant}",
        "history": rewrite.history,
        "provenance": joined_provenance(record.provenance, rewrite.provenance),
    }


def draw_extra(train: Iterable[str], rewrites: Mapping[str, Iterable[str]], seed: int) -> dict[str, frozenset[str]]:
    """Variant -> the records of a view's train that it adds one more of, equally many in each.

    Rewrites with and without a persona fail for different records. Neither is thinned by the other: of the variant that
    has more of them, as many as the other has are drawn, and as many records are duplicated. All draw in one order, so
    the variants have as many records in common as they can.

    Args:
        rewrites: "r" and "p" -> ids of those that have such a rewrite.
    """

    def drawn(ids: Iterable[str]) -> list[str]:
        return sorted(ids, key=lambda id: (np.random.default_rng([*f"{seed}/extra/{id}".encode()]).random(), id))

    count = min(len(list(rewrites.get(variant, ()))) for variant in (REWRITE, PERSONA))
    pools = {DUPLICATE: train, **{variant: rewrites.get(variant, ()) for variant in (REWRITE, PERSONA)}}
    return {variant: frozenset(drawn(ids)[:count]) for variant, ids in pools.items()}


def joined_provenance(before: Sequence[Mapping], after: Sequence[Mapping]) -> tuple[Mapping, ...]:
    """What came before and what was done then, where the second may tell some of the first again."""
    return (*before, *(entry for entry in after if entry not in before))


def _teaches(record: JudgeRecord, kind: JudgeKind) -> bool:
    try:
        check_labelled(record, kind)
    except UserError:
        return False
    return True
