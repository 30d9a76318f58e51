"""Silver records: reasoning chains written from a corpus's own annotations, each step with a known correct label.

They stand in for CER where no language model is at hand, and are never called CER. What the
labels are taken from:

- stage: the place in the dialogue. The first third of the supporter's turns explores, the second comforts, the last
  leads to action.
- emotion: the dialogue's emotion type.
- intensity: from the seeker's survey, going in a straight line from the first supporter turn to the last (4 to 2 when
  the survey is absent), rounded.
- sentiment: of the intensity: 3 and above is negative, 2 neutral, 1 positive; an emotion that is not painful keeps
  its own.
- strategy: as annotated.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from compeer_jax.data.record import Record
from compeer_jax.data.silver.text import StepWriter
from compeer_jax.dialogue.reasoning import COMPEER, RESPONSE, ReasonedTurn, ReasoningFormat
from compeer_jax.dialogue.schema import Dialogue
from compeer_jax.dialogue.taxonomy import EMOTIONS, INTENSITIES, STAGES, STRATEGIES
from compeer_jax.errors import UserError, unknown

DEFAULT_INTENSITIES = (4, 2)  # ESConv's most frequent pair

# The label that a wrong step gets wrong, by the step's tag.
LABEL_OF_STEP = {
    "history": "stage",
    "context": "stage",
    "cognition": "stage",
    "emotion": "emotion",
    "strategy": "strategy",
    "plan": "strategy",
}


def silver_records(
    dialogues: Iterable[Dialogue], format: ReasoningFormat = COMPEER, seed: int = 0, *, quotes: bool = True
) -> list[Record]:
    """One record a supporter turn that has a strategy, a known emotion and a seeker's turn before it.

    All five labels are given, also those that `format` does not show. A format without steps needs no annotations: then
    each supporter turn after a seeker's is a record, with the labels that are known, and nothing in it is silver.

    `seed` chooses among the templates; a record's text depends on the seed and its id only. Without `quotes` the first
    step is shorter and repeats nothing that the seeker said. `count_skipped` says which turns gave no record.
    """
    return [
        _record(dialogue, index, place, count, format, seed, quotes)
        for dialogue in dialogues
        for index, place, count, reason in _supporter_turns(dialogue, annotated=bool(format.steps))
        if reason is None
    ]


def count_skipped(dialogues: Iterable[Dialogue]) -> Counter[str]:
    """How many supporter turns give no silver record, by reason."""
    reasons = (reason for dialogue in dialogues for *_, reason in _supporter_turns(dialogue))
    return Counter(reason for reason in reasons if reason is not None)


def corrupt(
    record: Record, steps: Sequence[str], generator: np.random.Generator, replies: Sequence[str]
) -> tuple[ReasonedTurn, dict[str, bool]]:
    """The record's reference with the named steps made wrong, and which parts are still right.

    A wrong step is written anew for another stage, emotion or strategy, and its label says so too; a wrong emotion
    also has an intensity at least 2 away. It quotes the seeker where the record does, so that style tells nothing. A
    wrong response is one of `replies`, other than the real one.

    Args:
        steps: tags to make wrong, "response" among them if wanted.

    Raises:
        UserError: a tag that the record doesn't have, or no reply that differs.
    """
    reference = record.reference
    texts, labels, response = dict(reference.steps), dict(reference.labels), reference.response
    writer = StepWriter(record.language, record.history, record.problem_type, quotes=_quotes(reference))

    def choose(options: Sequence[str]) -> str:
        return options[int(generator.integers(len(options)))]

    for tag in steps:
        if tag == RESPONSE:
            response = choose(_others(replies, reference.response))
        elif tag not in texts:
            raise unknown("step", tag, (*texts, RESPONSE), record.id)
        else:
            wrong = reference.labels | _wrong(LABEL_OF_STEP[tag], reference.labels, choose)
            texts[tag] = writer.write(tag, wrong, choose)
            labels |= {name: wrong[name] for name in wrong if wrong[name] != reference.labels[name]}
    correct = {tag: tag not in steps for tag in (*texts, RESPONSE)}
    return ReasonedTurn(texts, labels, response), correct


def _supporter_turns(dialogue: Dialogue, *, annotated: bool = True) -> Iterator[tuple[int, int, int, str | None]]:
    """For each supporter turn: its index, its place among them, how many there are, and why it can't be a record."""
    indices = [index for index, turn in enumerate(dialogue.turns) if turn.role == "supporter"]
    for place, index in enumerate(indices):
        reason = None
        if annotated and dialogue.emotion_type is None:
            reason = "no emotion type"
        elif annotated and dialogue.turns[index].strategy is None:
            reason = "no strategy"
        elif index == 0 or dialogue.turns[index - 1].role != "seeker":
            reason = "no seeker's turn before it"
        yield index, place, len(indices), reason


def _record(
    dialogue: Dialogue, index: int, place: int, count: int, format: ReasoningFormat, seed: int, quotes: bool
) -> Record:
    turn = dialogue.turns[index]
    id = f"{dialogue.id}#{index}"
    history = dialogue.turns[:index]
    if dialogue.emotion_type and turn.strategy:
        labels = _labels(dialogue, turn.strategy, place, count)
    else:
        labels = {"strategy": turn.strategy} if turn.strategy else {}
    writer = StepWriter(dialogue.language, history, dialogue.problem_type, quotes)
    choose = random.Random(f"{seed}/{id}").choice
    return Record(
        id=id,
        language=dialogue.language,
        source=f"silver:{dialogue.source}" if format.steps else dialogue.source,
        licence=dialogue.licence,
        situation=dialogue.situation,
        history=history,
        reference=ReasonedTurn(
            steps={step.tag: writer.write(step.tag, labels, choose) for step in format.steps},
            labels=labels,
            response=turn.content.strip(),
        ),
        problem_type=dialogue.problem_type,
    )


def _labels(dialogue: Dialogue, strategy: str, place: int, count: int) -> dict[str, str]:
    first, last = DEFAULT_INTENSITIES
    first = dialogue.initial_intensity or first
    last = dialogue.final_intensity or last
    intensity = int(first + (last - first) * place / max(count - 1, 1) + 0.5)
    return {
        "stage": STAGES.names()[3 * place // count],
        "sentiment": _sentiment(dialogue.emotion_type, intensity),
        "emotion": dialogue.emotion_type,
        "intensity": str(intensity),
        "strategy": strategy,
    }


def _sentiment(emotion: str, intensity: int) -> str:
    own = EMOTIONS.label(emotion).sentiment
    if own != "negative":
        return own
    return "negative" if intensity >= 3 else "neutral" if intensity == 2 else "positive"


def _wrong(name: str, labels: dict[str, str], choose) -> dict[str, str]:
    """Another value for label `name`, and what goes with it."""
    category = {"stage": STAGES, "emotion": EMOTIONS, "strategy": STRATEGIES}[name]
    value = choose(_others(category.names(), labels[name]))
    if name != "emotion":
        return {name: value}
    far = [level for level in INTENSITIES.names() if abs(int(level) - int(labels["intensity"])) >= 2]
    intensity = choose(far)
    return {"emotion": value, "intensity": intensity, "sentiment": _sentiment(value, int(intensity))}


def _quotes(turn: ReasonedTurn) -> bool:
    """Whether the first step quotes the seeker; templates have quotation marks for that and for nothing else."""
    return any(mark in next(iter(turn.steps.values()), "") for mark in '"“')


def _others(options: Iterable[str], value: str) -> list[str]:
    others = [option for option in options if option != value]
    if not others:
        raise UserError(f"there is nothing other than {value!r} to choose; give more replies.")
    return others
