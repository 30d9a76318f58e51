"""Times rollouts of mixed lengths: slots that are refilled beside batches that wait for their longest row.

python scripts/bench/rollout.py [--shape a|b|0.5b|1.5b|7b] [--dtype float32] [--slots 16] [--times 4] [--group 1]
    [--prompt 64] [--longest 256] [--spread 8] [--repeats 5]

Every row has a length of its own, at which all ways stop it: log-normal, four standard deviations from the shortest to
the longest, which is `--spread` times as long. There are `--times` as many prompts as fit into the slots. Weights,
prompts and what is drawn are the same; three ways, each in a process of its own, take turns:

- slots: `Engine(slots=N)` is given all prompts; a row that ends makes room for one that waits.
- batches: `Engine()` is given N rows at a time, each batch in one compiled loop.
- all at once: `Engine()` is given all rows, in one loop with as many times the memory.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import peers

SLOTS, BATCHES, AT_ONCE = "slots", "batches", "all at once"


class Case(NamedTuple):
    """What every way is to generate."""

    folder: str
    shape: str
    dtype: str
    slots: int
    times: int
    group: int
    prompt: int
    longest: int
    spread: float

    @property
    def prompts(self) -> list[list[int]]:
        """Of different lengths, the shortest half as long as the longest."""
        rng = np.random.default_rng(0)
        count = self.slots * self.times // self.group
        lengths = rng.integers(self.prompt // 2, self.prompt + 1, count)
        return [rng.integers(2, peers.SHAPES[self.shape].vocabulary - 1, length).tolist() for length in lengths]

    @property
    def lengths(self) -> np.ndarray:
        """How many tokens each row writes."""
        width = math.log(self.spread)
        middle = math.log(self.longest) - width / 2
        drawn = np.exp(np.random.default_rng(1).normal(middle, width / 4, len(self.prompts) * self.group))
        return np.clip(drawn.round(), self.longest / self.spread, self.longest).astype(int)


def generate(case: Case, way: str) -> Callable[[int], list[list[int]]]:
    """From a seed to the tokens of every row."""
    import jax
    from flax import nnx

    from compeer_jax.generation.engine import Engine
    from compeer_jax.generation.sampling import SamplingConfig, row_keys
    from compeer_jax.models.decoder import Qwen2

    options = {"dtype": case.dtype, "param_dtype": case.dtype}
    graphdef, params = nnx.split(Qwen2.from_pretrained(case.folder, **options))
    sampling = SamplingConfig(max_new_tokens=case.longest)
    engine = Engine(graphdef, sampling=sampling, stop_ids=(), pad_id=0, slots=case.slots if way == SLOTS else 0)
    prompts, lengths = case.prompts, case.lengths
    together = case.slots // case.group if way == BATCHES else len(prompts)

    def draw(seed: int) -> list[list[int]]:
        keys = row_keys(jax.random.key(seed), len(lengths))
        tokens = []
        for first in range(0, len(prompts), together):
            rows = slice(first * case.group, (first + together) * case.group)
            part = prompts[first : first + together]
            tokens.append(np.asarray(engine.generate(params, part, keys[rows], case.group, lengths[rows]).tokens))
        return np.concatenate(tokens).tolist()

    return draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=peers.SHAPES, default="a")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--times", type=int, default=4)
    parser.add_argument("--group", type=int, default=1)
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--longest", type=int, default=256)
    parser.add_argument("--spread", type=float, default=8.0)
    peers.add_worker_options(parser)
    args = parser.parse_args()
    if args.way:
        return peers.answer(generate(Case(*args.case), args.way))
    with tempfile.TemporaryDirectory() as folder:
        peers.save_model_apart(folder, args.shape, args.dtype)
        case = Case(
            folder,
            args.shape,
            args.dtype,
            args.slots,
            args.times,
            args.group,
            args.prompt,
            args.longest,
            args.spread,
        )
        workers, first = peers.start(
            __file__, dict.fromkeys((SLOTS, BATCHES, AT_ONCE), sys.executable), case, {"": (0,)}, args.patience
        )
        warm = peers.interleave(workers, {"": (1,)}, args.repeats)

    lengths = case.lengths
    batches = lengths.reshape(-1, case.slots).max(axis=1).sum()
    print(peers.machine(("jax",)))
    print("Random weights make all tokens about equally likely, so rounding parts a row from its like now and then.")
    print(
        f"shape {case.shape}, {case.dtype}: {len(case.prompts)} prompts x {case.group} in {case.slots} slots; lengths "
        f"{lengths.min()} to {lengths.max()}, mean {lengths.mean():.0f}; batches take {batches} steps, "
        f"no way in these slots fewer than {max(-(-lengths.sum() // case.slots), lengths.max())}"
    )
    slowest = peers.median_seconds(warm[BATCHES, ""])
    drawn = {way: np.array(said[0].result) for (way, _), said in warm.items()}
    print("| way | first call | median | best | tokens/s | beside batches | peak MiB | same rows |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (way, name), said in warm.items():
        seconds, best = peers.median_seconds(said), min(one.seconds for one in said)
        same = (drawn[way] == drawn[BATCHES]).all(axis=1).mean()
        print(
            f"| {way} | {first[way, name].seconds:.1f} s | {seconds:.2f} s | {best:.2f} s "
            f"| {lengths.sum() / seconds:,.0f} | {slowest / seconds:.2f} x "
            f"| {said[-1].peak_bytes / 2**20:,.0f} | {same:.0%} |"
        )


if __name__ == "__main__":
    main()
