"""Silver judge records: silver records with flaws of a known kind, for training and testing a judge offline.

They stand in for CER and are never called CER: no person has judged them, and a judge that learns from them learns to
see the flaws that are made here. What is known by construction:

- a step is wrong because it was written for another stage, emotion or strategy ("label"); because its free text and its
  labels were written for different ones ("contradiction"); because its words are out of order or go round in a loop
  ("garbled"); because its labels are missing ("unlabelled"); or because it speaks to its judge ("pleading");
- of two answers, the real reply and a light variant of it are good, and alike; the others have a flaw (see
  `answers`).

Outputs with a bad answer have more wrong steps than those with a good one, as is so in life; a judge that sees steps
and answer together can use that.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from compeer_jax.data.judge_record import POSITIONS, JudgeRecord
from compeer_jax.data.record import Record
from compeer_jax.data.silver.answers import Replies, flawed_answer, garble, judging_texts, light_variant, plead
from compeer_jax.data.silver.records import LABEL_OF_STEP, corrupt
from compeer_jax.dialogue.judging import PREFERENCES, Preference
from compeer_jax.dialogue.reasoning import FORMATS, RESPONSE, ReasonedTurn, ReasoningFormat
from compeer_jax.dialogue.taxonomy import EMOTIONS, STAGES, STRATEGIES
from compeer_jax.errors import UserError

WRONGS = ("label", "label", "label", "contradiction", "garbled", "unlabelled", "pleading")  # drawn from

_CATEGORIES = {"stage": STAGES, "emotion": EMOTIONS, "strategy": STRATEGIES}


def silver_judge_records(
    records: Sequence[Record], format: ReasoningFormat, *, seed: int, false_share: float = 0.23, per_record: int = 1
) -> list[JudgeRecord]:
    """`per_record` judge records for each silver record, in their order.

    A judge record depends on the seed, its id and the replies that `records` have to borrow from, not on their order.
    The four preferences are equally likely. Each step is false with probability `false_share` in all, more often
    where the output's answer is bad than where it is good.

    Args:
        records: silver records of at least two dialogues in each language.
        false_share: expected share of steps that are wrong; the paper's data has 0.23.
        per_record: how many to make of each, with other flaws.

    Raises:
        UserError: a format that judges don't rate, a share outside of [0, 1], fewer than one per record, or no replies
            to borrow.
    """
    if format.name not in FORMATS:
        raise UserError(
            f"no judge rates outputs of the format {format.name!r}; set data.format to {' or '.join(FORMATS)}."
        )
    if not 0 <= false_share <= 1:
        raise UserError(f"false_share is {false_share}; it must be from 0 to 1.")
    if per_record < 1:
        raise UserError(f"per_record is {per_record}; it must be at least 1.")
    replies = Replies(records)
    return [
        _judge_record(record, f"{record.id}/{number}", format, seed, false_share, replies)
        for record in records
        for number in range(per_record)
    ]


def class_balance(records: Sequence[JudgeRecord]) -> dict[str, float]:
    """Step -> share of False among the labels that are known; steps without any are left out."""
    tags = dict.fromkeys(tag for record in records for tag in record.steps)
    labels = {tag: [record.labels[tag] for record in records if tag in record.labels] for tag in tags}
    return {tag: float(np.mean(np.logical_not(known))) for tag, known in labels.items() if known}


def preference_shares(records: Sequence[JudgeRecord]) -> dict[Preference, float]:
    """Preference -> its share of the records where one is known, in the order the answers are kept in."""
    known = [record.preference for record in records if record.preference is not None]
    return {name: known.count(name) / max(len(known), 1) for name in PREFERENCES}


def _judge_record(
    record: Record, id: str, format: ReasoningFormat, seed: int, false_share: float, replies: Replies
) -> JudgeRecord:
    generator = np.random.default_rng([*f"{seed}/{id}".encode()])
    preference: Preference = PREFERENCES[int(generator.integers(len(PREFERENCES)))]
    responses, critiques = _answers(record, preference, generator, replies)
    tilt = min(false_share, 1 - false_share) / 2  # how much more wrong steps a bad answer comes with
    share = false_share + (tilt if preference in ("first", "neither") else -tilt)
    steps, labels = {}, {}
    for step in format.steps:
        labels[step.tag] = bool(generator.random() >= share)
        steps[step.tag], critiques[step.tag] = _step(record, step.tag, format, labels[step.tag], generator)
    return JudgeRecord(
        id=id,
        language=record.language,
        source=record.source,
        licence=record.licence,
        situation=record.situation,
        history=record.history,
        steps=steps,
        labels=labels,
        responses=responses,
        preference=preference,
        critiques=critiques,
    )


def _answers(
    record: Record, preference: Preference, generator: np.random.Generator, replies: Replies
) -> tuple[tuple[str, str], dict[str, str]]:
    """Two answers that compare so, and what is to be found in each and in both."""
    texts = judging_texts(record.language)
    real = record.reference.response
    good = [preference in ("first", "similar"), preference in ("second", "similar")]
    answers, critiques = [], {}
    for position, is_good in zip(POSITIONS, good, strict=True):
        if not is_good:
            answer, finding = flawed_answer(record, generator, replies, but=answers)
        else:
            vary = real in answers or (position == "second" and generator.random() < 0.5)
            answer = light_variant(real, record.language, generator) if vary else real
            finding = "good"
        answers.append(answer)
        critiques[position] = texts["answer"][finding]
    if preference == "similar":
        critiques[RESPONSE] = texts["alike"]
    return (answers[0], answers[1]), critiques


def _step(
    record: Record, tag: str, format: ReasoningFormat, is_right: bool, generator: np.random.Generator
) -> tuple[str, str]:
    """A step as shown, right or wrong, and its critique."""
    labelled = any(step.labels for step in format.steps if step.tag == tag)
    wrongs = WRONGS if labelled else [name for name in WRONGS if name not in ("contradiction", "unlabelled")]
    kind = "right" if is_right else wrongs[int(generator.integers(len(wrongs)))]
    real = record.reference
    text, labels = real.steps[tag], real.labels
    wrong, _ = corrupt(record, [] if is_right else [tag], generator, ())
    if kind == "label" or (kind == "contradiction" and generator.random() < 0.5):
        labels = wrong.labels
    if kind == "label" or (kind == "contradiction" and labels is real.labels):
        text = wrong.steps[tag]
    if kind == "unlabelled":
        labels = {}
    if kind == "garbled":
        text = _nonsense(text, record.language, generator)
    if kind == "pleading":
        text = plead(text, record.language, generator)
    shown = format.section(ReasonedTurn({tag: text}, labels), tag, record.language)
    critique = judging_texts(record.language)["step"][kind].format(
        title=_CATEGORIES[LABEL_OF_STEP[tag]].titles[record.language],
        right=_value(tag, real.labels, record.language),
        wrong=_value(tag, wrong.labels, record.language),
    )
    return shown, critique


def _nonsense(text: str, language: str, generator: np.random.Generator) -> str:
    """`text` garbled; a text that is too short for that is said three times before."""
    loop = bool(generator.random() < 0.5)
    garbled = garble(text, language, generator, loop=loop)
    space = " " if language == "en" else ""
    return garbled or space.join([text] * 3)


def _value(tag: str, labels: Mapping[str, str], language: str) -> str:
    """What a step's label says, in words; an emotion with its intensity."""
    name = LABEL_OF_STEP[tag]
    value = _CATEGORIES[name].display(labels[name], language)
    return f"{value} {labels['intensity']}" if name == "emotion" else value
