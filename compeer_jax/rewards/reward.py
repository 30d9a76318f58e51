"""Rewards: a plain function from a batch of completions to one number each, with its parts.

A reward of your own is any importable function; name it in the config as `reward.judge: your_module.your_function`:

    def brevity(completions: Sequence[Completion]) -> np.ndarray:
        return np.array([-len(completion.turn.response) / 100 for completion in completions])
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import jax
import numpy as np

from compeer_jax.data.record import Record
from compeer_jax.dialogue.reasoning import RESPONSE, FormatRule, ReasonedTurn, ReasoningFormat
from compeer_jax.generation.rollout import Rollout


@dataclass(frozen=True)
class Completion:
    """One output of the policy, as a reward sees it.

    Attributes:
        record: the prompt: history, language, and the reference turn with its gold labels.
        text: the decoded output, without the stop token.
        turn: the output parsed by the run's reasoning format.
        truncated: the output ran into `max_new_tokens` and has no stop token.
    """

    record: Record
    text: str
    turn: ReasonedTurn
    truncated: bool = False

    @property
    def format_ok(self) -> bool:
        """Every part is there, once, in order, and the output came to its end."""
        return self.turn.format_ok and not self.truncated

    @property
    def whole(self) -> bool:
        """Whether the turn is whole, see `ReasonedTurn.whole`, and the output came to its end."""
        return self.turn.whole and not self.truncated

    def keeps_format(self, rule: FormatRule) -> bool:
        """Whether the output came to its end and has what `rule` asks for."""
        return (self.turn.complete if rule == "paper" else self.turn.format_ok) and not self.truncated


@dataclass(frozen=True)
class Rewards:
    """Rewards of N completions.

    Attributes:
        total: float [N], what the policy is trained on (before the redundancy reweighting).
        parts: name -> float [N], logged as `rewards/<name>/mean`.
        diagnostics: name -> number, logged under its own name (e.g. "judge/unparsed").
        missed: bool [N], the outputs that pass over a danger and so must not be encouraged (`safety`); None where
            nothing looked for that.
    """

    total: np.ndarray
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    missed: np.ndarray | None = None


RewardFunction = Callable[[Sequence[Completion], jax.Array], Rewards]
"""Completions, those of one prompt standing together, and a random key, fresh for every call.

The completions are a list or, where they are rated while they are written, an `streaming.Stream`.
"""


def reference_completion(record: Record, format: ReasoningFormat) -> Completion:
    """The reference turn of `record` as if the policy had written it; the reply alone where no reasoning is known."""
    if record.reference.steps or not format.steps:
        text = format.render(record.reference, record.language)
    else:
        text = f"<{RESPONSE}>\n{format.section(record.reference, RESPONSE, record.language)}\n</{RESPONSE}>"
    return Completion(record, text, format.parse(text))


def read_completions(
    rollout: Rollout, records: Sequence[Record], tokenizer, format: ReasoningFormat
) -> list[Completion]:
    """Decodes and parses the N = B·G outputs of a rollout on B records; outputs of one record stand together."""
    tokens, mask, finished = (np.asarray(array) for array in (rollout.tokens, rollout.mask, rollout.finished))
    group_size = len(tokens) // len(records)
    completions = []
    for row, (ids, real, ended) in enumerate(zip(tokens, mask, finished, strict=True)):
        length = int(real.sum()) - int(ended)  # the stop token is no text
        text = tokenizer.decode(ids[:length].tolist(), skip_special_tokens=False)
        record = records[row // group_size]
        completions.append(Completion(record, text, format.parse(text), truncated=not ended))
    return completions
