"""Operations of one instruction: a matrix product, which compilers for TPU write as a convolution, or a kernel that
XLA cannot look into, such as the splash attention of JAX's Pallas library."""

import math
import re
from functools import lru_cache

import numpy as np

from compeer_jax.planning.hlo import ArrayType, Instruction

# Matrix products of [block, head] by [head, block], or the like, for each block of queries and keys that it computes:
# scores and mixing forwards; backwards it takes one pass for queries, one for keys and values.
_PRODUCTS = {"splash_mha_fwd": 2, "splash_mha_dq": 3, "splash_mha_dkv": 4}


def product_flops(line: Instruction, left: tuple[int, ...], right: tuple[int, ...]) -> float:
    """Multiplications and additions of a `dot` or a `convolution`.

    Args:
        line: the instruction.
        left, right: the shapes of what it takes.
    """
    (output,) = line.arrays[:1]
    if line.opcode == "dot":
        contracted = re.findall(r"\d+", line.attribute(r"lhs_contracting_dims=\{([\d,]*)\}") or "")
        return 2.0 * math.prod(output.shape) * math.prod(left[int(at)] for at in contracted)
    labels = line.attribute(r"dim_labels=(\S+?)(?:,|$)") or ""
    of_left, of_right, of_output = re.fullmatch(r"(\w+)_(\w+)->(\w+)", labels).groups()
    flops = 2.0 * output.shape[of_output.index("b")] * output.shape[of_output.index("f")] * right[of_right.index("i")]
    window = _window(line.attribute(r"window=\{([^}]*)\}") or "")
    for axis in sorted(set(of_right) - set("io")):
        at = int(axis)
        flops *= _meetings(
            left[of_left.index(axis)], right[of_right.index(axis)], output.shape[of_output.index(axis)], **window(at)
        )
    return flops


def _window(text: str):
    """The settings of each spatial axis of a window such as "size=4x2 pad=3_3x0_0 rhs_reversal=1x0"."""
    fields = dict(re.findall(r"(\w+)=(\S+)", text))

    def of(axis: int) -> dict[str, int]:
        def number(name: str, default: int) -> int:
            return int(fields[name].split("x")[axis]) if name in fields else default

        before = int(fields["pad"].split("x")[axis].split("_")[0]) if "pad" in fields else 0
        return {
            "stride": number("stride", 1),
            "before": before,
            "left_gap": number("lhs_dilate", 1),
            "right_gap": number("rhs_dilate", 1),
        }

    return of


@lru_cache(maxsize=4096)
def _meetings(left: int, right: int, output: int, *, stride: int, before: int, left_gap: int, right_gap: int) -> int:
    """How many pairs of an output place and a window place fall on an element, not on padding or in a gap."""
    places = np.arange(output)[:, None] * stride - before + np.arange(right) * right_gap
    return int(((places >= 0) & (places <= (left - 1) * left_gap) & (places % left_gap == 0)).sum())


def kernel_flops(line: Instruction, operands: list[ArrayType]) -> float:
    """Multiplications and additions of a `custom-call`; 0 for one that is not known to multiply.

    The kernel skips the blocks of keys that come after a block of queries.
    """
    products = next((count for name, count in _PRODUCTS.items() if any(name in part for part in line.scopes)), 0)
    heads = [array for array in operands if len(array.shape) >= 3 and array.dtype in ("bf16", "f16", "f32")]
    if not products or not heads:
        return 0.0
    *rows, query_heads, length, size = heads[0].shape  # a single row has no dimension of its own
    block = int(line.attribute(r'block_q\\": (\d+)') or length)
    blocks = math.ceil(length / block)
    return 2.0 * products * math.prod(rows) * query_heads * size * (blocks * (blocks + 1) / 2) * block**2
