"""Rows of supervised training: examples are packed where that pays, else each has a row of its own."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import chain, combinations
from operator import floordiv
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh

from compeer_jax.data.batches import TokenBatch, token_batch
from compeer_jax.data.chat import Example
from compeer_jax.data.example_pictures import ExamplePictures
from compeer_jax.generation.padding import bucket
from compeer_jax.models.attention_kernels import attention_kind
from compeer_jax.parallel.sharding import row_shards
from compeer_jax.training.config import SupervisedConfig
from compeer_jax.training.packing import attention_reach, length_width, plan_rows

DRAWN = 512  # examples, in batches of which the cost of a length is the mean
PAYS = 0.95  # of the cost with fewer shapes: each is a program to compile
MOST_SHAPES = 4  # of a run's batches: one that fits any batch, and up to three for those that were drawn


class Shape(NamedTuple):
    """How many rows a batch has, and places in each for tokens that train and for states of pictures."""

    rows: int
    trained: int
    states: int = 0

    def fits(self, other: "Shape") -> bool:
        """Whether a batch of the other shape has room in this one."""
        return all(mine >= theirs for mine, theirs in zip(self, other, strict=True))


class SupervisedRows:
    """Rows of one length, which is chosen once a run, as are the few numbers of them that batches come in.

    Attributes:
        length: tokens of a row.
        shapes: of the batches of training, from small to large, at most four; the last fits any batch.

    Args:
        records: all that the run will see: the examples of each, mostly one.
        config: of the run: `row_tokens`, `batch_size`, `gradient_accumulation`, `model.attention`.
        mesh: of the run.
        hidden_size: of the model.
        pad_id: fills up rows.
        pictures: of the examples, in a run that shows them.

    Raises:
        UserError: an example without places for its pictures.
    """

    def __init__(
        self,
        records: Sequence[Sequence[Example]],
        config: SupervisedConfig,
        mesh: Mesh,
        hidden_size: int,
        pad_id: int,
        pictures: ExamplePictures | None = None,
    ):
        self.pad_id, self.shards, self.pictures = pad_id, row_shards(mesh), pictures
        self.most_examples = max(map(len, records))
        self.most_trained = max(_trained(example) for record in records for example in record)
        states = [self._states(example) for record in records for example in record]
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
        count = -(-config.batch_size * self.most_examples // multiple) * multiple
        any_batch = Shape(count, self.most_trained, max(states))
        self.shapes = (any_batch,)
        if self.packed:
            self.length = best
            densest = max(map(floordiv, (self.length * each for each in states), chain.from_iterable(sizes)))
            any_batch = Shape(count, self.length, densest)
            self.shapes = (*self._usual_shapes(records, draws, multiple), any_batch)

    def training_batch(self, records: Sequence[Sequence[Example]]) -> TokenBatch:
        """A batch of records in rows, of the smallest of `shapes` that fits it."""
        rows = self._rows(list(chain.from_iterable(records)))
        needed = self._needed([rows])
        return self._filled(rows, next(shape for shape in self.shapes if shape.fits(needed)))

    def lay_out(self, batches: Sequence[Sequence[Sequence[Example]]], microbatches: int = 1) -> list[TokenBatch]:
        """Batches of records in rows, all of one shape, with as many rows as `microbatches` and the mesh divide."""
        rows = [self._rows(list(chain.from_iterable(batch))) for batch in batches]
        multiple = self.shards * microbatches
        if self.packed:
            shape = self._roomy(self._needed(rows))
            shape = shape._replace(rows=_count(shape.rows))
        else:
            shape = self.shapes[-1]._replace(rows=max(map(len, batches)) * self.most_examples)
        shape = shape._replace(rows=-(-shape.rows // multiple) * multiple)
        return [self._filled(batch, shape) for batch in rows]

    def _filled(self, rows: Sequence[Sequence[Example]], shape: Shape) -> TokenBatch:
        """Rows as arrays, with empty ones after them."""
        empty: list[list[Example]] = [[] for _ in range(shape.rows - len(rows))]
        rows = [*rows, *empty]
        batch = token_batch(rows, length=self.length, most_trained=shape.trained, pad_id=self.pad_id)
        return self.pictures.show(batch, rows, shape.states) if self.pictures and shape.states else batch

    def _needed(self, batches: Sequence[Sequence[Sequence[Example]]]) -> Shape:
        """The least shape for batches that are laid into rows."""
        rows = [row for batch in batches for row in batch]
        trained = max(sum(map(_trained, row)) for row in rows)
        return Shape(max(map(len, batches)), trained, max(sum(map(self._states, row)) for row in rows))

    def _roomy(self, needed: Shape) -> Shape:
        """A shape with places of few numbers for that of a batch."""
        states = min(bucket(needed.states), self.length) if needed.states else 0
        return needed._replace(trained=bucket(needed.trained), states=states)

    def _states(self, example: Example) -> int:
        return 0 if self.pictures is None else self.pictures.tokens(example)

    def _usual_shapes(
        self, records: Sequence[Sequence[Example]], draws: Sequence[np.ndarray], multiple: int
    ) -> list[Shape]:
        """Those in which batches such as the drawn ones cost least."""
        drawn = [self._rows([example for index in draw for example in records[index]]) for draw in draws]
        usual = self._roomy(self._needed(drawn))
        counts = _few_sizes([-(-len(rows) // multiple) * multiple for rows in drawn], MOST_SHAPES - 1)
        return [Shape(count, min(usual.trained, self.length), usual.states) for count in counts]

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


def _few_sizes(wanted: Sequence[int], most: int) -> list[int]:
    """At most so many sizes, the largest of those wanted among them, one more only where it lowers the mean by 5 %.

    Each that is wanted counts as the next of the sizes.
    """
    largest = max(wanted)
    smaller, best, least = sorted({*wanted} - {largest}), [largest], float(largest)
    for more in range(1, most):
        for chosen in combinations(smaller, more):
            sizes = [*chosen, largest]
            mean = float(np.mean([sizes[bisect_left(sizes, size)] for size in wanted]))
            if mean < least * (PAYS if len(sizes) > len(best) else 1):
                best, least = sizes, mean
    return best


def _trained(example: Example) -> int:
    return int(example.loss_mask[1:].sum())
