"""A record with a gold answer, and outputs that differ from it in labels, words or parts."""

from compeer_jax.data.record import Record
from compeer_jax.dialogue.reasoning import COMPEER, RESPONSE, ReasonedTurn
from compeer_jax.dialogue.schema import Turn
from compeer_jax.rewards.reward import Completion

GOLD = {
    "stage": "comforting",
    "sentiment": "negative",
    "emotion": "anxiety",
    "intensity": "4",
    "strategy": "Question",
}


def record(response="What worries you most about the exam on Friday?", **labels) -> Record:
    reference = ReasonedTurn(
        steps={"history": "An exam is near.", "emotion": "They are tense.", "strategy": "Ask."},
        labels=GOLD | labels,
        response=response,
    )
    return Record(
        id="d#1",
        language="en",
        source="silver:test",
        licence="Apache-2.0",
        situation=None,
        history=(Turn("seeker", "My exam is on Friday and I can't sleep."),),
        reference=reference,
    )


def completion(response=None, missing=(), prompt="d#1", **labels) -> Completion:
    """An output with these labels instead of the gold ones, without the parts named in `missing`."""
    gold = record()
    gold = type(gold)(**{**vars(gold), "id": prompt})
    said = ReasonedTurn(gold.reference.steps, GOLD | labels, response or gold.reference.response)
    text = COMPEER.render(said)
    for tag in missing:
        before, _, rest = text.partition(f"<{tag}>")
        text = before + rest.partition(f"</{tag}>\n" if tag != RESPONSE else f"</{tag}>")[2]
    return Completion(gold, text, COMPEER.parse(text))
