"""The vision tower of Qwen2.5-VL, and the merger that makes what it gives into tokens of the language model.

Shapes: I pictures, S slots of a picture, one a patch, W windows; N rows of tokens, T tokens, F states of a row's
pictures; E numbers of a state, which is what the tower gives for a token's patches side by side.

A picture's patches lie window by window, cut windows filled up, so that shapes are few and attention within windows is
a reshape: `vision_inputs` lays them out. The tower learns nothing, so what it gives is kept (see `seen_pictures`); the
merger learns with the language model, and belongs to it.

Source: Bai et al., Qwen2.5-VL Technical Report, 2025.
"""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, DTypeLike, Float, Int

from compeer_jax.errors import UserError
from compeer_jax.models import weights
from compeer_jax.models.attention import Visibility, attend
from compeer_jax.models.config import DecoderConfig
from compeer_jax.models.hf_names import TOWER
from compeer_jax.models.layers import Projection, RMSNorm
from compeer_jax.models.parameters import WeightMaker, product
from compeer_jax.models.rope import rotate
from compeer_jax.models.vision_config import VisionConfig
from compeer_jax.parallel.sharding import constrain

EPSILON, THETA = 1e-6, 10000.0  # of every Qwen2.5-VL; its config does not say
DEVIATION = 0.02  # of a random start


class VisionAttention(nnx.Module):
    """Attention in both directions, over the patches of a window or of a picture."""

    def __init__(self, config: VisionConfig, make: WeightMaker):
        d, heads = config.hidden_size, config.num_heads
        size = d // heads
        self.qkv = Projection((d, 3, heads, size), ("embed", None, "heads", "head_dim"), make, bias=True)
        self.output = Projection((heads, size, d), ("heads", "head_dim", "embed"), make, contract=2, bias=True)

    def __call__(
        self, x: Float[Array, "N T D"], angles: tuple[Array, Array], real: Bool[Array, "N T"]
    ) -> Float[Array, "N T D"]:
        query, key, value = (part[:, :, 0] for part in jnp.split(self.qkv(x), 3, axis=2))
        segments = real.astype(jnp.int32)
        nowhere = jnp.zeros(x.shape[1], jnp.int32)  # one slot for all: no patch is later than another
        both_ways = Visibility(segments, segments, nowhere, nowhere)
        return self.output(attend(rotate(query, *angles), rotate(key, *angles), value, both_ways))


class VisionMLP(nnx.Module):
    """SwiGLU with biases: down(silu(gate(x)) · up(x))."""

    def __init__(self, config: VisionConfig, make: WeightMaker):
        d, f = config.hidden_size, config.intermediate_size
        self.gate = Projection((d, f), ("embed", "mlp"), make, bias=True)
        self.up = Projection((d, f), ("embed", "mlp"), make, bias=True)
        self.down = Projection((f, d), ("mlp", "embed"), make, bias=True)

    def __call__(self, x: Float[Array, "N T D"]) -> Float[Array, "N T D"]:
        return self.down(jax.nn.silu(self.gate(x)) * self.up(x))


class VisionLayer(nnx.Module):
    """One block of the tower: attention, then the MLP, each on the normalised stream and added back to it."""

    def __init__(self, config: VisionConfig, make: WeightMaker):
        self.attention_norm = RMSNorm(config.hidden_size, EPSILON, make)
        self.attention = VisionAttention(config, make)
        self.mlp_norm = RMSNorm(config.hidden_size, EPSILON, make)
        self.mlp = VisionMLP(config, make)

    def __call__(
        self, x: Float[Array, "I S D"], angles: tuple[Array, Array], real: Bool[Array, "I S"], span: int
    ) -> Float[Array, "I S D"]:
        """The stream after the block; `span` neighbouring slots see each other: a window's, or all of a picture."""

        def cut(y: Array) -> Array:
            return y.reshape(-1, span, *y.shape[2:])

        cos, sin = angles
        mixed = self.attention(cut(self.attention_norm(x)), (cut(cos), cut(sin)), cut(real))
        x = constrain(x + mixed.reshape(x.shape), "batch", "length", None)
        return constrain(x + self.mlp(self.mlp_norm(x)), "batch", "length", None)


class VisionTower(nnx.Module):
    """Pictures as patches to their states before the merger.

    Args:
        config: the tower's shape.
        rngs: the key of a random start.
        dtype: what activations and products are computed in; norms, angles and softmax are float32 always.
        param_dtype: what the weights are kept in.
    """

    def __init__(
        self,
        config: VisionConfig,
        *,
        rngs: nnx.Rngs,
        dtype: DTypeLike = jnp.float32,
        param_dtype: DTypeLike = jnp.float32,
    ):
        self.config, self.dtype = config, jnp.dtype(dtype)
        make = WeightMaker(rngs, jnp.dtype(param_dtype), DEVIATION)
        kernel = (3, config.temporal_patch_size, config.patch_size, config.patch_size, config.hidden_size)
        self.patches = make.normal(kernel, (None, None, None, None, "embed"))
        self.layers = nnx.List([VisionLayer(config, make) for _ in range(config.depth)])

    def __call__(
        self, patches: Float[Array, "I S 3 P P"], places: Int[Array, "I S 2"], real: Bool[Array, "I S"]
    ) -> Float[Array, "I tokens E"]:
        """States of tokens, window by window.

        Args:
            patches: their pixels, normalised.
            places: the row and the column of each in its picture.
            real: False where a slot holds no patch.
        """
        config = self.config
        with jax.named_scope("patches"):
            kernel = self.patches[...].sum(axis=1)  # a still picture fills all moments of a patch alike
            x = product(patches.astype(self.dtype), kernel.astype(self.dtype), contract=3)
            x = constrain(x, "batch", "length", None)
            angles = _angles(places, config)
        window = config.window_side**2 * config.patches_per_token
        with jax.named_scope("blocks"):
            for index, layer in enumerate(self.layers):
                x = layer(x, angles, real, x.shape[1] if index in config.fullatt_block_indexes else window)
        return x.reshape(len(x), -1, config.state_size)

    @classmethod
    def from_pretrained(
        cls,
        directory: str | Path,
        *,
        mesh: jax.sharding.Mesh | None = None,
        dtype: DTypeLike = jnp.float32,
        param_dtype: DTypeLike = jnp.float32,
    ) -> "VisionTower":
        """Loads the tower of a Hugging Face directory.

        Args:
            directory: holds config.json and weights in safetensors.
            mesh: where to put the weights, by their axis names; None is the default device.
            dtype, param_dtype: as of the class.

        Raises:
            UserError: the model has no vision tower, or its files are not whole.
        """
        config = DecoderConfig.from_json(directory).vision
        if config is None:
            raise UserError(f"{directory}: the model reads text alone; give one that sees, such as Qwen2.5-VL.")
        weights.check_layers(directory, config.depth, TOWER)
        graphdef, params = abstract_tower(config, dtype=dtype, param_dtype=param_dtype)
        return nnx.merge(graphdef, weights.load(directory, params, mesh=mesh, names=TOWER))


def abstract_tower(config: VisionConfig, **options: DTypeLike) -> tuple[nnx.GraphDef, nnx.State]:
    """The tower's graph and its weights as `ShapeDtypeStruct`s: nothing is allocated."""
    return nnx.split(nnx.eval_shape(lambda: VisionTower(config, rngs=nnx.Rngs(0), **options)))


class Merger(nnx.Module):
    """States of pictures to tokens of the language model."""

    def __init__(self, config: VisionConfig, make: WeightMaker):
        self.size = config.hidden_size
        e = config.state_size
        self.norm = RMSNorm(config.hidden_size, EPSILON, make)
        self.up = Projection((e, e), ("embed", "mlp"), make, bias=True)
        self.down = Projection((e, config.out_hidden_size), ("mlp", "embed"), make, bias=True)

    def __call__(self, states: Float[Array, "*lead E"]) -> Float[Array, "*lead D"]:
        patches = states.reshape(*states.shape[:-1], -1, self.size)
        x = self.norm(patches).reshape(states.shape)
        return self.down(jax.nn.gelu(self.up(x), approximate=False))


class Pictures(NamedTuple):
    """The pictures of N rows of tokens.

    Attributes:
        states: from a frozen tower, those of a row's pictures one after another.
        index: of each token the place of its state in its row, -1 for words.
    """

    states: Float[Array, "N F E"]
    index: Int[Array, "N T"]


class Sight(NamedTuple):
    """What prompts with pictures are read with, besides their tokens.

    Attributes:
        states, index: as of `Pictures`.
        positions: the time, the row and the column of each token, for M-RoPE.
        next_position: where each row goes on, in all three.
    """

    states: Float[Array, "N F E"]
    index: Int[Array, "N T"]
    positions: Int[Array, "N T 3"]
    next_position: Int[Array, " N"]

    @property
    def pictures(self) -> Pictures:
        return Pictures(self.states, self.index)

    def without_last(self) -> "Sight":
        """Of prompts whose last token, a word, is yet to be read: it is where each row goes on."""
        return Sight(self.states, self.index[:, :-1], self.positions[:, :-1], self.next_position - 1)


def put_pictures(x: Float[Array, "N T D"], pictures: Pictures, merger: Merger) -> Float[Array, "N T D"]:
    """Embeddings with those of pictures in the places of the tokens that stand for them."""
    with jax.named_scope("merger"):
        states = constrain(pictures.states.astype(x.dtype), "batch", None, None)
        tokens = constrain(merger(states), "batch", None, None)
        found = jnp.take_along_axis(tokens, jnp.maximum(pictures.index, 0)[..., None], axis=1)
        return jnp.where((pictures.index >= 0)[..., None], found, x)


def _angles(places: Int[Array, "I S 2"], config: VisionConfig) -> tuple[Float[Array, "I S half"], ...]:
    """Cosine and sine: half of a head's pairs turn by the patch's row, half by its column."""
    half = config.hidden_size // config.num_heads // 2
    frequencies = THETA ** -(np.arange(0, half, 2) / half).astype(np.float32)
    turned = (places[..., None].astype(jnp.float32) * frequencies).reshape(*places.shape[:2], half)
    return jnp.cos(turned), jnp.sin(turned)
