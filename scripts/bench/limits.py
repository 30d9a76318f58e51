"""What a machine can do at most: bytes copied and float operations multiplied in a second, measured, and a roofline.

python scripts/bench/limits.py [--dtype float32]
"""

import argparse
import time
from typing import NamedTuple

from peers import SHAPES


class Limits(NamedTuple):
    """Measured on the device: bytes read and written by a large copy, and operations of a large matrix product."""

    bytes_per_second: float
    flops_per_second: float

    def seconds(self, moved_bytes: float, flops: float) -> tuple[float, str]:
        """The least time for so much work, and what bounds it."""
        by_memory, by_units = moved_bytes / self.bytes_per_second, flops / self.flops_per_second
        return max(by_memory, by_units), "memory" if by_memory >= by_units else "arithmetic"


def measure_limits(dtype: str = "float32", repeats: int = 10) -> Limits:
    """The best of some repeats, as a limit should be: of a copy far larger than a cache, and of a square product."""
    import jax
    import jax.numpy as jnp

    on_cpu = jax.default_backend() == "cpu"
    count, side = (1 << 26, 2048) if on_cpu else (1 << 30, 8192)

    def best(run, *args) -> float:
        jax.block_until_ready(run(*args))
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            jax.block_until_ready(run(*args))
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    numbers = jnp.ones(count, dtype)
    matrix = jnp.ones((side, side), dtype)
    copied = best(jax.jit(lambda x: x + 1), numbers)
    multiplied = best(jax.jit(jnp.matmul), matrix, matrix)
    return Limits(2 * numbers.nbytes / copied, 2 * side**3 / multiplied)


def decode_work(shape: str, dtype: str, rows: int, filled: float) -> tuple[float, float]:
    """Bytes that one decode step must read, and its operations.

    Bytes: every weight once (of an embedding that is no head, the rows it gives), and the keys and values of `filled`
    tokens a row. Operations: two for each weight and row, and for each number of those keys and values two a query head
    that reads it.
    """
    v, d, f, layers, heads, kv_heads, _, _ = SHAPES[shape]
    size = SHAPES[shape].head_dim
    layer = d * size * (heads + 2 * kv_heads) + heads * size * d + 3 * d * f
    weights = layers * layer + v * d
    cached = rows * filled * layers * 2 * kv_heads * size
    width = 2 if dtype == "bfloat16" else 4
    return width * (weights + cached), 2 * rows * weights + 2 * cached * heads / kv_heads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    limits = measure_limits(parser.parse_args().dtype)
    print(f"copies {limits.bytes_per_second / 1e9:.1f} GB/s, multiplies {limits.flops_per_second / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
