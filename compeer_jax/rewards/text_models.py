"""Embedders, frozen models that give texts vectors: tokenized, sorted into batches, read on the mesh, pooled."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import AxisType, Mesh
from jaxtyping import Array, Bool, DTypeLike, Float, Int

from compeer_jax.generation.padding import bucket
from compeer_jax.models.config import FAMILIES, read_config
from compeer_jax.models.depth import Scan
from compeer_jax.models.sentence import Pooling, SentenceConfig, load_text_model, pool, unit
from compeer_jax.models.source import ModelConfig, base_directory, model_directory
from compeer_jax.models.tokenizer import read_tokenizer
from compeer_jax.parallel.mesh import AXES
from compeer_jax.parallel.sharding import replicated


class TextModel:
    """A frozen model that gives a vector a text.

    Texts are sorted by length and cut into batches, each padded to a `bucket` of its longest. All batches have the same
    number of rows, so one program a bucket is all that is ever compiled.

    Args:
        model: called with (tokens, segment_ids=...).
        tokenize: from texts to the ids that the model shall read, clipped already.
        mesh: where the weights are; rows are split over its `data` and `fsdp` axes.
        pad_id: fills up rows.
        pooling: how hidden states become one vector.
        normalize: make vectors of length 1.
        batch_size: rows read at once.
    """

    def __init__(
        self,
        model: nnx.Module,
        tokenize: Callable[[list[str]], list[list[int]]],
        *,
        mesh: Mesh,
        pad_id: int,
        pooling: Pooling = "mean",
        normalize: bool = False,
        batch_size: int = 64,
    ):
        graphdef, self.params = nnx.split(model, nnx.Param)
        self.size = model.config.hidden_size
        self.tokenize, self.mesh, self.pad_id, self.batch_size = tokenize, mesh, pad_id, batch_size

        def embed(params: nnx.State, tokens: Int[Array, "N T"], real: Bool[Array, "N T"]) -> Float[Array, "N D"]:
            hidden = nnx.merge(graphdef, params)(tokens, segment_ids=real.astype(jnp.int32))
            vectors = pool(hidden, real, pooling)
            return unit(vectors) if normalize else vectors

        self._embed = jax.jit(embed, out_shardings=replicated(mesh))

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "M D"]:
        """The float32 vectors of M texts, in their order."""
        ids = self.tokenize(list(texts)) if texts else []
        order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        # A few texts make a small batch; more make full ones, the last of them filled up where texts are shortest.
        rows = min(self.batch_size, 1 << max(len(ids) - 1, 0).bit_length())
        rows = -(-rows // self._ways) * self._ways
        chunks = [order[start : start + rows] for start in range(0, len(order), rows)]
        with jax.set_mesh(self.mesh):
            embedded = [self._embed(self.params, *self._pad([ids[row] for row in chunk], rows)) for chunk in chunks]
        vectors = np.zeros((len(ids), self.size), np.float32)
        for chunk, result in zip(chunks, jax.device_get(embedded), strict=True):
            vectors[chunk] = result[: len(chunk)]
        return vectors

    @property
    def compilations(self) -> int:
        """Number of programs compiled so far."""
        return self._embed._cache_size()

    @property
    def _ways(self) -> int:
        """Over how many parts of the mesh rows are split."""
        return self.mesh.shape["data"] * self.mesh.shape["fsdp"]

    def _pad(self, ids: Sequence[Sequence[int]], rows: int) -> tuple[Int[np.ndarray, "N T"], Bool[np.ndarray, "N T"]]:
        """Ids as one array, padded on the right and below; and True where they are."""
        tokens = np.full((rows, bucket(max(1, *map(len, ids)), 16)), self.pad_id, np.int32)
        real = np.zeros(tokens.shape, bool)
        for row, text in enumerate(ids):
            tokens[row, : len(text)] = text
            real[row, : len(text)] = True
        return tokens, real


def hidden_state_embedder(
    model: ModelConfig, *, tokenizer: Any, mesh: Mesh, max_tokens: int = 512, batch_size: int = 64
) -> TextModel:
    """The mean over tokens of the last hidden states of a language model, which is never updated.

    The text stands alone, without a chat around it. The weights are read once more for it, in the type of the
    computation and without the output head.

    Args:
        model: which; where it names adapters, the model that they are for.
        tokenizer: its own.
        mesh: where the weights and rows are laid out.
        max_tokens: longer texts are clipped (or at the model's own limit, where that is less).
        batch_size: texts read at once.

    Raises:
        UserError: the model cannot be read.
    """
    frozen, context = load_text_model(
        base_directory(model_directory(model.path)),
        mesh=mesh,
        dtype=jnp.dtype(model.dtype),
        scan_layers=model.scan_layers,
    )
    longest = min(max_tokens, context)

    def tokenize(texts: list[str]) -> list[list[int]]:
        return [ids[:longest] for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]

    return TextModel(frozen, tokenize, mesh=mesh, pad_id=0, batch_size=batch_size)


def sentence_embedder(
    path: str,
    *,
    mesh: Mesh,
    dtype: DTypeLike = "float32",
    max_tokens: int = 512,
    batch_size: int = 64,
    scan_layers: Scan = "auto",
) -> TextModel:
    """The sentence-embedding model at `path`, as sentence-transformers runs it.

    An encoder is small, so every device of the mesh holds all of it and reads its own rows; a decoder is laid out as a
    policy is.

    Args:
        path: directory in sentence-transformers' layout, or a hub id.
        mesh: where the weights and rows are laid out.
        dtype: of the weights and of the computation.
        max_tokens: longer texts are clipped (or at the model's own limit, where that is less).
        batch_size: texts read at once.
        scan_layers: see `Decoder`.

    Raises:
        UserError: the directory is no such model, or not one that is built.
    """
    sentence = SentenceConfig.read(model_directory(path))
    tokenizer = read_tokenizer(sentence.model)
    if read_config(sentence.model)[0].get("model_type") not in FAMILIES:
        mesh = Mesh(mesh.devices.reshape(-1, 1, 1), AXES, axis_types=(AxisType.Auto,) * len(AXES))
    model, context = load_text_model(sentence.model, mesh=mesh, dtype=jnp.dtype(dtype), scan_layers=scan_layers)
    limits = (max_tokens, context, sentence.max_tokens or tokenizer.model_max_length)

    def tokenize(texts: list[str]) -> list[list[int]]:
        if sentence.lower_case:
            texts = [text.lower() for text in texts]
        texts = [sentence.prompt + text for text in texts]
        return tokenizer(texts, truncation=True, max_length=int(min(limits)))["input_ids"]

    return TextModel(
        model,
        tokenize,
        mesh=mesh,
        pad_id=tokenizer.pad_token_id or 0,
        pooling=sentence.pooling,
        normalize=sentence.normalize,
        batch_size=batch_size,
    )
