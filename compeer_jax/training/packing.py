"""Packing: completions of uneven lengths laid into rows of one length, those of a prompt behind one copy of it.

Rows are planned on the host with NumPy. A prompt is a segment's trunk and each of its completions a branch, so that a
completion sees its prompt and itself and nothing else in its row: the loss is that of one completion a row.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from compeer_jax.generation.padding import bucket
from compeer_jax.models.attention import KEY_BLOCK, visible_blocks
from compeer_jax.models.attention_kernels import SPLASH_BLOCK
from compeer_jax.models.vision import Pictures
from compeer_jax.training.policy_update import PackedBatch, PolicyBatch


class Block(NamedTuple):
    """A prompt and some of its completions, side by side in a row."""

    prompt: int
    completions: tuple[int, ...]
    size: int


Row = list[Block]

DEPTH = 16  # places for completions in a row, at least: unused ones cost nothing, other numbers of them a program
PLAIN_REACH, KERNEL_REACH = 1.75, 12  # hidden sizes: measured on CPU; by operations, for kernels
FEW = 8  # rows
ABOUT = 1.03  # times the least cost
MOST_OF_A_ROW = 0.75  # of its keys: to leave out the rest would save less than gathering the others costs


class Shape(NamedTuple):
    """Shape of a batch: rows, and tokens a row."""

    rows: int
    length: int


def plan_rows(
    prompt_of: Sequence[int], prompt_sizes: Sequence[int], sizes: Sequence[int], length: int, *, shared: bool = True
) -> list[Row]:
    """Lays completions into few rows of `length` tokens: row by row, each time what fills the row most.

    That is the completions of a prompt that fit behind it. They are parted where those that fit have more tokens than
    the prompt, of which another row then holds a second copy.

    Args:
        prompt_of: of each completion, the number of its prompt.
        prompt_sizes: tokens of each prompt.
        sizes: tokens of each completion, at least 1.
        length: tokens of a row; at least those of any prompt with one completion.
        shared: whether completions of a prompt may stand behind one copy of it.
    """
    members: dict[int, list[int]] = {}  # of each unit, its completions by falling size
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        members.setdefault(prompt_of[index] if shared else index, []).append(index)
    units = list(members.values())
    trunks = np.array([prompt_sizes[prompt_of[unit[0]]] for unit in units])
    left = np.zeros((len(units), max(map(len, units))), int)  # tokens of the completions that no row has yet
    for unit, mine in enumerate(units):
        left[unit, : len(mine)] = [sizes[index] for index in mine]
    totals = left.sum(axis=1)

    rows: list[Row] = []
    while totals.any():
        row, room = [], length
        while True:
            taken, free = np.zeros(left.shape, bool), room - trunks
            for column, tokens in enumerate(left.T):
                taken[:, column] = (tokens > 0) & (tokens <= free)
                free = free - tokens * taken[:, column]
            added = (left * taken).sum(axis=1)
            whole = added == totals
            fills = np.where(whole | (added > trunks) | (not row), added + trunks * whole, 0) * (added > 0)
            best = int(fills.argmax())
            if not fills[best]:
                break
            completions = tuple(index for index, here in zip(units[best], taken[best], strict=False) if here)
            row.append(Block(prompt_of[completions[0]], completions, int(trunks[best] + added[best])))
            room -= row[-1].size
            left[best, taken[best]] = 0
            totals[best] -= added[best]
        rows.append(row)
    return rows


def choose_length(
    prompt_of: Sequence[int],
    prompt_sizes: Sequence[int],
    sizes: Sequence[int],
    *,
    pack_length: int,
    reach: float = math.inf,
    multiple: int = 1,
    shared: bool = True,
    width: int = 32,
) -> tuple[Shape, list[Row]]:
    """The shape that costs least, padding counted, and the rows.

    The batches of a run should come in a handful of shapes, for each is a program to compile. So numbers of rows come
    eight times between a power of two and the next, lengths twice (eight times where there are so few rows that their
    number can't be fine), and of lengths that cost about the same the longest is taken.

    Args:
        prompt_of, prompt_sizes, sizes, shared: see `plan_rows`.
        pack_length: the most tokens of a row, unless one completion needs more.
        reach: in a row of so many tokens, attention takes as long as all else.
        multiple: what the number of rows must be a multiple of.
        width: what lengths must be a multiple of.
    """
    needed = max(prompt_sizes[of] + size for of, size in zip(prompt_of, sizes, strict=True))

    def planned(length: int) -> tuple[float, Shape, list[Row]]:
        rows = plan_rows(prompt_of, prompt_sizes, sizes, length, shared=shared)
        shape = Shape(bucket(-(-len(rows) // multiple), 1, steps=8) * multiple, length)
        return shape.rows * length * (1 + length / reach), shape, rows

    tried = [planned(bucket(needed, width, steps=2))]
    while len(tried[-1][2]) > multiple and (length := bucket(tried[-1][1].length + 1, width, steps=2)) <= pack_length:
        tried.append(planned(length))
    shape, rows = _cheapest(tried)
    if len(rows) <= FEW * multiple:
        length = bucket(max(needed, 2 * shape.length // 3), width, steps=8)
        while length <= min(3 * shape.length // 2, pack_length):
            tried.append(planned(length))
            length = bucket(length + 1, width, steps=8)
    return _cheapest(tried)


def _cheapest(tried: list[tuple[float, Shape, list[Row]]]) -> tuple[Shape, list[Row]]:
    """Of those that cost about the least, the one with the longest rows."""
    least = min(cost for cost, _, _ in tried)
    _, shape, rows = max((each for each in tried if each[0] <= ABOUT * least), key=lambda each: each[1].length)
    return shape, rows


def attention_reach(kind: str, hidden_size: int) -> float:
    """In rows of how many tokens attention of this kind takes as long as all else."""
    return hidden_size * (PLAIN_REACH if kind == "xla" else KERNEL_REACH)


def length_width(kind: str) -> int:
    """Multiple of the lengths of rows, for attention of this kind."""
    return KEY_BLOCK if kind == "xla" else SPLASH_BLOCK


def pack(
    batch: PolicyBatch,
    *,
    pack_length: int,
    reach: float = math.inf,
    multiple: int = 1,
    tokens_per_microbatch: int = 0,
    shared: bool = True,
    width: int = 32,
    in_blocks: bool = False,
) -> tuple[PackedBatch, Int[np.ndarray, " N"]]:
    """A batch on the host, packed; and each completion's place in it: row * K + k.

    Args:
        batch: one completion a row.
        pack_length, reach, width: see `choose_length`.
        multiple: what the number of rows computed at once must be a multiple of.
        tokens_per_microbatch: 0, or how many tokens a microbatch holds at most (but it holds `multiple` rows at least):
            the number of rows is then a multiple of `rows_per_microbatch`.
        shared: see `plan_rows`.
        in_blocks: whether attention reads only the blocks that a block sees, which the batch then says.
    """
    prompt_of, prompts = _distinct_prompts(batch)
    sizes = batch.mask.sum(axis=1).tolist()
    lengths = prompt_of, list(map(len, prompts)), sizes
    shape, rows = choose_length(
        *lengths, pack_length=pack_length, reach=reach, multiple=multiple, shared=shared, width=width
    )
    if tokens_per_microbatch:
        at_once = rows_per_microbatch(shape.length, tokens_per_microbatch, multiple)
        microbatches = bucket(-(-len(rows) // at_once), 1)
        shape = Shape(microbatches * at_once, shape.length)
        # Microbatches are dealt out like cards; rows go into the first ones, so that the others are empty and skipped.
        spots = np.arange(shape.rows).reshape(at_once, microbatches).T.reshape(-1)
    else:
        spots = np.arange(shape.rows)
    deepest = max(sum(len(block.completions) for block in row) for row in rows)
    most = max(sum(sizes[index] for block in row for index in block.completions) for row in rows)
    depth, scored = max(1 << (deepest - 1).bit_length(), DEPTH), min(bucket(most, 1, steps=2), shape.length)
    placed = dict(zip(spots.tolist(), rows, strict=False))
    packed, slots = _filled(batch, prompts, shape, placed, depth=depth, scored=scored, shared=shared)
    return packed._replace(key_blocks=_key_blocks(packed) if in_blocks else None), slots


def one_a_row(batch: PolicyBatch) -> tuple[PackedBatch, Int[np.ndarray, " N"]]:
    """A batch on the host with each completion in a row of its own, in their order; and the completions' places."""
    prompts = [tokens[real] for tokens, real in zip(batch.prompts, batch.prompt_mask, strict=True)]
    sizes = batch.mask.sum(axis=1).tolist()
    scored = min(bucket(max(sizes)), batch.mask.shape[1])
    shape = Shape(len(sizes), batch.prompts.shape[1] + scored)
    rows = {row: [Block(row, (row,), len(prompts[row]) + size)] for row, size in enumerate(sizes)}
    return _filled(batch, prompts, shape, rows, depth=1, scored=scored, shared=False)


def _distinct_prompts(batch: PolicyBatch) -> tuple[list[int], list[Int[np.ndarray, " P"]]]:
    """The number of each completion's prompt, and the tokens of each prompt. Other pictures make another prompt."""
    whole = np.concatenate([batch.prompts * batch.prompt_mask, batch.prompt_mask], axis=1)
    if batch.seen is not None:
        numbers: dict[int, int] = {}
        shown = [numbers.setdefault(id(prompt), len(numbers)) for prompt in batch.seen]
        whole = np.concatenate([whole, np.array(shown)[:, None]], axis=1)
    _, first, prompt_of = np.unique(whole, axis=0, return_index=True, return_inverse=True)
    return prompt_of.reshape(-1).tolist(), [batch.prompts[row][batch.prompt_mask[row]] for row in first]


def _filled(
    batch: PolicyBatch,
    prompts: Sequence[Int[np.ndarray, " P"]],
    shape: Shape,
    rows: Mapping[int, Row],
    *,
    depth: int,
    scored: int,
    shared: bool,
) -> tuple[PackedBatch, Int[np.ndarray, " N"]]:
    """A batch laid into rows, see `pack`.

    Args:
        batch: one completion a row.
        prompts: tokens of each prompt.
        shape: of the rows.
        rows: what is in each that is not empty.
        depth: places for completions in a row (K).
        scored: places for their tokens in a row (C).
        shared: see `plan_rows`.
    """
    completions = [tokens[mask] for tokens, mask in zip(batch.completions, batch.mask, strict=True)]
    columns = batch.mask.shape[1]
    packed = PackedBatch(
        tokens=np.zeros(shape, np.int32),
        positions=np.zeros(shape, np.int32),
        segments=np.zeros(shape, np.int32),
        branches=np.zeros(shape, np.int32) if shared else None,
        predictors=np.zeros((shape.rows, scored), np.int32),
        targets=np.zeros((shape.rows, scored), np.int32),
        places=np.zeros((shape.rows, depth, columns), np.int32),
        mask=None,
        trained=None,
        advantages=None,
        sampler_logps=None,
    )
    slots = np.zeros(len(completions), np.int64)
    for spot, row in rows.items():
        end = seen = k = 0
        for segment, block in enumerate(row, start=1):
            prompt = prompts[block.prompt]
            trunk, start = end + len(prompt), end
            packed.tokens[spot, end:trunk] = prompt
            packed.positions[spot, end:trunk] = np.arange(len(prompt))
            end = trunk
            for branch, index in enumerate(block.completions, start=1):
                size = len(completions[index])
                packed.tokens[spot, end : end + size] = completions[index]
                packed.positions[spot, end : end + size] = len(prompt) + np.arange(size)
                if shared:
                    packed.branches[spot, end : end + size] = branch
                # The prompt's last token predicts a completion's first, wherever the completion stands.
                packed.predictors[spot, seen : seen + size] = [trunk - 1, *range(end, end + size - 1)][:size]
                packed.targets[spot, seen : seen + size] = completions[index]
                packed.places[spot, k, batch.mask[index]] = np.arange(seen, seen + size)
                slots[index] = spot * depth + k
                end, seen, k = end + size, seen + size, k + 1
            packed.segments[spot, start:end] = segment

    def spread(values: np.ndarray | None) -> np.ndarray | None:
        """[N ...] -> [R K ...], zeros where there is no completion."""
        if values is None:
            return None
        values = np.asarray(values)
        out = np.zeros((shape.rows * depth, *values.shape[1:]), values.dtype)
        out[slots] = values
        return out.reshape(shape.rows, depth, *values.shape[1:])

    if batch.seen is not None:
        packed = _with_pictures(packed, batch.seen, rows)
    names = ("mask", "trained", "advantages", "sampler_logps", "old_logps", "ref_logps")
    return packed._replace(**{name: spread(getattr(batch, name)) for name in names}), slots


def _with_pictures(packed: PackedBatch, seen: np.ndarray, rows: Mapping[int, Row]) -> PackedBatch:
    """The batch with the pictures of its prompts; as it is where none shows any.

    Args:
        packed: its tokens are laid out; positions are those of texts.
        seen: [N] of `SeenPrompt`.
        rows: what is in each that is not empty.
    """
    shown = {spot: {block.prompt: seen[block.completions[0]] for block in row} for spot, row in rows.items()}
    most = max(sum(len(prompt.states) for prompt in prompts.values()) for prompts in shown.values())
    if not most:
        return packed
    some = next(prompt.states for prompts in shown.values() for prompt in prompts.values() if len(prompt.states))
    states = np.zeros((len(packed.tokens), bucket(most, steps=2), some.shape[1]), some.dtype)
    index = np.full(packed.tokens.shape, -1, np.int32)
    positions = np.repeat(packed.positions[:, :, None], 3, axis=2)
    for spot, row in rows.items():
        places, count = {}, 0  # of each prompt's states; a second copy of the prompt has them in the same place
        for number, prompt in shown[spot].items():
            places[number], count = count, count + len(prompt.states)
            states[spot, places[number] : count] = prompt.states
        end = 0
        for block in row:
            placed = seen[block.completions[0]].placed
            start, trunk, end = end, end + len(placed.index), end + block.size
            index[spot, start:trunk] = np.where(placed.index < 0, -1, placed.index + places[block.prompt])
            positions[spot, start:trunk] = placed.positions
            # A completion's positions go on after the prompt's, which has fewer of them than tokens.
            positions[spot, trunk:end] += placed.next_position - len(placed.index)
    return packed._replace(positions=positions, pictures=Pictures(states, index))


def _key_blocks(packed: PackedBatch) -> Int[np.ndarray, "R B M"] | None:
    """The blocks that each block sees, filled up with -1 to one of few numbers; None where that is most of a row."""
    length = packed.tokens.shape[1]
    rows = visible_blocks(packed.segments, packed.branches)
    most = bucket(max(len(seen) for row in rows for seen in row), 1, steps=2)
    if most * KEY_BLOCK > MOST_OF_A_ROW * length:
        return None
    return np.array([[seen + [-1] * (most - len(seen)) for seen in row] for row in rows], np.int32)


def rows_per_microbatch(length: int, tokens_per_microbatch: int, multiple: int) -> int:
    """Number of rows of `length` tokens in a microbatch: as many as fit, in multiples, and one multiple at least."""
    return max(tokens_per_microbatch // length // multiple, 1) * multiple
