"""Packing: completions of uneven lengths laid into rows of one length, those of a prompt behind one copy of it.

Rows are planned on the host with NumPy. A prompt is a segment's trunk and each of its completions a branch, so that a
completion sees its prompt and itself and nothing else in its row: the loss is that of one completion a row.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from compeer_jax.generation.prompt_batch import bucket
from compeer_jax.training.policy_update import PackedBatch, PolicyBatch


class Block(NamedTuple):
    """A prompt and some of its completions, side by side in a row."""

    prompt: int
    completions: tuple[int, ...]
    size: int


Row = list[Block]

DEPTH = 16  # places for completions in a row, at least: unused ones cost nothing, other numbers of them a program


class Shape(NamedTuple):
    """How many rows of how many tokens."""

    rows: int
    length: int


def plan_rows(
    prompt_of: Sequence[int], prompt_sizes: Sequence[int], sizes: Sequence[int], length: int, *, shared: bool = True
) -> list[Row]:
    """Lays completions into as few rows of `length` tokens as first-fit by falling size finds.

    Args:
        prompt_of: of each completion, the number of its prompt.
        prompt_sizes: tokens of each prompt.
        sizes: tokens of each completion.
        length: tokens of a row; at least those of any prompt with one completion.
        shared: whether completions of a prompt may stand behind one copy of it.
    """
    blocks = []
    for prompt, size in enumerate(prompt_sizes):
        mine = [index for index, of in enumerate(prompt_of) if of == prompt]
        room = length - size
        groups: list[list[int]] = []
        for index in sorted(mine, key=lambda index: -sizes[index]):
            fits = (group for group in groups if shared and sum(sizes[i] for i in group) + sizes[index] <= room)
            if (group := next(fits, None)) is not None:
                group.append(index)
            else:
                groups.append([index])
        blocks += [Block(prompt, tuple(group), size + sum(sizes[i] for i in group)) for group in groups]
    rows: list[Row] = []
    left: list[int] = []
    for block in sorted(blocks, key=lambda block: -block.size):
        row = next((row for row, room in enumerate(left) if block.size <= room), None)
        if row is None:
            row = len(rows)
            rows.append([])
            left.append(length)
        rows[row].append(block)
        left[row] -= block.size
    return rows


def choose_length(
    prompt_of: Sequence[int],
    prompt_sizes: Sequence[int],
    sizes: Sequence[int],
    *,
    longest: int,
    reach: float = math.inf,
    multiple: int = 1,
    shared: bool = True,
) -> tuple[Shape, list[Row]]:
    """The shape that costs least, padding counted, and the rows.

    Lengths are powers of two, and many rows multiples of a small one, so that the batches of a run come in a handful of
    shapes: each is a program to compile.

    Args:
        prompt_of, prompt_sizes, sizes, shared: see `plan_rows`.
        longest: the most tokens of a row, unless one completion needs more.
        reach: in a row of so many tokens, attention takes as long as all else.
        multiple: what the number of rows must be a multiple of.
    """
    length = max(_round_up(max(prompt_sizes[of] + size for of, size in zip(prompt_of, sizes, strict=True)), 1), 32)
    best, least = None, math.inf
    while best is None or length <= longest:
        rows = plan_rows(prompt_of, prompt_sizes, sizes, length, shared=shared)
        shape = Shape(_round_up(-(-len(rows) // multiple), 32) * multiple, length)
        cost = shape.rows * length * (1 + length / reach)
        if cost < least:
            best, least = (shape, rows), cost
        if len(rows) <= multiple:
            break
        length *= 2
    return best


def pack(
    batch: PolicyBatch,
    *,
    longest: int,
    reach: float = math.inf,
    multiple: int = 1,
    tokens_at_once: int = 0,
    shared: bool = True,
) -> tuple[PackedBatch, Int[np.ndarray, " N"]]:
    """A batch on the host, packed; and each completion's place in it: row * K + k.

    Args:
        batch: one completion a row.
        longest, reach: see `choose_length`.
        multiple: what the number of rows computed at once must be a multiple of.
        tokens_at_once: 0, or how many tokens a part of the batch holds at most (but it holds `multiple` rows at least):
            the number of rows is then a multiple of `rows_at_once`.
        shared: see `plan_rows`.
    """
    whole_prompts = np.concatenate([batch.prompts * batch.prompt_mask, batch.prompt_mask], axis=1)
    _, first, prompt_of = np.unique(whole_prompts, axis=0, return_index=True, return_inverse=True)
    prompt_of = prompt_of.reshape(-1)
    prompts = [batch.prompts[row][batch.prompt_mask[row]] for row in first]
    completions = [tokens[mask] for tokens, mask in zip(batch.completions, batch.mask, strict=True)]
    sizes = list(map(len, completions))
    lengths = prompt_of.tolist(), list(map(len, prompts)), sizes
    shape, rows = choose_length(*lengths, longest=longest, reach=reach, multiple=multiple, shared=shared)
    if tokens_at_once:
        at_once = rows_at_once(shape.length, tokens_at_once, multiple)
        parts = bucket(-(-len(rows) // at_once), 1)
        shape = Shape(parts * at_once, shape.length)
        # Parts are dealt out like cards; rows go into the first parts, so that the others are empty and skipped.
        spots = np.arange(shape.rows).reshape(at_once, parts).T.reshape(-1)
    else:
        spots = np.arange(shape.rows)

    deepest = max(sum(len(block.completions) for block in row) for row in rows)
    most = max(sum(sizes[index] for block in row for index in block.completions) for row in rows)
    depth, scored = max(1 << (deepest - 1).bit_length(), DEPTH), min(_round_up(most, 2), shape.length)
    columns = batch.mask.shape[1]
    packed = PackedBatch(
        tokens=np.zeros((shape.rows, shape.length), np.int32),
        segments=np.zeros((shape.rows, shape.length), np.int32),
        branches=np.zeros((shape.rows, shape.length), np.int32) if shared else None,
        predictors=np.zeros((shape.rows, scored), np.int32),
        targets=np.zeros((shape.rows, scored), np.int32),
        places=np.zeros((shape.rows, depth, columns), np.int32),
        mask=None,
        trained=None,
        advantages=None,
        sampler_logps=None,
    )
    slots = np.zeros(len(sizes), np.int64)
    for spot, row in zip(spots, rows, strict=False):
        end = seen = k = 0
        for segment, block in enumerate(row, start=1):
            prompt = prompts[block.prompt]
            trunk, start = end + len(prompt), end
            packed.tokens[spot, end:trunk] = prompt
            end = trunk
            for branch, index in enumerate(block.completions, start=1):
                size = sizes[index]
                packed.tokens[spot, end : end + size] = completions[index]
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

    names = ("mask", "trained", "advantages", "sampler_logps", "old_logps", "ref_logps")
    return packed._replace(**{name: spread(getattr(batch, name)) for name in names}), slots


def rows_at_once(length: int, tokens_at_once: int, multiple: int) -> int:
    """How many rows of `length` tokens a part holds: as many as fit, in multiples, and one multiple at least."""
    return max(tokens_at_once // length // multiple, 1) * multiple


def _round_up(number: int, steps: int) -> int:
    """The next of the numbers that come `steps` times between a power of two and the next."""
    width = max(1, (1 << (number - 1).bit_length()) // (2 * steps))
    return -(-number // width) * width
