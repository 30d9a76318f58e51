"""From sampled tokens to completions that a reward can read."""

from collections.abc import Sequence

import numpy as np

from compeer_jax.data.record import Record
from compeer_jax.dialogue.reasoning import ReasoningFormat
from compeer_jax.generation.rollout import Rollout
from compeer_jax.rewards.reward import Completion


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
