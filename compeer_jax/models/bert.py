"""BERT and the RoBERTas, encoders whose every token sees the whole text: from token ids to hidden states.

Shapes as in `decoder`: N rows, T tokens, D hidden size, Q heads, H size of a head, F size of the MLP, V vocabulary.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, DTypeLike, Float, Int

from compeer_jax.models.attention import Visibility, attend, segment_positions
from compeer_jax.models.bert_config import BertConfig
from compeer_jax.models.depth import Scan, is_scanned
from compeer_jax.models.layers import LayerNorm, Projection
from compeer_jax.models.parameters import WeightMaker
from compeer_jax.parallel.sharding import constrain


class Attention(nnx.Module):
    """Multi-head attention with biases."""

    def __init__(self, config: BertConfig, make: WeightMaker):
        d, q, h = config.hidden_size, config.num_attention_heads, config.head_dim
        self.query = Projection((d, q, h), ("embed", "heads", "head_dim"), make, bias=True)
        self.key = Projection((d, q, h), ("embed", "heads", "head_dim"), make, bias=True)
        self.value = Projection((d, q, h), ("embed", "heads", "head_dim"), make, bias=True)
        self.output = Projection((q, h, d), ("heads", "head_dim", "embed"), make, contract=2, bias=True)

    def __call__(self, x: Float[Array, "N T D"], visibility: Visibility) -> Float[Array, "N T D"]:
        return self.output(attend(self.query(x), self.key(x), self.value(x), visibility))


class MLP(nnx.Module):
    """down(gelu(up(x))), with the exact GELU."""

    def __init__(self, config: BertConfig, make: WeightMaker):
        d, f = config.hidden_size, config.intermediate_size
        self.up = Projection((d, f), ("embed", "mlp"), make, bias=True)
        self.down = Projection((f, d), ("mlp", "embed"), make, bias=True)

    def __call__(self, x: Float[Array, "N T D"]) -> Float[Array, "N T D"]:
        return self.down(jax.nn.gelu(self.up(x), approximate=False))


class Layer(nnx.Module):
    """One encoder layer: attention, then the MLP, each added to the stream, which is then normalised."""

    def __init__(self, config: BertConfig, make: WeightMaker):
        self.attention = Attention(config, make)
        self.attention_norm = LayerNorm(config.hidden_size, config.layer_norm_eps, make)
        self.mlp = MLP(config, make)
        self.mlp_norm = LayerNorm(config.hidden_size, config.layer_norm_eps, make)

    def __call__(self, x: Float[Array, "N T D"], visibility: Visibility) -> Float[Array, "N T D"]:
        with jax.named_scope("attention"):
            x = constrain(self.attention_norm(x + self.attention(x, visibility)), "batch", "length", None)
        with jax.named_scope("mlp"):
            return constrain(self.mlp_norm(x + self.mlp(x)), "batch", "length", None)


class Bert(nnx.Module):
    """An encoder, without the heads that were trained with it.

    Args:
        config: the model's shape.
        rngs: the key of the random start (normal with `initializer_range`; biases 0, norms 1).
        dtype: what activations and matrix products are computed in; norms and softmax are float32 always.
        param_dtype: what the weights are kept in.
        scan_layers: keep all layers in arrays [L, …] and loop over them, so that compile time does not grow with depth;
            see `depth.is_scanned` for "auto".
    """

    def __init__(
        self,
        config: BertConfig,
        *,
        rngs: nnx.Rngs,
        dtype: DTypeLike = jnp.float32,
        param_dtype: DTypeLike = jnp.float32,
        scan_layers: Scan = "auto",
    ):
        self.config = config
        self.dtype = jnp.dtype(dtype)
        self.scan_layers = is_scanned(scan_layers, config.num_hidden_layers)

        make = WeightMaker(rngs, jnp.dtype(param_dtype), config.initializer_range)
        size = config.hidden_size
        self.words = make.normal((config.vocab_size, size), ("vocab", "embed"))
        self.places = make.normal((config.max_position_embeddings, size), ("length", "embed"))
        self.types = make.normal((config.type_vocab_size, size), ("length", "embed"))
        self.norm = LayerNorm(size, config.layer_norm_eps, make)
        if self.scan_layers:
            self.layers = Layer(config, make.stacked(config.num_hidden_layers))
        else:
            self.layers = nnx.List([Layer(config, make) for _ in range(config.num_hidden_layers)])

    def __call__(
        self, tokens: Int[Array, "N T"], *, segment_ids: Int[Array, "N T"] | None = None
    ) -> Float[Array, "N T D"]:
        """Hidden states of the last layer. Every text is of the first token type.

        Args:
            tokens: token ids; the caller sees to it that no text has more than `config.max_tokens`.
            segment_ids: 0 is padding; equal other numbers see each other, both ways. Default: all one segment.
        """
        if segment_ids is None:
            segment_ids = jnp.ones_like(tokens)
        with jax.named_scope("embed"):
            x = self.words[...][tokens] + self.places[...][self._positions(tokens, segment_ids)] + self.types[...][0]
            x = constrain(self.norm(x.astype(self.dtype)), "batch", "length", None)
        # For a query that stands at the end, every key stands before it.
        slots = jnp.arange(tokens.shape[1])
        everything = Visibility(segment_ids, segment_ids, jnp.full_like(slots, tokens.shape[1]), slots)

        with jax.named_scope("layers"):
            if self.scan_layers:
                x, _ = jax.lax.scan(lambda x, layer: (layer(x, everything), None), x, self.layers)
            else:
                for layer in self.layers:
                    x = layer(x, everything)
        return x

    def _positions(self, tokens: Int[Array, "N T"], segment_ids: Int[Array, "N T"]) -> Int[Array, "N T"]:
        """Each token's row of `places`. RoBERTa passes over a padding token even within a text."""
        counted = segment_ids
        nowhere = 0
        if self.config.counts_from_pad:
            counted = jnp.where(tokens == self.config.pad_token_id, 0, segment_ids)
            nowhere = self.config.pad_token_id
        return jnp.where(counted == 0, nowhere, segment_positions(counted) + self.config.first_position)
