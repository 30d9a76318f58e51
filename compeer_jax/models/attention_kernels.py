"""Attention kernels: the plain code, cuDNN's kernel on NVIDIA GPUs, or the splash kernel on TPUs.

The kernels never hold the scores of all queries and keys. Each must equal `attention.attend` wherever a query sees
anything; what a query of padding gets is anyone's guess, but finite.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, PartitionSpec
from jaxtyping import Array, Float

from compeer_jax.errors import UserError, unknown
from compeer_jax.models.attention import Visibility, attend, attend_blocks
from compeer_jax.models.blockwise_attention import QUERY_BLOCK, attend_blockwise
from compeer_jax.parallel.mesh import platform
from compeer_jax.parallel.sharding import spec

AttentionName = Literal["auto", "xla", "cudnn", "splash"]
Attend = Callable[[Array, Array, Array, Visibility], Array]

SPLASH_BLOCK = 128
"""What the splash kernel's blocks are multiples of: the lanes of a TPU's vector unit."""


def attention_by_name(name: str) -> Attend:
    """The function that computes attention.

    "auto" takes what is made for the backend at hand, and the plain code for what its kernel can't do, such as float32
    with cuDNN. A kernel that is asked for by its name is used or refused.

    Raises:
        UserError: no such name.
    """
    choices = {"auto": _attend_auto, "xla": attend_plainly, "cudnn": attend_cudnn, "splash": attend_splash}
    if name not in choices:
        raise unknown("attention", name, choices, "model.attention")
    return choices[name]


def attention_kind(name: AttentionName) -> str:
    """What this choice comes to on the platform at hand, for dtypes and sizes that its kernel knows."""
    return {"gpu": "cudnn", "tpu": "splash"}.get(platform(), "xla") if name == "auto" else name


def attend_plainly(
    query: Float[Array, "N T Q H"],
    key: Float[Array, "N S K H"],
    value: Float[Array, "N S K H"],
    visibility: Visibility,
) -> Float[Array, "N T Q H"]:
    """`attend`, block by block where it is known which blocks see each other, or where rows are long."""
    if visibility.key_blocks is not None:
        return attend_blocks(query, key, value, visibility)
    same_tokens = visibility.query_segments is visibility.key_segments
    if same_tokens and query.shape[1] > QUERY_BLOCK:
        return attend_blockwise(query, key, value, visibility)
    return attend(query, key, value, visibility)


def attend_cudnn(
    query: Float[Array, "N T Q H"],
    key: Float[Array, "N S K H"],
    value: Float[Array, "N S K H"],
    visibility: Visibility,
) -> Float[Array, "N T Q H"]:
    """`attend` by cuDNN's fused kernel: half precision, heads of at most 128 numbers, 8 by 8.

    Raises:
        UserError: a dtype or a head size that cuDNN has no kernel for, or no NVIDIA GPU.
    """
    if reason := _cudnn_lacks(query):
        raise UserError(f"model.attention is 'cudnn', {reason}; take 'auto' or 'xla'.")
    mask = visibility.mask()[:, None]
    return jax.nn.dot_product_attention(query, key, value, mask=mask, implementation="cudnn")


def attend_splash(
    query: Float[Array, "N T Q H"],
    key: Float[Array, "N T K H"],
    value: Float[Array, "N T K H"],
    visibility: Visibility,
    *,
    interpret: bool = False,
) -> Float[Array, "N T Q H"]:
    """`attend` by the splash kernel of JAX's Pallas library, which skips what is not seen block by block.

    On a mesh every device computes its own rows and heads. Rows are filled up to a multiple of 128 tokens.

    Args:
        interpret: run the kernel step by step where there is no TPU, for tests.

    Raises:
        UserError: queries and keys at different slots, or a segment with branches.
    """
    if visibility.query_branches is not None:
        raise UserError("model.attention is 'splash', whose kernel knows no branches of a segment; take 'xla'.")
    if visibility.query_segments is not visibility.key_segments:
        raise UserError("model.attention is 'splash', which needs queries and keys to be the same tokens; take 'xla'.")
    length, size = query.shape[1], query.shape[3]
    padding = -length % SPLASH_BLOCK

    def heads_first(x: Array) -> Array:
        return jnp.pad(x, ((0, 0), (0, padding), (0, 0), (0, 0))).swapaxes(1, 2)

    segments = jnp.pad(visibility.key_segments, ((0, 0), (0, padding)))
    run = jax.vmap(partial(_splash, interpret=interpret))
    mesh = jax.sharding.get_abstract_mesh()
    if not mesh.empty and mesh.size > 1 and all(kind == AxisType.Auto for kind in mesh.axis_types):
        rows, query_heads, kv_heads = _splits(mesh, query, key)
        specs = (
            PartitionSpec(rows, query_heads),
            PartitionSpec(rows, kv_heads),
            PartitionSpec(rows, kv_heads),
            PartitionSpec(rows),
        )
        run = jax.shard_map(run, mesh=mesh, in_specs=specs, out_specs=specs[0], check_vma=False)
    mixed = run(heads_first(query * size**-0.5), heads_first(key), heads_first(value), segments)
    return mixed.swapaxes(1, 2)[:, :length].astype(query.dtype)


def _splash(query: Array, key: Array, value: Array, segments: Array, *, interpret: bool) -> Array:
    """One row: query [Q T H], key and value [K T H], segments [T]."""
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as kernel
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    heads, length, _ = query.shape
    block = next(size for size in (512, 256, SPLASH_BLOCK) if length % size == 0)
    sizes = kernel.BlockSizes(
        block_q=block,
        block_kv=block,
        block_kv_compute=block,
        block_q_dkv=block,
        block_kv_dkv=block,
        block_kv_dkv_compute=block,
        block_q_dq=block,
        block_kv_dq=block,
    )
    mask = masks.MultiHeadMask([masks.CausalMask((length, length)) for _ in range(heads)])
    splash = kernel.make_splash_mha(mask, block_sizes=sizes, head_shards=1, q_seq_shards=1, interpret=interpret)
    return splash(query, key, value, segment_ids=kernel.SegmentIds(segments, segments))


def _splits(mesh: jax.sharding.AbstractMesh, query: Array, key: Array) -> tuple:
    """The mesh axes that rows, query heads and key-value heads are split over: those that divide them."""

    def fitting(size: int, axis: str) -> tuple[str, ...] | None:
        names = spec((axis,))[0] or ()
        names = (names,) if isinstance(names, str) else tuple(names)
        return names if size % math.prod(mesh.shape[name] for name in names) == 0 else None

    kv_heads = fitting(key.shape[2], "kv_heads")
    # Query heads go where their key-value heads are.
    return fitting(query.shape[0], "batch"), fitting(query.shape[2], "heads") if kv_heads else None, kv_heads


def _cudnn_lacks(query: Array) -> str | None:
    """What keeps cuDNN from computing this, as a clause; None if nothing does."""
    if platform() != "gpu":
        return f"but the backend here is {platform()}"
    if query.dtype not in (jnp.bfloat16, jnp.float16):
        return f"which computes in half precision, but model.dtype is {query.dtype}"
    if query.shape[-1] % 8 or query.shape[-1] > 128:
        return f"but the heads of this model have {query.shape[-1]} numbers, not a multiple of 8 up to 128"
    return None


def _attend_auto(query: Array, key: Array, value: Array, visibility: Visibility) -> Array:
    backend = platform()
    if backend == "gpu" and not _cudnn_lacks(query):
        return attend_cudnn(query, key, value, visibility)
    if backend == "tpu" and visibility.query_branches is None:
        return attend_splash(query, key, value, visibility)
    return attend_plainly(query, key, value, visibility)
