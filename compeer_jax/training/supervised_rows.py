"""How the examples of supervised training are laid into rows: packed, or each in a row of its own."""

from collections.abc import Sequence

import numpy as np
from jax.sharding import Mesh

from compeer_jax.data.batches import TokenBatch, token_batch
from compeer_jax.data.chat import Example
from compeer_jax.generation.prompt_batch import bucket
from compeer_jax.models.attention_kernels import attention_kind
from compeer_jax.parallel.sharding import row_shards
from compeer_jax.training.config import SupervisedConfig
from compeer_jax.training.packing import attention_reach, choose_length, length_width, plan_rows


class SupervisedRows:
    """Rows of one length, which is chosen once a run, so that only their number differs between batches.

    Args:
        examples: all that the run will see.
        config: of the run: `row_tokens`, `batch_size`, `gradient_accumulation`, `model.attention`.
        mesh: of the run.
        hidden_size: of the model.
        pad_id: fills up rows.
    """

    def __init__(
        self, examples: Sequence[Example], config: SupervisedConfig, mesh: Mesh, hidden_size: int, pad_id: int
    ):
        self.packed, self.pad_id, self.shards = config.row_tokens > 0, pad_id, row_shards(mesh)
        kind = attention_kind(config.model.attention)
        sizes = np.sort([len(example.tokens) for example in examples])
        self.length = bucket(int(sizes[-1]), length_width(kind), steps=8)
        self.most_trained = max(map(_trained, examples))
        if self.packed:
            # A batch such as the others: lengths from all over the examples, the longest among them.
            usual = sizes[np.linspace(0, len(sizes) - 1, config.batch_size).astype(int)[::-1]].tolist()
            shape, _ = choose_length(
                range(len(usual)),
                [0] * len(usual),
                usual,
                longest=config.row_tokens,
                reach=attention_reach(kind, hidden_size),
                multiple=self.shards * config.gradient_accumulation,
                width=length_width(kind),
            )
            self.length = shape.length

    def lay_out(self, batches: Sequence[Sequence[Example]], parts: int = 1) -> list[TokenBatch]:
        """Batches of examples in rows, all of one shape, with as many rows as `parts` and the mesh divide."""
        rows = [self._rows(batch) for batch in batches]
        count, most = -(-max(map(len, rows)) // (self.shards * parts)), self.most_trained
        if self.packed:
            count = bucket(count, 1, steps=8)
            most = bucket(max(sum(map(_trained, row)) for batch in rows for row in batch), steps=2)
        empty: list[list[Example]] = [[] for _ in range(count * self.shards * parts)]
        return [
            token_batch(batch + empty[len(batch) :], length=self.length, most_trained=most, pad_id=self.pad_id)
            for batch in rows
        ]

    def _rows(self, examples: Sequence[Example]) -> list[list[Example]]:
        if not self.packed:
            return [[example] for example in examples]
        sizes = [len(example.tokens) for example in examples]
        rows = plan_rows(range(len(sizes)), [0] * len(sizes), sizes, self.length)
        return [[examples[index] for block in row for index in block.completions] for row in rows]


def _trained(example: Example) -> int:
    return int(example.loss_mask[1:].sum())
