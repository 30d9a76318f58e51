"""Rows of supervised training: examples are packed where that pays, else each has a row of its own."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from jax.sharding import Mesh

from compeer_jax.data.batches import TokenBatch, token_batch
from compeer_jax.data.chat import Example
from compeer_jax.generation.padding import bucket
from compeer_jax.models.attention_kernels import attention_kind
from compeer_jax.parallel.sharding import row_shards
from compeer_jax.training.config import SupervisedConfig
from compeer_jax.training.packing import attention_reach, length_width, plan_rows

DRAWN = 512  # examples, in batches of which the cost of a length is the mean
PAYS = 0.95  # of the cost of one example a row: packed batches come in several shapes, each a program to compile


class SupervisedRows:
    """Rows of one length, which is chosen once a run, so that only their number differs between batches.

    Args:
        records: all that the run will see: the examples of each, mostly one.
        config: of the run: `row_tokens`, `batch_size`, `gradient_accumulation`, `model.attention`.
        mesh: of the run.
        hidden_size: of the model.
        pad_id: fills up rows.
    """

    def __init__(
        self, records: Sequence[Sequence[Example]], config: SupervisedConfig, mesh: Mesh, hidden_size: int, pad_id: int
    ):
        self.pad_id, self.shards = pad_id, row_shards(mesh)
        self.most_examples = max(map(len, records))
        self.most_trained = max(_trained(example) for record in records for example in record)
        kind = attention_kind(config.model.attention)
        width, reach = length_width(kind), attention_reach(kind, hidden_size)
        multiple = self.shards * config.gradient_accumulation
        sizes = [[len(example.tokens) for example in record] for record in records]
        generator = np.random.default_rng(0)
        draws = [generator.choice(len(sizes), config.batch_size) for _ in range(-(-DRAWN // config.batch_size))]
        batches = [[size for index in draw for size in sizes[index]] for draw in draws]

        def cost(rows: int, length: int) -> float:
            return -(-rows // multiple) * length * (1 + length / reach)

        def packed_cost(length: int) -> float:
            return float(np.mean([cost(_count(len(_plan(batch, length))), length) for batch in batches]))

        self.length = -(-max(map(max, sizes)) // width) * width
        costs = {}
        length = self.length
        while length <= config.row_tokens:
            costs[length] = packed_cost(length)
            length = bucket(length + 1, width, steps=8)
        best = min(costs, key=costs.get, default=None)
        unpacked = cost(config.batch_size * self.most_examples, self.length)
        self.packed = best is not None and costs[best] < PAYS * unpacked
        if self.packed:
            self.length = best

    def lay_out(self, batches: Sequence[Sequence[Sequence[Example]]], microbatches: int = 1) -> list[TokenBatch]:
        """Batches of records in rows, all of one shape, with as many rows as `microbatches` and the mesh divide."""
        rows = [self._rows(list(chain.from_iterable(batch))) for batch in batches]
        multiple, most = self.shards * microbatches, self.most_trained
        count = max(map(len, rows if self.packed else batches)) * (1 if self.packed else self.most_examples)
        if self.packed:
            count, most = _count(count), bucket(max(sum(map(_trained, row)) for batch in rows for row in batch))
        empty: list[list[Example]] = [[] for _ in range(-(-count // multiple) * multiple)]
        return [
            token_batch(batch + empty[len(batch) :], length=self.length, most_trained=most, pad_id=self.pad_id)
            for batch in rows
        ]

    def _rows(self, examples: Sequence[Example]) -> list[list[Example]]:
        if not self.packed:
            return [[example] for example in examples]
        return [
            [examples[index] for index in row] for row in _plan([len(each.tokens) for each in examples], self.length)
        ]


def _plan(sizes: Sequence[int], length: int) -> list[list[int]]:
    """Which examples of these sizes are in which row."""
    rows = plan_rows(range(len(sizes)), [0] * len(sizes), sizes, length)
    return [[index for block in row for index in block.completions] for row in rows]


def _count(rows: int) -> int:
    """How many rows a batch gets, so that batches come in few shapes."""
    return bucket(rows, 1, steps=8)


def _trained(example: Example) -> int:
    return int(example.loss_mask[1:].sum())
