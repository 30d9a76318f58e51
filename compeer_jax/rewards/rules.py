"""The rule judge: verdicts from gold annotations, without a model. It knows labels and words, not what helps."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from compeer_jax.dialogue.reasoning import ReasonedTurn
from compeer_jax.rewards.judge import Verdicts
from compeer_jax.rewards.reward import Completion

# One Chinese character, or one run of letters and digits of any other script.
WORD = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff_]+")


@dataclass(frozen=True)
class RuleJudge:
    """Compares each labelled line with the record's gold label, and the response with the reference reply.

    - history: the stage is the gold stage;
    - emotion: sentiment and emotion are the gold ones, and the intensity is at most `intensity_tolerance` away;
    - strategy: the strategy is the annotated one;
    - response: "similar" to the reference, that is word F1 of at least `overlap`, without repeating an utterance of
      the history. Silver data has no human preference, so this is a stand-in for one, and can be pleased by a reply
      of common words: read the samples too.

    Attributes:
        intensity_tolerance: accepted distance on the 1-5 scale.
        overlap: least word F1 with the reference reply; words are characters in Chinese.
    """

    intensity_tolerance: int = 1
    overlap: float = 0.2

    step_names = ("history", "emotion", "strategy")

    def __call__(self, completions: Sequence[Completion], key: jax.Array | None = None) -> Verdicts:
        """The verdicts; nothing in them is random."""
        steps = np.array([self._steps(item.turn, item.record.reference) for item in completions], dtype=np.int32)
        response = np.array([self._response(item) for item in completions], dtype=np.int32)
        return Verdicts(steps.reshape(-1, 3), response)

    def _steps(self, output: ReasonedTurn, gold: ReasonedTurn) -> tuple[int, int, int]:
        def same(*names: str) -> bool:
            return all(name in output.labels and output.labels[name] == gold.labels.get(name) for name in names)

        intensities = output.labels.get("intensity"), gold.labels.get("intensity")
        near = None not in intensities and abs(int(intensities[0]) - int(intensities[1])) <= self.intensity_tolerance
        verdicts = (same("stage"), same("sentiment", "emotion") and near, same("strategy"))
        return tuple(1 if verdict else -1 for verdict in verdicts)

    def _response(self, completion: Completion) -> int:
        words = word_list(completion.turn.response)
        repeats = any(words == word_list(turn.content) for turn in completion.record.history)
        return (
            1 if not repeats and word_f1(words, word_list(completion.record.reference.response)) >= self.overlap else -1
        )


def word_list(text: str) -> list[str]:
    """Lower-cased words of `text`; each Chinese character is a word."""
    return WORD.findall(text.lower())


def word_f1(words: Sequence[str], reference: Sequence[str]) -> float:
    """F1 of two bags of words, 0 when either is empty."""
    common = (Counter(words) & Counter(reference)).total()
    return 2 * common / (len(words) + len(reference)) if common else 0.0
