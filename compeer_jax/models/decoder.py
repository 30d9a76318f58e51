"""Dense decoders (Qwen2.5, Qwen3, Llama, Qwen2.5-VL): one file from token ids to hidden states, to logits.

Shapes: N rows, T tokens, S cache slots, D hidden size, Q query heads, K key-value heads, H size of a head, F size of
the MLP, V vocabulary, L layers. Weights are kept as they are multiplied, [inputs, outputs], and every one carries the
logical names of its dimensions in `axes`; `compeer_jax.parallel.sharding` says where on a mesh these live.
"""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, DTypeLike, Float, Int, ScalarLike

from compeer_jax.errors import UserError
from compeer_jax.models import saving, weights
from compeer_jax.models.attention import Visibility, causal_visibility, segment_positions
from compeer_jax.models.attention_kernels import AttentionName, attention_by_name
from compeer_jax.models.blockwise_attention import ATTENDED
from compeer_jax.models.config import DecoderConfig, ModelType
from compeer_jax.models.depth import Remat, Scan, is_scanned, what_is_recomputed
from compeer_jax.models.hf_names import decoder_names
from compeer_jax.models.kv_cache import AnyCache, Cache, KVCache
from compeer_jax.models.layers import Projection, RMSNorm
from compeer_jax.models.parameters import WeightMaker
from compeer_jax.models.quantized import Storage, in_few_bits
from compeer_jax.models.rope import rotary_angles, rotate
from compeer_jax.models.vision import Merger, Pictures, Sight, put_pictures
from compeer_jax.parallel.sharding import constrain, on_row_shards
from compeer_jax.rl.logprobs import token_logprobs

DecodeType = Literal["dtype", "int8"]
Angles = tuple[Float[Array, "N T half"], Float[Array, "N T half"]]


class Attention(nnx.Module):
    """Grouped-query attention; by family with biases on q, k and v, or norms of each head's q and k."""

    def __init__(self, config: DecoderConfig, make: WeightMaker, attention: AttentionName):
        self.attend = attention_by_name(attention)
        d, h = config.hidden_size, config.head_dim
        q, k = config.num_attention_heads, config.num_key_value_heads
        bias = config.family.qkv_bias
        self.query = Projection((d, q, h), ("embed", "heads", "head_dim"), make, bias=bias)
        self.key = Projection((d, k, h), ("embed", "kv_heads", "head_dim"), make, bias=bias)
        self.value = Projection((d, k, h), ("embed", "kv_heads", "head_dim"), make, bias=bias)
        self.output = Projection((q, h, d), ("heads", "head_dim", "embed"), make, contract=2)
        norm = partial(RMSNorm, h, config.rms_norm_eps, make, axis="head_dim")
        self.query_norm = norm() if config.family.qk_norm else None
        self.key_norm = norm() if config.family.qk_norm else None

    def __call__(
        self,
        x: Float[Array, "N T D"],
        angles: Angles,
        visibility: Visibility,
        cache: Cache | None,
        layer: int | Int[Array, ""],
    ) -> tuple[Float[Array, "N T D"], Cache | None]:
        def heads(projection: Projection, norm: RMSNorm | None) -> Float[Array, "N T heads H"]:
            projected = projection(x)
            return rotate(projected if norm is None else norm(projected), *angles)

        with jax.named_scope("qkv"):
            query = constrain(heads(self.query, self.query_norm), "batch", "length", "heads", "head_dim")
            key = constrain(heads(self.key, self.key_norm), "batch", "length", "kv_heads", "head_dim")
            value = constrain(self.value(x), "batch", "length", "kv_heads", "head_dim")
        if cache is None:
            with jax.named_scope("attend"):
                mixed = self.attend(query, key, value, visibility)
        else:
            with jax.named_scope("cache"):
                cache = cache.write(layer, key, value)
            with jax.named_scope("attend"):
                mixed = cache.attend(layer, query, visibility)
        with jax.named_scope("output"):
            return self.output(mixed), cache


class MLP(nnx.Module):
    """SwiGLU: down(silu(gate(x)) · up(x))."""

    def __init__(self, config: DecoderConfig, make: WeightMaker):
        d, f = config.hidden_size, config.intermediate_size
        self.gate = Projection((d, f), ("embed", "mlp"), make)
        self.up = Projection((d, f), ("embed", "mlp"), make)
        self.down = Projection((f, d), ("mlp", "embed"), make)

    def __call__(self, x: Float[Array, "N T D"]) -> Float[Array, "N T D"]:
        return self.down(jax.nn.silu(self.gate(x)) * self.up(x))


class Layer(nnx.Module):
    """One decoder layer: attention, then the MLP, each on the normalised stream and added back to it."""

    def __init__(self, config: DecoderConfig, make: WeightMaker, attention: AttentionName):
        self.attention_norm = RMSNorm(config.hidden_size, config.rms_norm_eps, make)
        self.attention = Attention(config, make, attention)
        self.mlp_norm = RMSNorm(config.hidden_size, config.rms_norm_eps, make)
        self.mlp = MLP(config, make)

    def __call__(
        self,
        x: Float[Array, "N T D"],
        angles: Angles,
        visibility: Visibility,
        cache: Cache | None,
        layer: int | Int[Array, ""],
    ) -> tuple[Float[Array, "N T D"], Cache | None]:
        with jax.named_scope("attention"):
            mixed, cache = self.attention(self.attention_norm(x), angles, visibility, cache, layer)
            x = constrain(x + mixed, "batch", "length", None)
        with jax.named_scope("mlp"):
            x = constrain(x + self.mlp(self.mlp_norm(x)), "batch", "length", None)
        return x, cache


class Decoder(nnx.Module):
    """A dense decoder. Build the class of its family: `Qwen2`, `Qwen3`, `Llama` or `Qwen2VL`.

    Args:
        config: the model's shape.
        rngs: the key of the random start (normal with `initializer_range`; biases 0, norms 1).
        dtype: what activations and matrix products are computed in; norms, RoPE and softmax are float32 always. (TPUs
            and GPUs shorten float32 products unless `jax_default_matmul_precision` says "highest".)
        param_dtype: what the weights are kept in; they are cast to `dtype` where they are used.
        scan_layers: keep all layers in arrays [L, …] and loop over them, so that compile time does not grow with depth;
            otherwise each layer has its own arrays and code. See `depth.is_scanned` for "auto".
        remat: what the backward pass computes again instead of keeping: nothing, everything in a layer ("full"), or
            everything but the outputs of products with weights and of blockwise attention ("dots"). See
            `depth.what_is_recomputed` for "auto".
        attention: which code computes it where no cache is read; see `attention_kernels`.
        gather: whether generation gathers weights that `fsdp` splits once, before its loop, instead of for every token.
        decode_weights: what generation keeps the weights of projections in: the type of the computation, or 8 bits.
        decode_cache: what keys and values are kept in: the type of the computation, or 8 bits.
    """

    def __init__(
        self,
        config: DecoderConfig,
        *,
        rngs: nnx.Rngs,
        dtype: DTypeLike = jnp.float32,
        param_dtype: DTypeLike = jnp.float32,
        scan_layers: Scan = "auto",
        remat: Remat = "auto",
        attention: AttentionName = "auto",
        gather: bool = False,
        decode_weights: DecodeType = "dtype",
        decode_cache: DecodeType = "dtype",
    ):
        self.config = config
        self.dtype = jnp.dtype(dtype)
        self.scan_layers = is_scanned(scan_layers, config.num_hidden_layers)
        self.remat = what_is_recomputed(remat, self.scan_layers)
        self.gather = gather
        self.decode_weights = decode_weights
        self.decode_cache = decode_cache

        make = WeightMaker(rngs, jnp.dtype(param_dtype), config.initializer_range)
        self.embedding = make.normal((config.vocab_size, config.hidden_size), ("vocab", "embed"))
        if self.scan_layers:
            self.layers = Layer(config, make.stacked(config.num_hidden_layers), attention)
        else:
            self.layers = nnx.List([Layer(config, make, attention) for _ in range(config.num_hidden_layers)])
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps, make)
        tied = config.tie_word_embeddings
        head = None if tied else make.normal((config.hidden_size, config.vocab_size), ("embed", "vocab"))
        self.output: nnx.Param | None = nnx.data(head)
        self.merger = None if config.vision is None else Merger(config.vision, make)

    def __call__(
        self,
        tokens: Int[Array, "N T"],
        *,
        positions: Int[Array, "N T"] | Int[Array, "N T 3"] | None = None,
        segment_ids: Int[Array, "N T"] | None = None,
        branches: Int[Array, "N T"] | None = None,
        key_blocks: Int[Array, "N B M"] | None = None,
        pictures: Pictures | None = None,
    ) -> Float[Array, "N T D"]:
        """Hidden states after the last norm.

        Args:
            tokens: token ids.
            positions: for RoPE; default: how many tokens before it a token sees. Where there are pictures, all three
                that M-RoPE asks for, from `place_pictures`.
            segment_ids: 0 is padding; equal other numbers see each other, causally. Default: all one segment.
            branches: 0 is the trunk of a segment, which all of it sees; equal other numbers see each other. Default:
                all trunk.
            key_blocks: which blocks of its row each block of tokens sees any of, for attention that can leave out the
                others (see `attention.visible_blocks`). Default: all blocks are read.
            pictures: what a model that sees reads in place of the tokens that stand for pictures.
        """
        if segment_ids is None:
            segment_ids = jnp.ones_like(tokens)
        if positions is None:
            positions = segment_positions(segment_ids, branches)
        seen = causal_visibility(segment_ids, branches, key_blocks)
        hidden, _ = self._decode(tokens, positions, seen, cache=None, pictures=pictures)
        return hidden

    def extend(
        self,
        tokens: Int[Array, "N T"],
        cache: AnyCache,
        *,
        valid: Bool[Array, "N T"] | None = None,
        sight: Sight | None = None,
    ) -> tuple[Float[Array, "N T D"], AnyCache]:
        """Reads T more tokens a row, a prompt or one new token, after those already in the cache.

        They take the cache's next slots; the caller sees to it that there are as many.

        Args:
            tokens: token ids.
            cache: what was read before; with jit, donate it or carry it through a loop, to have it updated in place.
            valid: False for padding, which takes no position, and which no token sees. Default: all real.
            sight: where there are pictures, what they are and where they stand; the cache goes on from there.
        """
        if valid is None:
            valid = jnp.ones(tokens.shape, bool)
        cache, positions, visibility = cache.append(valid)
        if sight is None:
            return self._decode(tokens, positions, visibility, cache)
        cache = cache.go_on(sight.next_position)
        return self._decode(tokens, sight.positions, visibility, cache, sight.pictures)

    def init_cache(self, rows: int, length: int) -> KVCache:
        """An empty cache of `length` slots for each of `rows` rows."""
        return KVCache.empty(self.config, rows, length, dtype=self.cache_dtype, stacked=self.scan_layers)

    @property
    def cache_dtype(self) -> jnp.dtype:
        """Type of the keys and values while generating."""
        return jnp.dtype(jnp.int8) if self.decode_cache == "int8" else self.dtype

    @property
    def head(self) -> Float[Array, "D V"]:
        """The output projection; when tied, the embedding's transpose."""
        return self.embedding[...].T if self.output is None else self.output[...]

    def logits(self, hidden: Float[Array, "*lead D"]) -> Float[Array, "*lead V"]:
        """Float32 scores over the vocabulary. Give it only the positions that need them: V is large."""
        with jax.named_scope("logits"):
            head = self.head.astype(self.dtype)
            return jnp.matmul(hidden, head, preferred_element_type=jnp.float32)

    def token_logprobs(
        self, hidden: Float[Array, "N T D"], targets: Int[Array, "N T"], *, temperature: ScalarLike = 1.0
    ) -> tuple[Float[Array, "N T"], Float[Array, "N T"]]:
        """Log-probability and entropy of targets by this model's head; see `compeer_jax.rl.logprobs`."""
        tied = self.output is None
        head = self.embedding if tied else self.output

        def score(head, hidden, targets):
            return token_logprobs(hidden, head, targets, temperature=temperature, tied=tied)

        return on_row_shards(score, head[...], head.axes, hidden, targets)

    @classmethod
    def from_pretrained(
        cls,
        directory: str | Path,
        *,
        mesh: jax.sharding.Mesh | None = None,
        dtype: DTypeLike = jnp.float32,
        param_dtype: DTypeLike = jnp.float32,
        **options: Any,
    ) -> "Decoder":
        """Loads a Hugging Face directory, or a GGUF file, of this family.

        Args:
            directory: holds config.json and weights in safetensors; or a file in GGUF, whose weights are unpacked.
            mesh: where to put the weights, by their axis names; None is the default device.
            dtype, param_dtype, options: as of `Decoder`.

        Raises:
            UserError: the model is of another family, asks for something that is not built, or its files are not whole.
        """
        config = DecoderConfig.from_json(directory)
        if not issubclass(MODELS[config.model_type], cls):
            raise UserError(
                f"{directory}: model_type is {config.model_type!r}, which {cls.__name__} is not; take "
                f"{MODELS[config.model_type].__name__}.from_pretrained, or from_pretrained for any family."
            )
        names = decoder_names(config)
        weights.check_layers(directory, config.num_hidden_layers, names)
        graphdef, params = abstract(config, dtype=dtype, param_dtype=param_dtype, **options)
        return nnx.merge(graphdef, weights.load(directory, params, mesh=mesh, names=names))

    def save_pretrained(
        self,
        directory: str | Path,
        tokenizer: Any = None,
        *,
        tower: str | Path | None = None,
        max_shard_size: int = 5 * 10**9,
    ) -> None:
        """Writes a directory that `transformers` loads unchanged; see `compeer_jax.models.saving.save`."""
        params = nnx.state(self, nnx.Param)
        saving.save(directory, self.config, params, tokenizer, tower=tower, max_shard_size=max_shard_size)

    def _decode(
        self,
        tokens: Int[Array, "N T"],
        positions: Int[Array, "N T"] | Int[Array, "N T 3"],
        visibility: Visibility,
        cache: Cache | None,
        pictures: Pictures | None = None,
    ) -> tuple[Float[Array, "N T D"], Cache | None]:
        """Embedding, all layers, last norm."""
        with jax.named_scope("embed"):
            x = self.embedding[...][tokens].astype(self.dtype)
            if pictures is not None:
                x = put_pictures(x, pictures, self.merger)
            x = constrain(x, "batch", "length", None)
            angles = rotary_angles(positions, self.config)

        def run(layer, index, x, cache):
            return layer(x, angles, visibility, cache, index)

        if self.remat != "none" and cache is None:  # reading through a cache has no backward pass
            run = jax.checkpoint(run, policy=_REMAT_POLICIES[self.remat], prevent_cse=not self.scan_layers)

        with jax.named_scope("layers"):
            if self.scan_layers:

                def step(carry, layer_and_index):
                    return run(*layer_and_index, *carry), None

                indices = jnp.arange(self.config.num_hidden_layers)
                (x, cache), _ = jax.lax.scan(step, (x, cache), (self.layers, indices))
            else:
                for index, layer in enumerate(self.layers):
                    x, cache = run(layer, index, x, cache)
        with jax.named_scope("norm"):
            return self.norm(x), cache


class Qwen2(Decoder):
    """Qwen2 and Qwen2.5."""


class Qwen3(Decoder):
    """Qwen3, dense."""


class Llama(Decoder):
    """Llama, and what has its shape, such as SmolLM2."""


class Qwen2VL(Decoder):
    """Qwen2.5-VL's language model and merger; its tower, which learns nothing, is `vision.VisionTower`."""


MODELS: dict[ModelType, type[Decoder]] = {"qwen2": Qwen2, "qwen3": Qwen3, "llama": Llama, "qwen2_5_vl": Qwen2VL}


def from_pretrained(
    directory: str | Path,
    *,
    mesh: jax.sharding.Mesh | None = None,
    dtype: DTypeLike = jnp.float32,
    param_dtype: DTypeLike = jnp.float32,
    **options: Any,
) -> Decoder:
    """Loads a Hugging Face directory, or a GGUF file, of any family of `MODELS`; see `Decoder.from_pretrained`."""
    return Decoder.from_pretrained(directory, mesh=mesh, dtype=dtype, param_dtype=param_dtype, **options)


def abstract(config: DecoderConfig, *, quantize: Storage = "none", **options: Any) -> tuple[nnx.GraphDef, nnx.State]:
    """The model's graph and its weights as `ShapeDtypeStruct`s: nothing is allocated.

    Args:
        config: the model's shape.
        quantize: how its projections are kept, where nothing learns them; see `quantized.in_few_bits`.
        options: the keyword arguments of `Decoder`.
    """
    build = MODELS[config.model_type]
    return nnx.split(nnx.eval_shape(lambda: in_few_bits(build(config, rngs=nnx.Rngs(0), **options), quantize)))


_REMAT_POLICIES = {
    "none": None,
    "full": jax.checkpoint_policies.nothing_saveable,
    "dots": jax.checkpoint_policies.save_from_both_policies(
        jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
        jax.checkpoint_policies.save_only_these_names(ATTENDED),
    ),
}
