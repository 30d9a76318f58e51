"""Operations of the kernels that XLA cannot look into: the splash attention of JAX's Pallas library."""

import math

from compeer_jax.planning.hlo import ArrayType, Instruction

# Matrix products of [block, head] by [head, block], or the like, for each block of queries and keys that it computes:
# scores and mixing forwards; backwards it takes one pass for queries, one for keys and values.
_PRODUCTS = {"splash_mha_fwd": 2, "splash_mha_dq": 3, "splash_mha_dkv": 4}


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
