"""Sentence-embedding directories in the layout of sentence-transformers: a text model, and how its states are pooled.

What such a directory may also hold (dense layers, other poolings, code of its own) is refused by name.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Bool, DTypeLike, Float

from compeer_jax.errors import UserError, unknown
from compeer_jax.files import read_json
from compeer_jax.models import weights
from compeer_jax.models.bert import Bert
from compeer_jax.models.bert_config import KINDS, BertConfig
from compeer_jax.models.config import FAMILIES, DecoderConfig, read_config
from compeer_jax.models.decoder import abstract
from compeer_jax.models.depth import Scan
from compeer_jax.models.hf_names import BERT, body_names
from compeer_jax.models.json_config import ConfigReader

Pooling = Literal["mean", "cls", "lasttoken"]

# How sentence-transformers before 5.4 spells the pooling: one switch each.
_SWITCHES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
}


@dataclass(frozen=True)
class SentenceConfig:
    """Config of a sentence encoder: how a text becomes a vector.

    Attributes:
        model: the directory with config.json, the tokenizer and the weights.
        pooling: which hidden states make the vector: the mean of all, the first, or the last.
        normalize: the vector is made of length 1.
        max_tokens: longer texts are clipped, special tokens kept; None where only the tokenizer and the model say.
        lower_case: texts are lower-cased first.
        prompt: stands before every text.
    """

    model: Path
    pooling: Pooling
    normalize: bool = False
    max_tokens: int | None = None
    lower_case: bool = False
    prompt: str = ""

    @classmethod
    def read(cls, directory: str | Path) -> "SentenceConfig":
        """Reads `modules.json` and what it points to.

        Raises:
            UserError: no such directory in this layout, or it asks for something that is not built.
        """
        directory = Path(directory)
        if not (directory / "modules.json").exists():
            raise UserError(
                f"{directory} is no sentence-embedding directory: it has no modules.json; give one in "
                "sentence-transformers' layout."
            )
        text_model, pooling_at, *rest = _modules(directory)
        settings = _settings(text_model / "sentence_bert_config.json")
        pooling = read_json(pooling_at / "config.json", "the pooling's config", dict)
        prompt = _prompt(directory)
        if prompt and pooling.get("include_prompt") is False:
            raise UserError(f"{pooling_at}: include_prompt is false; pooling that leaves the prompt out is not built.")
        return cls(
            model=text_model,
            pooling=_pooling(pooling, str(pooling_at / "config.json")),
            normalize=bool(rest),
            max_tokens=settings.integer("max_seq_length", None),
            lower_case=settings.boolean("do_lower_case", False),
            prompt=prompt,
        )


def load_text_model(
    directory: str | Path, *, mesh: Mesh | None, dtype: DTypeLike, scan_layers: Scan = "auto"
) -> tuple[nnx.Module, int]:
    """The text model of a directory (BERT, RoBERTa, XLM-RoBERTa or a decoder), its output head left out.

    Args:
        directory: holds config.json and weights in safetensors.
        mesh: where to put the weights, by their axis names; None is the default device.
        dtype: of the weights and of the computation.
        scan_layers: see `Decoder`.

    Returns:
        A model that is called with (tokens, segment_ids=...), and the most tokens it can take.

    Raises:
        UserError: the model is of another kind, asks for something that is not built, or its files are not whole.
    """
    values, path = read_config(directory)
    where, kind = str(path), values.get("model_type")
    options = {"dtype": dtype, "param_dtype": dtype, "scan_layers": scan_layers}
    if kind in KINDS:
        config = BertConfig.from_hf(values, where)
        weights.check_layers(directory, config.num_hidden_layers, BERT)
        graphdef, params = nnx.split(nnx.eval_shape(lambda: Bert(config, rngs=nnx.Rngs(0), **options)))
        return nnx.merge(graphdef, weights.load(directory, params, mesh=mesh, names=BERT)), config.max_tokens
    if kind not in FAMILIES:
        raise unknown("model_type", kind, [*KINDS, *FAMILIES], where)
    if values.get("auto_map") or values.get("is_causal") is False:
        raise UserError(f"{where}: the model needs code of its own or attention in both directions; neither is built.")
    causal = FAMILIES[kind].architecture
    if values.get("architectures") == [f"{causal.removesuffix('ForCausalLM')}Model"]:
        values = values | {"architectures": [causal]}
    config = DecoderConfig.from_hf(values, where)
    names = body_names(config)
    weights.check_layers(directory, config.num_hidden_layers, names)
    # A tied head has no weights of its own, and an untied one is of no use here.
    graphdef, params = abstract(dataclasses.replace(config, tie_word_embeddings=True), **options)
    return nnx.merge(graphdef, weights.load(directory, params, mesh=mesh, names=names)), config.max_position_embeddings


def pool(hidden: Float[Array, "N T D"], real: Bool[Array, "N T"], pooling: Pooling) -> Float[Array, "N D"]:
    """One float32 vector a row; zero for a row without a real token.

    Args:
        hidden: states of all tokens; what stands in padding has no effect as long as it is finite.
        real: False for padding, which may stand on either side.
        pooling: the mean over real tokens, the first ("cls") or the last of them.

    Raises:
        UserError: `pooling` is none of these.
    """
    hidden = hidden.astype(jnp.float32)
    if pooling == "mean":
        weight = real / jnp.maximum(real.sum(axis=1, keepdims=True), 1)
        return jnp.einsum("ntd,nt->nd", hidden, weight, precision=jax.lax.Precision.HIGHEST)
    if pooling == "cls":
        place = jnp.argmax(real, axis=1)
    elif pooling == "lasttoken":
        place = real.shape[1] - 1 - jnp.argmax(real[:, ::-1], axis=1)
    else:
        raise unknown("pooling", pooling, get_args(Pooling))
    chosen = jnp.take_along_axis(hidden, place[:, None, None], axis=1)[:, 0]
    return jnp.where(real.any(axis=1, keepdims=True), chosen, 0)


def unit(vectors: Float[Array, "N D"]) -> Float[Array, "N D"]:
    """Vectors of length 1; a zero vector stays zero."""
    return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _modules(directory: Path) -> list[Path]:
    """The directories of the text model, of the pooling and, if there is one, of the normalisation."""
    path = directory / "modules.json"
    modules = read_json(path, "the list of modules", list)
    try:
        kinds = [module["type"].rpartition(".")[2] for module in modules]
        places = [directory / module["path"] for module in modules]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: every module must have a type and a path; copy or download it again.") from error
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise UserError(
            f"{path} asks for {', '.join(map(str, kinds)) or 'nothing'}; only Transformer, Pooling and, if wanted, "
            "Normalize are built, in this order."
        )
    return places


def _settings(path: Path) -> ConfigReader:
    """The text model's settings; the file may be absent."""
    return ConfigReader(read_json(path, "the settings", dict) if path.exists() else {}, str(path))


def _pooling(values: dict[str, Any], where: str) -> Pooling:
    on = [name for switch, name in _SWITCHES.items() if values.get(switch)] or ["mean"]
    modes = values.get("pooling_mode", on)
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) != 1:
        raise UserError(f"{where}: pooling is {' + '.join(map(str, modes))}; only one at a time is built.")
    if modes[0] not in get_args(Pooling):
        raise unknown("pooling", modes[0], get_args(Pooling), where)
    return modes[0]


def _prompt(directory: Path) -> str:
    """The text that is put before every other unless asked otherwise."""
    path = directory / "config_sentence_transformers.json"
    values = read_json(path, "the settings", dict) if path.exists() else {}
    name = values.get("default_prompt_name")
    if name is None:
        return ""
    prompts = values.get("prompts") or {}
    if name not in prompts:
        raise unknown("default_prompt_name", name, prompts, str(path))
    return prompts[name] or ""
